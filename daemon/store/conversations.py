"""Conversations: which one a mail belongs to, and the number that says how many mails wait in it."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from daemon.store import records
from daemon.store.queue import TRIAGE, Queue
from daemon.store.seal import Vault, new_id
from daemon.store.tables import Conversation, Delivery, Draft, Mail, Reference
from handlers.contract import Message

SUBJECT_WINDOW = timedelta(days=14)
"""How long a mail with the same subject of the same party continues a conversation without References."""


def attach(
    session: Session,
    vault: Vault,
    queue: Queue,
    mail: Mail,
    message: Message,
    base_subject: str,
    *,
    now: datetime,
    debounce: float,
) -> Conversation:
    """Put a mail that wants an answer into its conversation and enqueue the next turn.

    Only a mail of the same party with the same identity verdict joins a conversation; any other begins its own. A worse
    verdict must not touch a draft (forged References), and a better one must not lend itself to words that somebody
    else may have written under this address before.
    """
    verified = message.sender.verdict == "verified"
    conversation = _find(session, vault, mail, message, base_subject, verified=verified, now=now)
    if conversation is None:
        conversation = Conversation(
            id=new_id(),
            person_id=mail.person_id,
            mailbox=mail.mailbox,
            subject_mac=vault.mac("subject", base_subject),
            verified=verified,
            inbound_seq=0,
            enqueued=0,
            updated_at=now,
        )
    conversation.inbound_seq += 1
    conversation.updated_at = now
    session.add(conversation)
    mail.conversation_id, mail.seq = conversation.id, conversation.inbound_seq
    session.add(mail)
    if mail.message_id_mac is not None:
        remember(session, conversation.id, mail.message_id_mac, ours=False)
    supersede(session, conversation, now)
    if conversation.burst_since is None:
        conversation.burst_since = now
    enqueue(session, queue, conversation, delay=debounce, priority=mail.priority)
    return conversation


def enqueue(
    session: Session, queue: Queue, conversation: Conversation, *, delay: float = 0.0, priority: str = "normal"
) -> None:
    """Enqueue the next turn of a conversation."""
    conversation.enqueued += 1
    session.add(conversation)
    identifier = f"triage:{conversation.id}:{conversation.enqueued}"
    queue.enqueue(session, TRIAGE, identifier, conversation.id, conversation.enqueued, delay=delay, priority=priority)


def remember(session: Session, conversation: str, message_id_mac: str, *, ours: bool) -> None:
    """Let later mail that refers to this Message-ID find the conversation."""
    if session.get(Reference, (message_id_mac, conversation)) is None:
        session.add(Reference(message_id_mac=message_id_mac, conversation_id=conversation, ours=ours))


def _find(
    session: Session, vault: Vault, mail: Mail, message: Message, base_subject: str, *, verified: bool, now: datetime
) -> Conversation | None:
    macs = [vault.mac("message-id", each) for each in (*message.in_reply_to, *reversed(message.references))][:50]
    same_party = (
        col(Conversation.person_id) == mail.person_id,
        col(Conversation.mailbox) == mail.mailbox,
        col(Conversation.verified) == verified,
    )
    if macs:
        query = (
            select(Conversation)
            .join(Reference, col(Reference.conversation_id) == col(Conversation.id))
            .where(col(Reference.message_id_mac).in_(macs), *same_party)
            .order_by(col(Conversation.updated_at).desc())
        )
        found = session.exec(query.with_for_update()).first()
        if found is not None:
            return found
    if not base_subject:
        return None
    query = (
        select(Conversation)
        .where(col(Conversation.subject_mac) == vault.mac("subject", base_subject), *same_party)
        .where(col(Conversation.updated_at) >= now - SUBJECT_WINDOW)
        .order_by(col(Conversation.updated_at).desc())
    )
    return session.exec(query.with_for_update()).first()


def supersede(session: Session, conversation: Conversation, now: datetime) -> None:
    """A newer mail makes a waiting draft moot: its mails are answered by the next turn instead.

    Only `held` and `approved` drafts whose delivery has not begun; from `applying` on the delivery protocol decides.
    """
    query = select(Draft).where(
        col(Draft.conversation_id) == conversation.id, col(Draft.state).in_(("held", "approved"))
    )
    for draft in session.exec(query.with_for_update()):
        deliveries = session.exec(select(Delivery).where(col(Delivery.draft_id) == draft.id)).all()
        if any(each.applied or each.state not in ("approved", "refused") for each in deliveries):
            continue
        for delivery in deliveries:
            delivery.state = "refused"
            session.add(delivery)
        retire(session, draft, now)


def retire(session: Session, draft: Draft, now: datetime) -> None:
    """End a draft as superseded and give its mails back to the conversation."""
    draft.state, draft.decided_at = "superseded", now
    session.add(draft)
    for mail in session.exec(select(Mail).where(col(Mail.draft_id) == draft.id)):
        mail.state, mail.draft_id, mail.reason = "screened", None, None
        session.add(mail)
    records.write(
        session, "superseded", at=now, actor="daemon", draft=draft.id, person=draft.person_id, seq=draft.based_on_seq
    )
