"""The transactions of the delivery protocol (design, section 2): T1, T3, T4, T5 and T6, each fenced by state and token.

Every transition is one UPDATE that names the state and the token it expects and must change exactly one row; otherwise
another worker has gone on with it and this one stops.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from daemon.errors import Stopped
from daemon.store import content, conversations, drafts, limits, records, switches
from daemon.store.codec import decode
from daemon.store.content import Text
from daemon.store.limits import Charge
from daemon.store.queue import Queue
from daemon.store.seal import Vault, new_id
from daemon.store.tables import Conversation, Delivery, Draft, Mail, Revision, StagedWriteRow
from handlers.contract import Message
from tools.staged import StagedWrite

_ANSWERED = "Another reply to this mail is out, or may be."


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A delivery as it stands now, with all that is needed to go on."""

    id: str
    person: str
    state: str
    token: str
    attempt: int
    tries: int
    draft: str
    revision: int
    conversation: str
    mailbox: str
    handler: str | None
    automatic: bool
    resend: bool
    applied: bool
    claimed_until: datetime | None
    created_at: datetime
    failing_since: datetime | None
    message: Message
    text: Text
    writes: tuple[StagedWrite, ...]

    @property
    def key(self) -> str:
        """The ledger's key of this draft and revision."""
        return f"{self.draft}.{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Why a delivery may not go on."""

    kind: str
    """wait: try again when the pause ends; moot: a newer mail made it so; hold: a person has to look."""
    reason: str
    detail: str = ""


def load(session: Session, vault: Vault, delivery_id: str) -> Job | None:
    """The delivery as it stands; None when there is none."""
    delivery = session.get(Delivery, delivery_id)
    if delivery is None:
        return None
    draft = session.get_one(Draft, delivery.draft_id)
    mail = session.get_one(Mail, delivery.message_id)
    revision = session.get_one(Revision, (draft.id, delivery.revision))
    writes = session.exec(
        select(StagedWriteRow).where(col(StagedWriteRow.draft_id) == draft.id).order_by(col(StagedWriteRow.ordinal))
    ).all()
    return Job(
        id=delivery.id,
        person=delivery.person_id,
        state=delivery.state,
        token=delivery.token,
        attempt=delivery.attempt,
        tries=delivery.tries,
        draft=draft.id,
        revision=delivery.revision,
        conversation=draft.conversation_id,
        mailbox=draft.mailbox,
        handler=draft.handler,
        automatic=delivery.automatic,
        resend=delivery.resend,
        applied=delivery.applied,
        claimed_until=delivery.claimed_until,
        created_at=delivery.created_at,
        failing_since=delivery.failing_since,
        message=content.message_of(vault, mail),
        text=content.text_of(vault, revision),
        writes=tuple(_write(vault, row) for row in writes),
    )


def _write(vault: Vault, row: StagedWriteRow) -> StagedWrite:
    return decode(
        StagedWrite, vault.open(row.person_id, "staged_writes.content", f"{row.draft_id}:{row.ordinal}", row.content)
    )


def begin(session: Session, job: Job, *, oldest: datetime | None, now: datetime) -> str | Halt:
    """T1: everything is still as it was approved; limits are reserved, a new token is written.

    Returns:
        The new token, or why it may not go on.
    """
    if halt := _halt(session, job, from_states=("approved",), oldest=oldest) or _answered(session, job):
        return halt
    if exceeded := _reserve(session, job, now):
        return exceeded
    _step(session, job, "approved", token=(token := new_id()), state="applying")
    _draft(session, job, state="delivering")
    records.write(session, "applying", at=now, actor="daemon", message=job.message.id, draft=job.draft, delivery=job.id)
    return token


def may_apply(session: Session, job: Job) -> Halt | None:
    """Before T2: what has changed since T1, which may be long ago."""
    return _halt(session, job, from_states=("applying",))


def applied(session: Session, vault: Vault, job: Job, *, now: datetime) -> bool:
    """T3: the business database has the writes; from here on nothing supersedes the reply.

    Returns:
        Whether it may go on; not, when another reply to the mail is out or may be, which a person has to look at.
    """
    try:
        with session.begin_nested():
            _step(session, job, "applying", token=new_id(), state="ready", applied=True)
    except sa.exc.IntegrityError:
        _step(session, job, "applying", state="refused", applied=True, answer=_answer(vault, job, _ANSWERED))
        _hold(session, job, "applied-not-sent", now, also="stale-draft")
        return False
    records.write(
        session, "applied", at=now, actor="daemon", message=job.message.id, draft=job.draft, writes=len(job.writes)
    )
    return True


