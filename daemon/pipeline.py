"""The path of a message, from the door to the final dot: read this first.

```
receive    parse and screen, then one transaction: stored once, put into its conversation, `triage` enqueued
triage     claim the conversation's undecided mails, consider them (route, handle, gate), then one transaction:
           a draft that is held, or a draft whose delivery is enqueued
deliver    apply the staged writes, send once, file the copy (`daemon/outbound/deliver.py`)
```
A mail that the screen ignores ends in `receive`. A held draft is a row, never a waiting workflow: a person's approval
(`daemon/review/decide.py`) enqueues `deliver`. Rows are the journal; the engine only says what to start again, so each
workflow looks at the rows first and does what is left to do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from daemon import marks
from daemon.consider import Answer, Mind, Question, consider
from daemon.errors import Stopped
from daemon.gate.verdict import Check, Reason, Verdict
from daemon.inbound.arrival import Arrival, Receipt
from daemon.inbound.screen import Screened
from daemon.outbound.deliver import deliver
from daemon.outbound.parts import Outbound
from daemon.route.rules import Route
from daemon.store import drafts, ingest, turns
from daemon.store.codec import encode
from daemon.store.content import Text
from daemon.store.drafts import Ended
from daemon.store.engine import Store
from daemon.store.limits import Charge
from daemon.store.queue import DELIVER, TRIAGE, Queue, Workflow
from daemon.store.seal import new_id
from daemon.store.turns import Claimed
from handlers.contract import BrainBusy, Proposal, Turn
from tools.errors import Permanent, Transient

log = structlog.get_logger()
ATTEMPTS = 20
"""Starts of one run, each after a crash or a restart in the middle of it; then a person answers."""
SHORTEST, LONGEST = 5.0, 900.0
"""Seconds to wait for a model that can't answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the path is made of; `daemon/main.py` builds it."""

    store: Store
    queue: Queue
    screen: Callable[[Arrival, str], Awaitable[Screened]]
    """Parses and screens a mail under a new id, in a process of its own; never raises."""
    mind: Callable[[], Mind]
    """The active release and what considering a mail needs."""
    unless_stopped: Callable[[Coroutine[Any, Any, Answer]], Awaitable[Answer]]
    """Waits for an answer; a stop of the daemon does not, and the turn begins again at the next start."""
    outbound: Outbound
    clock: Callable[[], datetime]
    reached: Callable[[str, str], Awaitable[None]]
    """Called at each durable boundary; the tests kill the process there."""


async def receive(parts: Parts, arrival: Arrival) -> Receipt:
    """Take a mail in; returns only after the commit.

    Raises:
        StoreBusy, StoreUnusable: it is not committed, and must come again.
    """
    screened = await parts.screen(arrival, new_id())
    now, limits = parts.clock(), parts.mind().release.config.limits
    old = arrival.received_at < now - timedelta(seconds=limits.max_age)
    incoming = ingest.Incoming(
        message=screened.message,
        raw=arrival.raw,
        received_at=arrival.received_at,
        digest=screened.digest,
        party=screened.party,
        base_subject=screened.base_subject,
        ignored=screened.automatic.value if screened.automatic else None,
        detail=screened.detail,
        position=arrival.position,
        priority="low" if old else "normal",
        file=arrival.file,
        told=screened.told,
        by_hand=screened.by_hand,
    )
    vault, queue = parts.store.vault, parts.queue
    take = partial(
        ingest.ingest,
        vault=vault,
        queue=queue,
        incoming=incoming,
        now=now,
        debounce=limits.debounce,
        most=limits.breaker,
    )
    stored = await parts.store.write(take)
    await parts.reached(stored.message, "received")
    log.info("mail.received", message=stored.message, duplicate=stored.duplicate, ignored=incoming.ignored)
    return Receipt(message=stored.message, duplicate=stored.duplicate, outcome="ignored" if incoming.ignored else None)


async def triage(parts: Parts, conversation: str, number: int) -> None:
    """Answer the undecided mails of a conversation as far as possible. Never raises: every failure ends in `held`."""
    mind = parts.mind()
    now, debounce = parts.clock(), mind.release.config.limits.debounce
    claim = partial(
        turns.claim,
        vault=parts.store.vault,
        conversation_id=conversation,
        number=number,
        release=mind.release.id,
        now=now,
        debounce=debounce,
    )
    try:
        claimed = await parts.store.write(claim)
    except Permanent as error:
        log.exception("turn.unreadable", conversation=conversation, error=type(error).__name__)
        await parts.store.write(lambda session: turns.give_up(session, conversation, now=now))
        return
    if claimed is None:
        return
    await parts.reached(claimed.run, "claimed")
    with structlog.contextvars.bound_contextvars(message=claimed.messages[-1].id, run=claimed.run):
        try:
            if claimed.attempts > ATTEMPTS:
                told = "It was begun and interrupted several times; whatever interrupts it would do so again."
                await _end(parts, claimed, _given_up(claimed, Reason.UNEXPECTED, told), "")
                return
            await _turn(parts, mind, claimed)
        except Stopped:
            log.info("turn.taken-over")
        except Transient:
            raise  # the store is busy: nothing is lost, the turn starts again
        except Exception as error:
            log.exception("turn.failed", error=type(error).__name__)
            await _end(
                parts,
                claimed,
                _given_up(claimed, Reason.UNEXPECTED, f"{type(error).__name__}; the log has the traceback."),
                "",
            )


