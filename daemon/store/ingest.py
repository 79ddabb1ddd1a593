"""The transaction that takes a mail in: stored once, put into its conversation, cursor moved, work enqueued."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from daemon.caps import BreakerConfig
from daemon.store import answered, bouncing, conversations, folders, records
from daemon.store.codec import encode
from daemon.store.human_answer import Answer
from daemon.store.notification import Notification
from daemon.store.position import Position
from daemon.store.queue import Queue
from daemon.store.seal import Vault
from daemon.store.tables import Mail, Person, Raw
from handlers.contract import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A parsed and screened mail that is to be stored."""

    message: Message
    raw: bytes
    received_at: datetime
    digest: str
    party: str
    base_subject: str
    ignored: str | None
    """The reason for which the screen ended it; None: somebody has to answer."""
    detail: str
    position: Position | None = None
    priority: str = "normal"
    """Of its first turn; a rule may set another for its draft."""
    file: str | None = None
    """The unique name of its file in a Maildir."""
    told: Notification | None = None
    """What it tells of a mail of ours."""
    by_hand: Answer | None = None
    """What it answers, when a person of ours wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the transaction did."""

    message: str
    duplicate: bool = False
    conversation: str | None = None


def ingest(
    session: Session,
    vault: Vault,
    queue: Queue,
    incoming: Incoming,
    *,
    now: datetime,
    debounce: float,
    most: BreakerConfig,
) -> Stored:
    """Store a mail and everything that follows from its arrival.

    Args:
        session: a writing session; the caller commits.
        vault: seals.
        queue: gets `triage` of the conversation.
        incoming: the mail.
        now: when.
        debounce: seconds to wait for more of the same conversation.
        most: so many of our mails may come back before sending turns itself off.
    """
    if incoming.position is not None:
        folders.advance(session, incoming.message.mailbox, incoming.position, now)
    digest, *others = _digests(vault, incoming)
    if known := _known(session, incoming, [digest, *others]):
        return Stored(message=known.id, duplicate=True, conversation=known.conversation_id)
    about = bouncing.find(session, incoming.told) if incoming.told else None
    # what tells of a reply quotes it, so it belongs to whom the reply went to
    person = about.person_id if about else person_of(session, vault, incoming.party, now)
    mail = _store(session, vault, incoming, person, digest)
    if incoming.ignored is not None:
        mail.state, mail.outcome, mail.reason, mail.decided_at = "done", "ignored", incoming.ignored, now
        records.write(
            session,
            "ignored",
            at=now,
            actor="daemon",
            message=mail.id,
            person=person,
            mailbox=mail.mailbox,
            reason=incoming.ignored,
        )
        if about is not None and incoming.told is not None:
            bouncing.link(session, vault, most, mail, about, incoming.told, now=now)
        if incoming.by_hand is not None:
            answered.by_hand(session, vault, queue, incoming.by_hand, now=now)
        return Stored(message=mail.id)
    conversation = conversations.attach(
        session, vault, queue, mail, incoming.message, incoming.base_subject, now=now, debounce=debounce
    )
    records.write(
        session,
        "received",
        at=now,
        actor="daemon",
        message=mail.id,
        person=person,
        mailbox=mail.mailbox,
        size=mail.size,
    )
    if answered.found(session, vault, incoming.message):
        answered.close_arrived(session, queue, mail, now=now)
    return Stored(message=mail.id, conversation=conversation.id)


def _digests(vault: Vault, incoming: Incoming) -> tuple[str, ...]:
    """The look-up value of a mail, and those under which it may be stored already.

    A mail that could not be read in time was stored by its octets. A copy that is ignored (by a list, or flagged as
    spam) is not the copy that came to us directly: the fields that make the difference are no part of the content.
    """
    octets = hashlib.sha256(incoming.raw).hexdigest()
    if incoming.ignored is not None:
        return (vault.mac("digest", f"{incoming.digest}:ignored"), vault.mac("digest", octets))
    return (vault.mac("digest", incoming.digest), vault.mac("digest", octets))


def _known(session: Session, incoming: Incoming, digests: Sequence[str]) -> Mail | None:
    """The same mail, stored before; its position is renewed, since UIDs change when a mailbox is rebuilt."""
    where = (col(Mail.mailbox) == incoming.message.mailbox, col(Mail.digest_mac).in_(digests))
    known = session.exec(select(Mail).where(*where)).first()
    if known is not None and incoming.position is not None:
        known.folder, known.uidvalidity, known.uid = (
            incoming.position.folder,
            incoming.position.uidvalidity,
            incoming.position.uid,
        )
    if known is not None and incoming.file is not None:
        known.file = incoming.file
    return known


def person_of(session: Session, vault: Vault, address: str, now: datetime) -> str:
    """The id of the person with that address, who may be new."""
    mac = vault.mac("address", address.lower())
    known = session.exec(select(Person.id).where(col(Person.address_mac) == mac)).first()
    if known is not None:
        return known
    person = vault.new_person()
    session.add(Person(id=person, address_mac=mac, first_seen=now))
    return person


def _store(session: Session, vault: Vault, incoming: Incoming, person: str, digest: str) -> Mail:
    message = incoming.message
    position = incoming.position
    detail = "; ".join(filter(None, (incoming.detail, str(incoming.told or ""))))
    mail = Mail(
        id=message.id,
        person_id=person,
        mailbox=message.mailbox,
        seq=0,
        state="screened",
        priority=incoming.priority,
        message_id_mac=vault.mac("message-id", message.message_id) if message.message_id else None,
        digest_mac=digest,
        folder=position.folder if position else None,
        uidvalidity=position.uidvalidity if position else None,
        uid=position.uid if position else None,
        file=incoming.file,
        size=message.size,
        received_at=incoming.received_at,
        content=vault.seal(person, "messages.content", message.id, encode(Message, message)),
        note=vault.seal(person, "messages.note", message.id, detail.encode()) if detail else None,
    )
    session.add(mail)
    session.add(
        Raw(
            message_id=message.id, person_id=person, content=vault.seal(person, "raw.content", message.id, incoming.raw)
        )
    )
    return mail
