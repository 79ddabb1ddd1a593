"""Writes RFC 5322 mails as a shop's mail server hands them on, with its Authentication-Results on top (RFC 8601)."""

import hashlib
import html
from dataclasses import dataclass
from datetime import datetime
from email import message_from_string
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal

SHOP = "support@shop.example"
SERVER = "mx.shop.example"
"""Our mail server, and the authserv-id of what it says about a sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a mail says and how it came; a pure value that always gives the same bytes."""

    name: str
    """Display name of the sender."""
    address: str
    subject: str
    text: str
    sent: datetime
    """Aware."""
    message_id: str
    """Without angle brackets."""
    authentic: Literal["pass", "fail", "none"] = "pass"
    """What our server found for the domain in From: DMARC, with SPF and DKIM accordingly."""
    envelope: str | None = None
    """MAIL FROM; None: the address. Empty for the null reverse-path (RFC 5321, section 4.5.5)."""
    in_reply_to: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    charset: str = "utf-8"
    html: bool = False
    """Nothing but an HTML part, as some clients and webmailers send it."""
    hidden: str = ""
    """Words that an HTML part holds and no reader sees; the visible ones stand in a text part too."""
    failed: str = ""
    """The address that our mail could not be delivered to: a delivery status notification."""

    @property
    def mail_from(self) -> str:
        """The reverse-path it was sent with."""
        return self.address if self.envelope is None else self.envelope


def write(letter: Letter) -> bytes:
    """The mail as our server hands it on: CRLF, trace fields on top."""
    message = _headed(letter)
    if letter.html:
        message.set_content(_html(letter.text), subtype="html", cte="quoted-printable")
    else:
        message.set_content(letter.text, charset=letter.charset, cte="quoted-printable")
    if letter.hidden:
        concealed = f'<div style="display:none;font-size:0;color:#ffffff">{html.escape(letter.hidden)}</div>'
        message.add_alternative(_html(letter.text, concealed), subtype="html", cte="quoted-printable")
        message.set_boundary(_boundary(letter))
    if letter.failed:
        _report(letter, message)
    return _traced(letter, message)


def _report(letter: Letter, message: EmailMessage) -> None:
    """Make it a delivery status notification (RFC 3464) in a multipart/report (RFC 6522)."""
    message.make_mixed(boundary=_boundary(letter))
    # Two groups of fields: one for the message, one for the recipient (RFC 3464, section 2.1).
    status = (
        f"Reporting-MTA: dns; {letter.address.partition('@')[2]}\n\n"
        f"Final-Recipient: rfc822; {letter.failed}\nAction: failed\nStatus: 5.1.1\n"
        "Diagnostic-Code: smtp; 550 5.1.1 User unknown\n"
    )
    returned = f"From: {SHOP}\nTo: {letter.failed}\nSubject: Your order\n"
    for content_type, content in (("message/delivery-status", status), ("text/rfc822-headers", returned)):
        message.attach(message_from_string(f"Content-Type: {content_type}\n\n{content}", policy=SMTP))
    kind = f'multipart/report; report-type=delivery-status; boundary="{_boundary(letter)}"'
    message.replace_header("Content-Type", kind)


def _headed(letter: Letter) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(letter.name, addr_spec=letter.address)
    message["To"] = SHOP
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.sent)
    message["Message-ID"] = f"<{letter.message_id}>"
    if letter.in_reply_to:
        message["In-Reply-To"] = message["References"] = f"<{letter.in_reply_to}>"
    for name, value in letter.headers:
        message[name] = value
    return message


def _traced(letter: Letter, message: EmailMessage) -> bytes:
    """Put on top what our server adds when it takes a mail in: nothing below is believed (RFC 8601, section 5)."""
    domain = letter.address.partition("@")[2]
    # Without a reverse-path SPF looks at the name in HELO (RFC 7208, section 2.4).
    checked = f"smtp.mailfrom={letter.mail_from}" if letter.mail_from else f"smtp.helo=out.{domain}"
    spf = f"spf={letter.authentic} {checked}"
    dkim = f"dkim={letter.authentic} header.d={domain}"
    dmarc = f"dmarc={letter.authentic} header.from={domain}"
    token = hashlib.sha256(letter.message_id.encode()).hexdigest()[:12]
    trace = (
        f"Authentication-Results: {SERVER};\r\n {spf};\r\n {dkim};\r\n {dmarc}\r\n"
        f"Received: from out.{domain} (out.{domain} [192.0.2.{int(token[:2], 16) % 254 + 1}])\r\n"
        f" by {SERVER} with ESMTPS id {token}\r\n for <{SHOP}>; {format_datetime(letter.sent)}\r\n"
    )
    return trace.encode("ascii") + message.as_bytes()


def _html(text: str, concealed: str = "") -> str:
    blocks = [html.escape(block).replace("\n", "<br>\n") for block in text.strip().split("\n\n")]
    paragraphs = "\n".join(f"<p>{block}</p>" for block in blocks)
    style = "<style>p { font-family: sans-serif; margin: 0 0 1em }</style>"
    return f"<!DOCTYPE html>\n<html><head>{style}</head>\n<body>\n{paragraphs}\n{concealed}</body></html>\n"


def _boundary(letter: Letter) -> str:
    return f"=_{hashlib.sha256(letter.message_id.encode()).hexdigest()[:24]}"
