"""The mails of an attacker: proven, unproven, forged, in a copied thread, with quoted parts."""

from datetime import UTC, datetime
from email.utils import format_datetime

_BORDER = "Received: from evil.example by mx.shop.example with ESMTPS; Mon, 23 Nov 2026 10:00:00 +0000"


def letter(
    number: int, sender: str, text: str, *fields: str, proof: str | None = "", subject: str = "Question"
) -> bytes:
    """A mail.

    Args:
        number: of the attempt, for Message-ID.
        sender: who stands in From.
        text: what it says.
        fields: further header fields.
        proof: the domain that the border proved; empty: the sender's own; None: nothing was proven.
        subject: of the mail.
    """
    domain = sender.rpartition("@")[2].rstrip(">") if proof == "" else proof
    results = [f"Authentication-Results: mx.shop.example; dmarc=pass header.from={domain}"] if domain else []
    lines = [
        *results,
        _BORDER,
        *fields,
        f"From: {sender}",
        "To: support@shop.example",
        f"Subject: {subject} q{number}",
        f"Date: {format_datetime(datetime.now(UTC))}",
        f"Message-ID: <attack.{number}@evil.example>",
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: 8bit",
        "",
        *text.splitlines(),
        "",
    ]
    return "\r\n".join(lines).encode(errors="surrogateescape")
