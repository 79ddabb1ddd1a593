"""The transactions of the delivery protocol (design, section 2): T1, T3, T4, T5 and T6, each fenced by state and token.

What ends a delivery on the way stands in `daemon.store.ending`.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from daemon.caps import BreakerConfig
from daemon.errors import Stopped
from daemon.store import answered, bouncing, breaker, content, conversations, limits, records, switches, transition
from daemon.store.codec import decode
from daemon.store.job import Halt, Job
from daemon.store.limits import Charge
from daemon.store.seal import Vault, new_id
from daemon.store.tables import Conversation, Delivery, Draft

_ANSWERED = "Another reply to this mail is out, or may be."


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The mail that is about to be given to the server."""

    raw: bytes
    message_id: str


def begin(
    session: Session, vault: Vault, job: Job, *, most: BreakerConfig, oldest: datetime | None, now: datetime
) -> str | Halt:
    """T1: everything is still as it was approved; limits are reserved, a new token is written.

    Returns:
        The new token, or why it may not go on.
    """
    if halt := _halt(session, vault, job, from_states=("approved",), oldest=oldest) or _answered(session, job):
        return halt
    if halt := _storm(session, vault, job, most, now):
        return halt
    if exceeded := _reserve(session, job, now):
        return exceeded
    transition.step(session, job, "approved", token=(token := new_id()), state="applying")
    transition.set_draft(session, job, state="delivering")
    records.write(session, "applying", at=now, actor="daemon", message=job.message.id, draft=job.draft, delivery=job.id)
    return token


def may_apply(session: Session, vault: Vault, job: Job) -> Halt | None:
    """Before T2: what has changed since T1, which may be long ago."""
    return _halt(session, vault, job, from_states=("applying",))


def applied(session: Session, vault: Vault, job: Job, *, now: datetime) -> bool:
    """T3: the business database has the writes; from here on nothing supersedes the reply.

    Returns:
        Whether it may go on; not, when another reply to the mail is out or may be, which a person has to look at.
    """
    try:
        with session.begin_nested():
            transition.step(session, job, "applying", token=new_id(), state="ready", applied=True)
    except sa.exc.IntegrityError:
        answer = transition.said(vault, job, _ANSWERED)
        transition.step(session, job, "applying", state="refused", applied=True, answer=answer)
        transition.hold(session, job, "applied-not-sent", now, also="stale-draft")
        return False
    records.write(
        session, "applied", at=now, actor="daemon", message=job.message.id, draft=job.draft, writes=len(job.writes)
    )
    return True


def claim_send(
    session: Session,
    vault: Vault,
    job: Job,
    given: Given,
    *,
    until: datetime,
    most: BreakerConfig,
    oldest: datetime | None,
    now: datetime,
) -> str | Halt:
    """T4: after RCPT was accepted and before DATA; from here on nobody can know whether the mail left.

    Args:
        session: writes.
        vault: seals.
        job: in state `ready`, or `approved` when nothing is to be written.
        given: what will be sent; kept for the copy, for recovery and for a second sending.
        until: when the final dot must have been sent; the worker itself goes by its boot clock.
        most: more than that, and sending turns itself off.
        oldest: mail received before is not answered by itself; None: whatever its age.
        now: when.

    Returns:
        The new token, or why it may not go on.
    """
    if halt := _halt(session, vault, job, from_states=("approved", "ready"), oldest=oldest):
        return halt
    if halt := _storm(session, vault, job, most, now):
        return halt
    if job.state == "approved" and (exceeded := _reserve(session, job, now)):
        return exceeded
    token = new_id()
    kept = {
        "composed": content.seal_composed(vault, session.get_one(Delivery, job.id), given.raw),
        "sent_message_id_mac": vault.mac("message-id", given.message_id),
    }
    try:
        with session.begin_nested():
            transition.step(session, job, job.state, token=token, state="sending", claimed_until=until, **kept)
    except sa.exc.IntegrityError:
        return Halt(kind="hold", reason="stale-draft", detail=_ANSWERED)
    if job.automatic:
        breaker.sending(session, most, now=now)
    transition.set_draft(session, job, state="delivering")
    transition.set_mails(session, job, state="delivering")
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
    transition.step(
        session,
        job,
        "sending",
        token=(token := new_id()),
        state="sent" if file_copy else "done",
        sent_at=now,
        answer=transition.said(vault, job, answer),
    )
    conversations.remember(session, job.conversation, session.get_one(Delivery, job.id).sent_message_id_mac, ours=True)
    transition.set_draft(session, job, state="done", decided_at=now)
    transition.set_mails(session, job, state="done", outcome="sent", decided_at=now)
    records.write(
        session, "sent", at=now, actor="daemon", message=job.message.id, draft=job.draft, automatic=job.automatic
    )
    delivery = session.get_one(Delivery, job.id)
    if delivery.bounced:  # it came back before the answer to the final dot
        bouncing.hold(session, delivery, now=now)
    return token


