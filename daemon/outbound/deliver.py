"""Brings one approved reply out, once: the delivery protocol of the design, state by state, with its recovery.

```
approved  --T1--> applying   only with staged writes: checks, limits reserved
applying  --T2--> (business database: ledger, guards, steps)   --T3--> ready | held(stale-write)
approved | ready   SMTP up to RCPT: any failure is a certain non-delivery
          a look at INBOX and Sent, then --T4--> sending   everything checked once more
sending   --T5--> sent (250) | ready (4xx) | held (5xx) | uncertain (no answer)
sent      --T6--> done       the copy is filed
```
A delivery that is found in `sending` at the start is never sent again.
"""

import asyncio
import hashlib
import time
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import stamina
import structlog

from daemon.errors import Refused4xx, Refused5xx, Stopped, StoreBusy, Uncertain, Unreachable
from daemon.gate.verdict import Reason
from daemon.outbound.compose import Composed, compose, kept
from daemon.outbound.parts import Outbound
from daemon.outbound.smtp import Opened, Submission
from daemon.store import delivering, ending
from daemon.store.delivering import Given
from daemon.store.job import Halt, Job, load
from tools.errors import Permanent, Transient
from tools.located import Faults

log = structlog.get_logger()
FILING = 10
"""Tries to file the copy; then the mail is done without."""
LOOK = 60.0
"""Seconds that a look into the mailbox may take while the mail server waits; it waits minutes (RFC 5321 4.5.3.2)."""
MOST = 3600.0
"""The longest wait between two tries, seconds."""


async def deliver(parts: Outbound, delivery_id: str) -> None:
    """Take a delivery as far as it goes now. Never raises: every failure is a state."""
    if delivery_id in parts.active:
        # another workflow of this process has it in hand, and a second look would take its `sending` for a crash
        await _again(parts, delivery_id)
        return
    parts.active.add(delivery_id)
    try:
        await _walk(parts, delivery_id)
    finally:
        parts.active.discard(delivery_id)


async def _walk(parts: Outbound, delivery_id: str) -> None:
    try:
        while job := await parts.store.read(lambda session: load(session, parts.store.vault, delivery_id)):
            await parts.reached(delivery_id, job.state)
            if not await _step(parts, job):
                return
    except Stopped:
        log.info("delivery.taken-over", delivery=delivery_id)
    except Transient as error:
        log.warning("delivery.postponed", delivery=delivery_id, why=type(error).__name__)
        await _again(parts, delivery_id)
    except Exception as error:
        log.exception("delivery.failed", delivery=delivery_id, error=type(error).__name__)
        now = parts.clock()
        await parts.store.write(lambda session: ending.give_up(session, delivery_id, now=now))


async def _step(parts: Outbound, job: Job) -> bool:
    """The next transition; whether there may be another one at once."""
    if job.state == "approved" and job.writes:
        return await _begin(parts, job)
    if job.state == "applying":
        return await _apply(parts, job)
    if job.state in ("approved", "ready"):
        return await _transmit(parts, job)
    if job.state == "sending":
        return await _recover(parts, job)
    if job.state == "sent":
        return await _file(parts, job)
    return False


async def _begin(parts: Outbound, job: Job) -> bool:
    """T1."""
    if _shadow(parts, job):
        return await _hold(parts, job, Reason.SHADOW, 'The mailbox is in mode = "shadow".')
    now, vault, most = parts.clock(), parts.store.vault, parts.config().limits.breaker
    result = await parts.store.write(
        lambda session: delivering.begin(session, vault, job, most=most, oldest=oldest(parts, job), now=now)
    )
    return await _halted(parts, job, result) if isinstance(result, Halt) else True


async def _apply(parts: Outbound, job: Job) -> bool:
    """T2 and T3; time may have passed since T1, so what would have stopped it there stops it here."""
    now, vault = parts.clock(), parts.store.vault
    try:
        halt = await _halt(parts, job)
        # a pause ends, so it decides nothing; whatever else stops it is final, unless the write has happened already
        if halt is not None and (halt.kind == "wait" or not await parts.writes.refuse(job, halt.detail)):
            return await _halted(parts, job, halt)
        refusal = await parts.writes.apply(job)
    except Transient as error:
        # never held by time alone: nobody knows whether it happened before the database has answered
        return await _wait(parts, job, str(error))
    await parts.reached(job.id, "written")
    if refusal is not None:
        why = Reason.STALE_WRITE.value
        await parts.store.write(lambda session: ending.not_applied(session, vault, job, why, refusal, now=now))
        return False
    return await parts.store.write(lambda session: delivering.applied(session, vault, job, now=now))


async def _halt(parts: Outbound, job: Job) -> Halt | None:
    if _shadow(parts, job):
        return Halt(kind="hold", reason=Reason.SHADOW.value, detail='The mailbox is in mode = "shadow".')
    return await parts.store.read(lambda session: delivering.may_apply(session, parts.store.vault, job))


