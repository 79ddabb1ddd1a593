"""A mail of ours came back: the draft goes to a person again, and is never sent again by itself."""

from datetime import datetime

from sqlmodel import Session, col, select

from daemon.caps import BreakerConfig
from daemon.store import breaker, records
from daemon.store.notification import Notification
from daemon.store.seal import Vault
from daemon.store.tables import Conversation, Delivery, Draft, Mail

REASON = "bounced"


def find(session: Session, notification: Notification) -> Delivery | None:
    """The delivery that a notification tells about, locked; None: no mail of ours with these marks left."""
    query = (
        select(Delivery)
        .where(col(Delivery.message_id) == notification.answered, col(Delivery.revision) == notification.revision)
        .where(col(Delivery.state).in_(("sending", "sent", "uncertain", "done")))
        .order_by(col(Delivery.created_at).desc(), col(Delivery.attempt).desc())
    )
    found = session.exec(query).first()
    if found is None:
        return None
    # the conversation's lock first, as everybody takes it
    of = select(Draft.conversation_id).where(col(Draft.id) == found.draft_id).scalar_subquery()
    session.exec(select(Conversation).where(col(Conversation.id) == of).with_for_update()).one()
    session.refresh(found, with_for_update=True)
    return found


def link(
    session: Session,
    vault: Vault,
    most: BreakerConfig,
    mail: Mail,
    delivery: Delivery,
    notification: Notification,
    *,
    now: datetime,
) -> None:
    """Keep what a mail tells about a delivery; a failure that is told for the first time gives the draft to people."""
    mail.about_draft_id, mail.about_action = delivery.draft_id, notification.action
    session.add(mail)
    records.write(
        session,
        "told-by-server",
        at=now,
        actor="daemon",
        message=mail.id,
        draft=delivery.draft_id,
        person=delivery.person_id,
        action=notification.action,
        status=notification.status,
    )
    if notification.action != "failed" or delivery.bounced:
        return
    delivery.bounced = True
    session.add(delivery)
    breaker.bounced(session, vault, most, now=now)
    if delivery.state != "sending":  # else T5 does it: nobody knows yet whether there will be a 250
        hold(session, delivery, now=now)


def hold(session: Session, delivery: Delivery, *, now: datetime) -> None:
    """Give the draft to people, unless they have closed it meanwhile."""
    draft = session.exec(select(Draft).where(col(Draft.id) == delivery.draft_id).with_for_update()).one()
    if draft.state not in ("done", "held"):
        return
    draft.state, draft.reasons, draft.priority, draft.decided_at = "held", REASON, "high", None
    session.add(draft)
    back = (col(Mail.outcome) == "sent") | (col(Mail.state) == "held")
    for mail in session.exec(select(Mail).where(col(Mail.draft_id) == draft.id, back)):
        mail.state, mail.outcome, mail.reason, mail.decided_at = "held", None, REASON, None
        session.add(mail)
    records.write(session, "held", at=now, actor="daemon", message=draft.message_id, draft=draft.id, reason=REASON)
