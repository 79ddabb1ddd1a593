"""Mails and screens for the tests of this folder."""

from datetime import UTC, datetime

from daemon.inbound.arrival import Arrival, Envelope
from daemon.inbound.screen import ScreenConfig, Screened, screen

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
US = "support@shop.example"
KEY = b"k" * 32
CONFIG = ScreenConfig(
    mailbox="support",
    addresses=frozenset({US, "help@shop.example"}),
    own_addresses=frozenset({US, "help@shop.example", "sales@shop.example"}),
    trust=("mx.shop.example",),
    own_lists=("support.shop.example",),
    mark_key=KEY,
)


def mail(
    *fields: str, body: str = "Where is my order 1042?", sender: str = "Ana <ana@example.com>", to: str = US
) -> bytes:
    """A mail as a person sends it, with further fields on top."""
    own = {field.partition(":")[0].lower() for field in fields}
    usual = {
        "From": sender,
        "To": to,
        "Subject": "My order",
        "Date": "Mon, 23 Nov 2026 10:00:00 +0100",
        "Message-ID": "<1@example.com>",
    }
    lines = [*fields, *(f"{name}: {value}" for name, value in usual.items() if name.lower() not in own)]
    return ("\r\n".join(lines) + "\r\n\r\n" + body + "\r\n").encode()


def screened(
    raw: bytes, *, mail_from: str | None = None, config: ScreenConfig = CONFIG, oversize: int | None = None
) -> Screened:
    """What the screen says of it."""
    envelope = Envelope(mail_from=mail_from)
    return screen(
        Arrival(mailbox="support", raw=raw, received_at=NOW, envelope=envelope, oversize=oversize), config, id="m1"
    )