def _submission(parts: Outbound) -> Submission:
    try:
        return parts.submission()
    except Permanent as error:  # a CA file that is being replaced, say: nothing that is about this mail
        raise Unreachable(str(error)) from error


async def _transmit(parts: Outbound, job: Job) -> bool:
    """SMTP up to RCPT, T4, DATA, T5."""
    if _shadow(parts, job):
        return await _hold(parts, job, Reason.SHADOW, 'The mailbox is in mode = "shadow".')
    try:
        await _look(parts, job)  # after an outage it takes a while, in which no mail server should have to wait
        composed = composed_for(parts, job)
        opened = await _submission(parts).open(composed.mail_from, composed.rcpt_to, size=len(composed.raw))
    except (Refused4xx, Unreachable, Faults) as error:
        return await _retry(parts, job, str(error))
    except Permanent as error:
        said = isinstance(error, Refused5xx)
        return await _hold(parts, job, Reason.REFUSED_BY_SERVER if said else Reason.UNADDRESSABLE, str(error))
    await parts.reached(job.id, "opened")
    try:
        await _look(parts, job)
        deadline = _boot() + parts.config().smtp.claim
        result = await _claim(parts, job, composed)
    except Unreachable as error:
        await opened.abandon()
        return await _retry(parts, job, str(error))
    except BaseException:
        await opened.abandon()
        raise
    if isinstance(result, Halt):
        await opened.abandon()
        return await _halted(parts, job, result)
    await parts.reached(job.id, "sending")
    job = replace(job, token=result, state="sending", composed=composed.raw)
    return await _data(parts, job, opened, composed, deadline)


async def _look(parts: Outbound, job: Job) -> None:
    """Let T4 see what stands in the mailbox now (promise P11).

    Raises:
        Unreachable: it could not be looked into, so that nobody knows whether the reply is still wanted.
    """
    blind = f"The mailbox {job.mailbox} could not be looked into before the reply leaves: "
    try:
        async with asyncio.timeout(LOOK):
            await parts.look(job.mailbox)
    except TimeoutError as error:
        raise Unreachable(f"{blind}it took longer than {LOOK:.0f} s. It is tried again.") from error
    except Transient as error:
        raise Unreachable(f"{blind}{error}") from error


async def _claim(parts: Outbound, job: Job, composed: Composed) -> str | Halt:
    """T4."""
    now, vault, config = parts.clock(), parts.store.vault, parts.config()
    given = Given(raw=composed.raw, message_id=composed.message_id)
    return await parts.store.write(
        partial(
            delivering.claim_send,
            vault=vault,
            job=job,
            given=given,
            until=now + timedelta(seconds=config.smtp.claim),
            most=config.limits.breaker,
            oldest=oldest(parts, job),
            now=now,
        )
    )


async def _data(parts: Outbound, job: Job, opened: Opened, composed: Composed, deadline: float) -> bool:
    """DATA to the final dot, and T5: what the server answered is what happened."""
    vault = parts.store.vault
    remaining = deadline - _boot()
    if remaining <= 0:
        await opened.abandon()
        return await _retry(parts, job, "The worker was stopped before the content was sent.")
    try:
        answer = await opened.send(composed.raw, timeout=remaining)
    except Refused4xx as error:
        return await _retry(parts, job, str(error))
    except Refused5xx as error:
        return await _hold(parts, job, Reason.REFUSED_BY_SERVER, str(error))
    except Uncertain as error:
        detail, now = str(error), parts.clock()
        await parts.store.write(lambda session: ending.uncertain(session, vault, job, detail, now=now))
        return False
    await parts.reached(job.id, "answered")
    return await _sent(parts, job, answer)


async def _sent(parts: Outbound, job: Job, answer: str) -> bool:
    """T5 after 250."""
    now, vault = parts.clock(), parts.store.vault
    file_copy = parts.copies.wanted(job.mailbox)
    # The answer is known here and nowhere else: a store that is busy for a moment must not make it uncertain.
    async for attempt in stamina.retry_context(on=StoreBusy, attempts=None, timeout=parts.config().smtp.claim):
        with attempt:
            await parts.store.write(
                lambda session: delivering.sent(session, vault, job, answer, file_copy=file_copy, now=now)
            )
    await parts.reached(job.id, "sent")
    log.info("reply.sent", message=job.message.id, draft=job.draft, automatic=job.automatic)
    return file_copy


async def _recover(parts: Outbound, job: Job) -> bool:
    """Found in `sending`: never send. Found in Sent: it left. Not found proves nothing."""
    until = job.claimed_until
    if not parts.alone and until is not None and parts.clock() < until:
        delay = (until - parts.clock()).total_seconds() + 1
        await parts.store.write(lambda session: ending.look_again(session, parts.queue, job, delay=delay))
        return False
    if await _found(parts, job, composed_for(parts, job)):
        return await _sent(parts, job, "Found in Sent after a restart.")
    now, vault = parts.clock(), parts.store.vault
    detail = "triaged was stopped after the content was sent and before the answer was stored."
    await parts.store.write(lambda session: ending.uncertain(session, vault, job, detail, now=now))
    return False


