"""What sealed columns of mails and drafts hold, opened."""

from dataclasses import dataclass

from daemon.store.codec import decode
from daemon.store.seal import Vault
from daemon.store.tables import Delivery, Mail, Revision
from handlers.contract import Fact, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a revision of a draft holds."""

    body: str
    language: str
    facts: tuple[Fact, ...] = ()
    template: str | None = None


def message_of(vault: Vault, mail: Mail) -> Message:
    """The parsed message of a row."""
    return decode(Message, vault.open(mail.person_id, "messages.content", mail.id, mail.content))


def text_of(vault: Vault, revision: Revision) -> Text:
    """The text of a draft's revision."""
    return decode(
        Text,
        vault.open(revision.person_id, "revisions.content", f"{revision.draft_id}:{revision.number}", revision.content),
    )


def composed_of(vault: Vault, delivery: Delivery) -> bytes | None:
    """The mail as it was given to the server; None: it never was."""
    if delivery.composed is None:
        return None
    return vault.open(delivery.person_id, "deliveries.composed", delivery.id, delivery.composed)


def seal_composed(vault: Vault, delivery: Delivery, raw: bytes) -> bytes:
    """What `composed_of` opens."""
    return vault.seal(delivery.person_id, "deliveries.composed", delivery.id, raw)
