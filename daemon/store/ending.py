"""How a delivery stops short of its end: it waits, goes to a person, or is no longer wanted."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from daemon.caps import BreakerConfig
from daemon.store import answered, breaker, conversations, drafts, records, switches, transition
from daemon.store.job import Job
from daemon.store.queue import Queue
from daemon.store.seal import Vault, new_id
from daemon.store.tables import Conversation, Delivery, Draft, Mail


def not_applied(session: Session, vault: Vault, job: Job, reason: str, detail: str, *, now: datetime) -> None:
    """T3 after a refusal: nothing was changed, the reservation is given back, a person looks."""
    transition.release(session, session.get_one(Delivery, job.id))
    transition.step(session, job, "applying", state="refused", answer=transition.said(vault, job, detail))
    transition.hold(session, job, reason, now)


def put_back(
    session: Session, vault: Vault, queue: Queue, job: Job, answer: str, *, delay: float, now: datetime
) -> None:
    """A certain non-delivery that may pass (4xx, server away): try again after `delay` seconds.

    From `sending` (T5 after 4xx) the reservation stays, since the reply goes on; the state is `ready` again.
    """
    state = "ready" if job.state == "sending" else job.state
    transition.step(
        session,
        job,
        job.state,
        token=new_id(),
        state=state,
        next_try=now + timedelta(seconds=delay),
        answer=transition.said(vault, job, answer),
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


def held(
    session: Session, vault: Vault, job: Job, reason: str, detail: str, *, most: BreakerConfig, now: datetime
) -> None:
    """A certain non-delivery that needs a person; after `applied` it goes to the top of the queue."""
    if reason == "refused-by-server":
        breaker.refused(session, vault, most, now=now)
    if not job.applied:
        transition.release(session, session.get_one(Delivery, job.id))
    answer = transition.said(vault, job, detail)
    transition.step(session, job, job.state, token=new_id(), state="refused", answer=answer)
    if job.applied:
        transition.hold(session, job, "applied-not-sent", now, also=reason)
    else:
        transition.hold(session, job, reason, now)


def uncertain(session: Session, vault: Vault, job: Job, detail: str, *, now: datetime) -> None:
    """Nobody can know whether it left: never sent again by itself, counts as spent."""
    answer = transition.said(vault, job, detail)
    transition.step(session, job, "sending", token=new_id(), state="uncertain", answer=answer)
    transition.hold(session, job, "delivery-uncertain", now)


def moot(session: Session, queue: Queue, job: Job, *, now: datetime) -> None:
    """A newer mail came: the draft ends, and the next turn answers all its mails."""
    transition.release(session, session.get_one(Delivery, job.id))
    transition.step(session, job, job.state, token=new_id(), state="refused")
    draft = session.get_one(Draft, job.draft)
    conversations.retire(session, draft, now)
    conversation = session.get_one(Conversation, job.conversation, with_for_update=True)
    conversations.enqueue(session, queue, conversation)


def answered_by_hand(session: Session, job: Job, *, now: datetime) -> None:
    """A person answered: the reply ends here, and its mails are done."""
    transition.release(session, session.get_one(Delivery, job.id))
    transition.step(session, job, job.state, token=new_id(), state="refused")
    answered.end(session, session.get_one(Draft, job.draft), now=now)


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