async def _file(parts: Outbound, job: Job) -> bool:
    """T6: a failure or repeat costs at most a second copy, never a second mail."""
    composed = composed_for(parts, job)
    try:
        if not await parts.copies.find(job.mailbox, composed.message_id):
            await parts.copies.file(job.mailbox, composed.raw)
    except Transient:
        if job.tries < FILING:
            raise
        log.warning("copy.not-filed", draft=job.draft, mailbox=job.mailbox)
    await parts.store.write(lambda session: delivering.filed(session, job))
    return False


async def _found(parts: Outbound, job: Job, composed: Composed) -> bool:
    """Whether Sent holds it; a Sent that can't be read is one in which it was not found, which proves nothing."""
    try:
        return await parts.copies.find(job.mailbox, composed.message_id)
    except Transient as error:
        log.warning("sent.not-read", mailbox=job.mailbox, why=str(error))
        return False


def composed_for(parts: Outbound, job: Job) -> Composed:
    """The mail of a job: as it was given to the server, once it was; composed now before that."""
    config = parts.config()
    mailbox, envelope_from = config.mailbox[job.mailbox], config.smtp.envelope_from
    if job.composed is not None:
        return kept(job.composed, message=job.message, mailbox=mailbox, envelope_from=envelope_from)
    return compose(
        message=job.message,
        raw_quote=job.message.text,
        body=job.text.body,
        revision=job.revision,
        mailbox=mailbox,
        reply=config.reply,
        envelope_from=envelope_from,
        mark_key=parts.store.vault.mark_key,
        automatic=job.automatic,
        language=job.text.language,
        now=job.created_at,
    )


async def _halted(parts: Outbound, job: Job, halt: Halt) -> bool:
    now = parts.clock()
    if halt.kind == "wait":
        await parts.store.write(lambda session: ending.wait(session, parts.queue, job, halt.reason, now=now))
        return False
    if halt.kind == "moot":
        await parts.store.write(lambda session: ending.moot(session, parts.queue, job, now=now))
        return False
    if halt.kind == "answered":
        await parts.store.write(lambda session: ending.answered_by_hand(session, job, now=now))
        log.info("reply.answered-by-human", message=job.message.id, draft=job.draft)
        return False
    return await _hold(parts, job, Reason(halt.reason), halt.detail)


async def _hold(parts: Outbound, job: Job, reason: Reason, detail: str) -> bool:
    now, vault, most = parts.clock(), parts.store.vault, parts.config().limits.breaker
    await parts.store.write(lambda session: ending.held(session, vault, job, reason.value, detail, most=most, now=now))
    log.info("reply.held", message=job.message.id, draft=job.draft, reason=reason.value)
    return False


async def _retry(parts: Outbound, job: Job, answer: str) -> bool:
    """Wait and try again, until the operator's patience ends."""
    smtp, now = parts.config().smtp, parts.clock()
    if job.failing_since is not None and (now - job.failing_since).total_seconds() >= smtp.retry_for:
        return await _hold(parts, job, Reason.SERVER_UNAVAILABLE, answer)
    return await _wait(parts, job, answer)


async def _wait(parts: Outbound, job: Job, answer: str) -> bool:
    """Come back later, each time later."""
    smtp, now = parts.config().smtp, parts.clock()
    delay = backoff(job.id, job.tries, first=smtp.retry_first)
    vault = parts.store.vault
    await parts.store.write(
        lambda session: ending.put_back(session, vault, parts.queue, job, answer, delay=delay, now=now)
    )
    log.info("reply.waiting", message=job.message.id, draft=job.draft, seconds=round(delay))
    return False


async def _again(parts: Outbound, delivery_id: str) -> None:
    """The store or a copy failed for now: come back in a while, in whatever state it is."""
    job = await parts.store.read(lambda session: load(session, parts.store.vault, delivery_id))
    if job is not None:
        delay = backoff(job.id, job.tries, first=parts.config().smtp.retry_first)
        await parts.store.write(lambda session: ending.look_again(session, parts.queue, job, delay=delay))


def backoff(seed: str, tries: int, *, first: float) -> float:
    """Seconds to wait after try number `tries`: doubling up to an hour, with a jitter that depends on the seed."""
    jitter = int.from_bytes(hashlib.sha256(f"{seed}:{tries}".encode()).digest()[:4], "big") / 2**32
    return float(min(MOST, first * 2 ** min(max(0, tries - 1), 30)) * (0.9 + 0.2 * jitter))


def oldest(parts: Outbound, job: Job) -> datetime | None:
    """Mail received before is not answered by itself any more; None: a person approved it, or its write stands."""
    if not job.automatic or job.applied:
        return None
    return parts.clock() - timedelta(seconds=parts.config().limits.max_age)


def _shadow(parts: Outbound, job: Job) -> bool:
    return parts.config().mailbox[job.mailbox].mode == "shadow"


def _boot() -> float:
    """Seconds since boot, suspend included: what a wall clock says can jump."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