async def _turn(parts: Parts, mind: Mind, claimed: Claimed) -> None:
    journal = _Journal(parts, claimed)
    question = Question(
        messages=claimed.messages,
        conversation=claimed.conversation,
        journal=journal,
        history=claimed.history,
        last_reply=claimed.last_reply,
        hint=claimed.hint,
        human=claimed.human,
        as_human_mail=claimed.as_human_mail,
    )
    try:
        answer = await parts.unless_stopped(consider(mind, question))
    except BrainBusy as error:
        await _postpone(parts, claimed, error)
        return
    await parts.reached(claimed.run, "considered")
    await _end(parts, claimed, answer, mind.brain_name)


class _Journal:
    """`handlers.contract.Journal`: turns whose calls are still to run are committed; the last goes with the draft."""

    def __init__(self, parts: Parts, claimed: Claimed) -> None:
        self._parts = parts
        self._claimed = claimed

    def turns(self) -> tuple[Turn, ...]:
        """Turns of earlier attempts of this run."""
        return self._claimed.turns

    async def record(self, turn: Turn) -> None:
        """Commit a turn."""
        now, vault = self._parts.clock(), self._parts.store.vault
        await self._parts.store.write(lambda session: turns.record_turn(session, vault, self._claimed, turn, now=now))
        await self._parts.reached(self._claimed.run, f"turn {turn.number}")


async def _postpone(parts: Parts, claimed: Claimed, error: BrainBusy) -> None:
    """The model can't answer now: end the run and come back, later each time."""
    now = parts.clock()
    waited = (now - min(message.received_at or now for message in claimed.messages)).total_seconds()
    delay = error.retry_after if error.retry_after is not None else max(waited, SHORTEST)
    log.warning("turn.postponed", seconds=round(delay))
    await parts.store.write(
        lambda session: turns.postpone(session, parts.queue, claimed, now=now, delay=min(delay, LONGEST))
    )


def _given_up(claimed: Claimed, reason: Reason, detail: str) -> Answer:
    """What is stored when no proposal could be made: the mail, held, with the reason."""
    check = Check(name="handled", passed=False, reason=reason, detail=detail)
    return Answer(
        message=claimed.messages[-1],
        route=Route(outcome="hold", reason=reason, detail=detail),
        proposal=Proposal(
            language=claimed.messages[-1].language or "en", faults=(reason.value,), fault_details=(detail,)
        ),
        verdict=Verdict(outcome="hold", checks=(check,)),
    )


async def _end(parts: Parts, claimed: Claimed, answer: Answer, brain: str) -> None:
    """The transaction that ends a run, and what follows it outside the store."""
    now, vault = parts.clock(), parts.store.vault
    config = parts.mind().release.config
    newest, proposal = claimed.messages[-1], answer.proposal
    domain = config.mailbox[claimed.mailbox].address.rpartition("@")[2]
    ended = Ended(
        outcome=answer.verdict.outcome,
        reasons=tuple(reason.value for reason in answer.verdict.reasons),
        checks=tuple(asdict(check) for check in answer.verdict.checks),
        route=_route(answer.route),
        proposal=proposal,
        text=Text(body=proposal.body, language=proposal.language, facts=proposal.facts, template=proposal.template),
        brain=brain,
        charges=encode(list[Charge], list(answer.charges)).decode(),
        deadline=answer.deadline,
        deliver_in=config.limits.grace,
        ends_autonomy=answer.ends_autonomy,
        composed_message_id=marks.message_id(vault.mark_key, newest.id, 1, domain),
        amount=sum(write.amount or 0 for write in proposal.writes) if proposal.writes else None,
        currency=next((write.currency for write in proposal.writes if write.currency), None),
        last_turn=proposal.turns[-1] if proposal.turns else None,
    )
    await parts.store.write(lambda session: drafts.finish(session, vault, parts.queue, claimed, ended, now=now))
    await parts.reached(claimed.run, "finished")
    log.info("turn.finished", outcome=ended.outcome, reasons=",".join(ended.reasons), handler=answer.route.handler)


def _route(route: Route) -> dict[str, Any]:
    """What the store keeps of a route; the trace quotes the mail, so it is sealed."""
    return {
        "outcome": route.outcome,
        "rule": route.rule,
        "handler": route.handler,
        "detail": route.detail,
        "priority": route.priority,
        "label": list(route.label),
        "assign": route.assign,
        "move": route.move,
        "trace": [{"rule": step.rule, "value": step.value, "error": step.error} for step in route.trace],
    }


def register(parts: Parts) -> dict[str, Workflow]:
    """The workflows of this process, as closures over its parts; nothing is decorated at import."""

    async def triage_workflow(conversation: str, number: int) -> None:
        await _patiently(partial(triage, parts, conversation, number))

    async def deliver_workflow(delivery: str) -> None:
        await _patiently(partial(deliver, parts.outbound, delivery))

    return {TRIAGE: triage_workflow, DELIVER: deliver_workflow}


async def _patiently(work: Callable[[], Awaitable[None]]) -> None:
    """Run again while the store is busy; nothing may leave a workflow as an exception, which the engine would store."""
    wait = 0.5
    while True:
        try:
            return await work()
        except Transient as error:
            log.warning("store.busy", why=str(error), seconds=wait)
        except Exception as error:
            log.exception("workflow.failed", error=type(error).__name__)
            return None
        await asyncio.sleep(wait)
        wait = min(wait * 2, 30.0)