def give_up(session: Session, delivery_id: str, *, now: datetime) -> None:
    """A fault of ours: hold it, or leave it uncertain, without opening anything that is sealed."""
    delivery = session.get_one(Delivery, delivery_id)
    draft = session.get_one(Draft, delivery.draft_id)
    if delivery.state in ("done", "refused", "uncertain"):
        return
    reason = {"sending": "delivery-uncertain", "sent": ""}.get(delivery.state, "unexpected-error")
    if delivery.state == "sent":
        delivery.state = "done"
    else:
        delivery.state = "uncertain" if delivery.state == "sending" else "refused"
        reason = "applied-not-sent,unexpected-error" if delivery.applied else reason
        draft.state, draft.reasons, draft.priority = "held", reason, "high"
        for mail in session.exec(select(Mail).where(col(Mail.draft_id) == draft.id)):
            mail.state, mail.reason = "held", reason.partition(",")[0]
            session.add(mail)
    delivery.token = new_id()
    session.add(delivery)
    session.add(draft)
    records.write(
        session, "given-up", at=now, actor="daemon", message=delivery.message_id, draft=draft.id, reason=reason
    )


def not_applied(session: Session, vault: Vault, job: Job, reason: str, detail: str, *, now: datetime) -> None:
    """T3 after a refusal: nothing was changed, the reservation is given back, a person looks."""
    _release(session, job)
    _step(session, job, "applying", state="refused", answer=_answer(vault, job, detail))
    _hold(session, job, reason, now)


def claim_send(session: Session, job: Job, *, until: datetime, oldest: datetime | None, now: datetime) -> str | Halt:
    """T4: after RCPT was accepted and before DATA; from here on nobody can know whether the mail left.

    Args:
        session: writes.
        job: in state `ready`, or `approved` when nothing is to be written.
        until: when the final dot must have been sent; the worker itself goes by its boot clock.
        oldest: mail received before is not answered by itself; None: whatever its age.
        now: when.

    Returns:
        The new token, or why it may not go on.
    """
    if halt := _halt(session, job, from_states=("approved", "ready"), oldest=oldest):
        return halt
    if job.state == "approved" and (exceeded := _reserve(session, job, now)):
        return exceeded
    token = new_id()
    try:
        with session.begin_nested():
            _step(session, job, job.state, token=token, state="sending", claimed_until=until)
    except sa.exc.IntegrityError:
        return Halt(kind="hold", reason="stale-draft", detail=_ANSWERED)
    _draft(session, job, state="delivering")
    _mails(session, job, state="delivering")
    records.write(
        session,
        "sending",
        at=now,
        actor="daemon",
        message=job.message.id,
        draft=job.draft,
        attempt=job.attempt,
        automatic=job.automatic,
    )
    return token


def sent(session: Session, vault: Vault, job: Job, answer: str, *, file_copy: bool, now: datetime) -> str:
    """T5 after 250: it left. Without a copy to file this is T6 as well."""
    _step(
        session,
        job,
        "sending",
        token=(token := new_id()),
        state="sent" if file_copy else "done",
        sent_at=now,
        answer=_answer(vault, job, answer),
    )
    delivery = session.get_one(Delivery, job.id)
    conversations.remember(session, job.conversation, delivery.sent_message_id_mac, ours=True)
    _draft(session, job, state="done", decided_at=now)
    _mails(session, job, state="done", outcome="sent", decided_at=now)
    records.write(
        session, "sent", at=now, actor="daemon", message=job.message.id, draft=job.draft, automatic=job.automatic
    )
    return token


def filed(session: Session, job: Job) -> None:
    """T6: the copy stands in Sent."""
    _step(session, job, "sent", state="done")


def put_back(
    session: Session, vault: Vault, queue: Queue, job: Job, answer: str, *, delay: float, now: datetime
) -> None:
    """A certain non-delivery that may pass (4xx, server away): try again after `delay` seconds.

    From `sending` (T5 after 4xx) the reservation stays, since the reply goes on; the state is `ready` again.
    """
    state = "ready" if job.state == "sending" else job.state
    _step(
        session,
        job,
        job.state,
        token=new_id(),
        state=state,
        next_try=now + timedelta(seconds=delay),
        answer=_answer(vault, job, answer),
    )
    delivery = session.get_one(Delivery, job.id)
    session.refresh(delivery)
    delivery.failing_since = delivery.failing_since or now
    drafts.enqueue_delivery(session, queue, delivery, delay=delay)


def look_again(session: Session, queue: Queue, job: Job, *, delay: float) -> None:
    """Leave it as it is and come back in a while."""
    drafts.enqueue_delivery(session, queue, session.get_one(Delivery, job.id), delay=delay)


def wait(session: Session, queue: Queue, job: Job, reason: str, *, now: datetime) -> None:
    """Paused: it stays as it is until somebody resumes; who did so in this very moment has not seen it."""
    records.write(session, "waiting", at=now, actor="daemon", message=job.message.id, draft=job.draft, reason=reason)
    if switches.off(session, mailbox=job.mailbox, handler=job.handler) is None:
        drafts.enqueue_delivery(session, queue, session.get_one(Delivery, job.id))


def held(session: Session, vault: Vault, job: Job, reason: str, detail: str, *, now: datetime) -> None:
    """A certain non-delivery that needs a person; after `applied` it goes to the top of the queue."""
    if not job.applied:
        _release(session, job)
    _step(session, job, job.state, token=new_id(), state="refused", answer=_answer(vault, job, detail))
    _hold(session, job, "applied-not-sent" if job.applied else reason, now, also=reason if job.applied else None)


