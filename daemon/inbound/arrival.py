"""A mail at the door: the raw bytes, where they came from, and what becomes of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from daemon.store.position import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """RFC 5321 envelope, where there is one (LMTP and SMTP; IMAP and Maildir have none)."""

    mail_from: str | None = None
    """Empty for the null reverse-path `<>`; None: unknown."""
    rcpt_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One mail as it came in."""

    mailbox: str
    """Name of the `[mailbox.NAME]`."""
    raw: bytes
    received_at: datetime
    """Aware, UTC: when we got it, or INTERNALDATE."""
    envelope: Envelope = Envelope()
    position: Position | None = None
    file: str | None = None
    """The unique name of its file in a Maildir (maildir(5))."""
    oversize: int | None = None
    """True size in octets when `raw` was cut because the mail exceeds the limit; it is then held, never dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that a mail is committed."""

    message: str
    """Id of the message; of the earlier one if this is a duplicate."""
    duplicate: bool = False
    outcome: str | None = None
    """`ignored` when the screen ended it, else None."""


class DoorState(StrEnum):
    """What a reader or listener is doing; the text is what the store keeps: never rename one."""

    STARTING = "starting"
    CONNECTING = "connecting"
    READING = "reading"
    WAITING = "waiting for mail"
    STORE_AWAY = "waiting for the store"
    UNREACHABLE = "unreachable"
    LOGIN_REFUSED = "login refused"
    TLS_REFUSED = "certificate refused"
    FAILING = "failing"
    STOPPED = "stopped"


Receive = Callable[[Arrival], Awaitable[Receipt]]
"""`daemon.pipeline` passes this to the adapters: it returns only after the commit.

Raises:
    daemon.errors.StoreBusy, StoreUnusable: not committed; the adapter must let the mail come again
    (LMTP 451, IMAP cursor unmoved, Maildir file left in new/).
"""