def filed(session: Session, job: Job) -> None:
    """T6: the copy stands in Sent."""
    transition.step(session, job, "sent", state="done")


def _answered(session: Session, job: Job) -> Halt | None:
    """Before a write: whether another reply to the mail is out or may be."""
    states = ("ready", "sending", "sent", "uncertain", "done")
    query = select(Delivery.id).where(
        col(Delivery.message_id) == job.message.id, col(Delivery.state).in_(states), col(Delivery.id) != job.id
    )
    found = None if job.resend else session.exec(query).first()
    return Halt(kind="hold", reason="stale-draft", detail=_ANSWERED) if found else None


def _halt(
    session: Session, vault: Vault, job: Job, *, from_states: tuple[str, ...], oldest: datetime | None = None
) -> Halt | None:
    """What changed since the approval; read under the conversation's lock."""
    conversation = session.exec(
        select(Conversation).where(col(Conversation.id) == job.conversation).with_for_update()
    ).one()
    delivery = session.get_one(Delivery, job.id)
    if delivery.token != job.token or delivery.state not in from_states:
        raise Stopped("Another worker has gone on with this delivery.")
    if answered.found(session, vault, job.message):
        kind = "hold" if job.applied else "answered"
        return Halt(kind=kind, reason=answered.OUTCOME, detail="A person answered the mail by hand.")
    if switch := switches.off(session, mailbox=job.mailbox, handler=job.handler):
        return _off(job, switch)
    return _changed(job, conversation, session.get_one(Draft, job.draft), oldest)


def _changed(job: Job, conversation: Conversation, draft: Draft, oldest: datetime | None) -> Halt | None:
    if conversation.inbound_seq != draft.based_on_seq:
        kind = "hold" if job.applied else "moot"
        return Halt(kind=kind, reason="stale-draft", detail="A newer mail of the sender came in.")
    if draft.state not in ("approved", "delivering") or draft.revision != job.revision:
        return Halt(kind="hold", reason="stale-draft", detail="The draft changed after its approval.")
    if oldest is not None and job.message.received_at is not None and job.message.received_at < oldest:
        return Halt(kind="hold", reason="old-mail", detail="The mail became too old to be answered by itself.")
    if job.automatic and conversation.human:
        return Halt(kind="hold", reason="human-wanted", detail="A person takes part in this conversation.")
    return None


def _storm(session: Session, vault: Vault, job: Job, most: BreakerConfig, now: datetime) -> Halt | None:
    """Turns sending off where one more automatic reply would be more than can be right."""
    if job.automatic and not breaker.may_send(session, vault, most, now=now):
        return _off(job, switches.BREAKER)
    return None


def _off(job: Job, switch: str) -> Halt:
    return Halt(kind="hold" if job.applied else "wait", reason=switches.reason(switch), detail=f"`{switch}` is off.")


def _reserve(session: Session, job: Job, now: datetime) -> Halt | None:
    delivery = session.get_one(Delivery, job.id)
    charge = limits.reserve(session, decode(list[Charge], delivery.reserved.encode()), now)
    if charge is not None:
        reason = "rate-cap" if charge.name in limits.CAPS else "limit-exceeded"
        return Halt(kind="hold", reason=reason, detail=f"The limit `{charge.name}` has no room for this reply.")
    delivery.reserved_at = now
    session.add(delivery)
    return None