def uncertain(session: Session, vault: Vault, job: Job, detail: str, *, now: datetime) -> None:
    """Nobody can know whether it left: never sent again by itself, counts as spent."""
    _step(session, job, "sending", token=new_id(), state="uncertain", answer=_answer(vault, job, detail))
    _hold(session, job, "delivery-uncertain", now)


def moot(session: Session, queue: Queue, job: Job, *, now: datetime) -> None:
    """A newer mail came: the draft ends, and the next turn answers all its mails."""
    _release(session, job)
    _step(session, job, job.state, token=new_id(), state="refused")
    draft = session.get_one(Draft, job.draft)
    conversations.retire(session, draft, now)
    conversation = session.get_one(Conversation, job.conversation)
    conversations.enqueue(session, queue, conversation)


def _answered(session: Session, job: Job) -> Halt | None:
    """Before a write: whether another reply to the mail is out or may be."""
    states = ("ready", "sending", "sent", "uncertain", "done")
    query = select(Delivery.id).where(
        col(Delivery.message_id) == job.message.id, col(Delivery.state).in_(states), col(Delivery.id) != job.id
    )
    found = None if job.resend else session.exec(query).first()
    return Halt(kind="hold", reason="stale-draft", detail=_ANSWERED) if found else None


def _halt(session: Session, job: Job, *, from_states: tuple[str, ...], oldest: datetime | None = None) -> Halt | None:
    """What changed since the approval; read under the conversation's lock."""
    conversation = session.exec(
        select(Conversation).where(col(Conversation.id) == job.conversation).with_for_update()
    ).one()
    draft = session.get_one(Draft, job.draft)
    delivery = session.get_one(Delivery, job.id)
    if delivery.token != job.token or delivery.state not in from_states:
        raise Stopped("Another worker has gone on with this delivery.")
    if switch := switches.off(session, mailbox=job.mailbox, handler=job.handler):
        return Halt(kind="hold" if job.applied else "wait", reason="paused", detail=f"`{switch}` is off.")
    if conversation.inbound_seq != draft.based_on_seq:
        return Halt(
            kind="hold" if job.applied else "moot", reason="stale-draft", detail="A newer mail of the sender came in."
        )
    if draft.state not in ("approved", "delivering") or draft.revision != job.revision:
        return Halt(kind="hold", reason="stale-draft", detail="The draft changed after its approval.")
    if oldest is not None and job.message.received_at is not None and job.message.received_at < oldest:
        return Halt(kind="hold", reason="old-mail", detail="The mail became too old to be answered by itself.")
    if job.automatic and conversation.human:
        return Halt(kind="hold", reason="human-wanted", detail="A person takes part in this conversation.")
    return None


def _reserve(session: Session, job: Job, now: datetime) -> Halt | None:
    delivery = session.get_one(Delivery, job.id)
    charge = limits.reserve(session, decode(list[Charge], delivery.reserved.encode()), now)
    if charge is not None:
        return Halt(
            kind="hold", reason="limit-exceeded", detail=f"The limit `{charge.name}` has no room for this reply."
        )
    delivery.reserved_at = now
    session.add(delivery)
    return None


def _release(session: Session, job: Job) -> None:
    """Give the reservation back, if there is one: the reply certainly did not leave and nothing was written."""
    delivery = session.get_one(Delivery, job.id)
    if delivery.reserved_at is None:
        return
    limits.release(session, decode(list[Charge], delivery.reserved.encode()), delivery.reserved_at)
    delivery.reserved_at = None
    session.add(delivery)


def _answer(vault: Vault, job: Job, answer: str) -> bytes:
    return vault.seal(job.person, "deliveries.answer", job.id, answer.encode())


def _step(session: Session, job: Job, expected: str, **values: Any) -> None:
    """The UPDATE that names state and token."""
    session.flush()
    update = (
        sa.update(Delivery)
        .where(col(Delivery.id) == job.id, col(Delivery.state) == expected, col(Delivery.token) == job.token)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if session.connection().execute(update).rowcount != 1:
        raise Stopped("Another worker has gone on with this delivery.")
    session.expire_all()


def _draft(session: Session, job: Job, **values: Any) -> None:
    open_ = col(Draft.state).in_(("approved", "delivering"))
    session.connection().execute(sa.update(Draft).where(col(Draft.id) == job.draft, open_).values(**values))
    session.expire_all()


def _mails(session: Session, job: Job, **values: Any) -> None:
    open_ = col(Mail.state).in_(("approved", "delivering"))
    session.connection().execute(sa.update(Mail).where(col(Mail.draft_id) == job.draft, open_).values(**values))
    session.expire_all()


def _hold(session: Session, job: Job, reason: str, now: datetime, *, also: str | None = None) -> None:
    urgent = {"priority": "high"} if reason in ("applied-not-sent", "delivery-uncertain") else {}
    _draft(session, job, state="held", reasons=",".join(filter(None, (reason, also))), **urgent)
    _mails(session, job, state="held", reason=reason)
    records.write(session, "held", at=now, actor="daemon", message=job.message.id, draft=job.draft, reason=reason)
