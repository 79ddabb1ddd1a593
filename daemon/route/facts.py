"""Makes the facts that rules are evaluated over from a message: plain values under the names of `gate.variables`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from daemon.gate.variables import names
from handlers.contract import Attachment, Message, Sender

NAMES = names("rules")
"""What may stand in a rule's condition."""
MANY = 100
"""Elements of a list that rules look at: the mail decides how many it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What the store knows of the mail's conversation."""

    messages: int = 1
    """Mails of the sender, with this one."""
    replies: int = 0
    """Replies of ours, whoever wrote them."""


def facts(message: Message, *, now: datetime, conversation: Conversation | None = None) -> dict[str, Any]:
    """The variables of a rule for this message, at `now` (aware)."""
    known = conversation or Conversation()
    return {
        "subject": message.subject,
        "sender": {
            "address": message.sender.address,
            "domain": message.sender.address.rpartition("@")[2],
            "name": message.sender.name,
            "verdict": message.sender.verdict,
            "verified": message.sender.verdict == "verified",
        },
        "to": list(message.to[:MANY]),
        "headers": dict(message.headers),
        "size": message.size,
        "attachments": [
            {"name": part.name, "type": part.content_type, "size": part.size} for part in message.attachments[:MANY]
        ],
        "language": message.language,
        "mailbox": message.mailbox,
        "now": now,
        "message": {
            "id": message.id,
            "text": message.text,
            "quoted": message.quoted,
            "date": _aware(message.date or message.received_at or now),
            "received": _aware(message.received_at or now),
            "cc": list(message.cc[:MANY]),
            "reply_to": list(message.reply_to[:MANY]),
            "is_reply": bool(message.in_reply_to or message.references),
            "notes": list(message.notes),
            "form": message.form,
        },
        "conversation": {"messages": known.messages, "replies": known.replies, "first": known.messages <= 1},
    }


def _sample() -> dict[str, Any]:
    """Facts of an invented mail that has something of everything, to try conditions on."""
    message = Message(
        id="1",
        mailbox="support",
        sender=Sender(address="ana@example.com", name="Ana", verdict="verified"),
        to=("support@shop.example",),
        cc=("bo@example.com",),
        reply_to=("ana@example.com",),
        subject="Invoice",
        text="Where is it?",
        language="en",
        size=1000,
        attachments=(Attachment(name="a.pdf", content_type="application/pdf", size=500),),
        headers={"subject": "Invoice"},
        notes=("malformed",),
    )
    return facts(message, now=datetime(2026, 1, 1, tzinfo=UTC))


def _aware(time: datetime) -> datetime:
    """A time that can be compared; `-0000` in Date gives one without a zone (RFC 5322 section 3.3)."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


SAMPLE = _sample()
"""Facts that conditions are tried on when they are loaded."""
