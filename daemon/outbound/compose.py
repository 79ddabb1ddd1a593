"""Makes the mail that answers a message: recipient, subject and threading come from code alone (promise P4).

A pure function: the same arguments give the same octets. From the moment that they may have left, the octets are
kept (`deliveries.composed`): a copy, a search and a second sending go by what was sent, whatever was configured since.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

import idna

from daemon import marks
from daemon.accounts import MailboxConfig
from daemon.config import ReplyConfig
from daemon.outbound import html, wording
from handlers.contract import Message
from tools.errors import Permanent

_REPLIED = re.compile(r"^(?:\s*(?:re|aw|antw|sv|vs|rif|res|odp)\s*(?:\[\d+\]|\^\d+)?\s*:)+\s*", re.IGNORECASE)
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTED_STRING = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_IDENTIFIER = re.compile(r"[!-;=?A-~]+")
"""Printable ASCII without angle brackets and @: a half of a Message-ID."""
_OWN_MESSAGE_ID = re.compile(rb"^Message-ID: <([^<>\r\n]+)>\r$", re.MULTILINE)
_SUBJECT = 300
_IDENTIFIERS = 20
_IDENTIFIER_LENGTH = 300
_WORD = 60
_QUOTED_LINES = 300
_QUOTED_LENGTH = 20_000


class Unaddressable(Permanent):
    """There is no address that the reply could go to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A mail that is ready to leave."""

    raw: bytes
    """RFC 5322, CRLF, seven bits, no line over 998 octets."""
    message_id: str
    """Without angle brackets."""
    mail_from: str
    rcpt_to: str
    subject: str


def compose(  # noqa: PLR0913 - all that a reply depends on, by name
    *,
    message: Message,
    raw_quote: str,
    body: str,
    revision: int,
    mailbox: MailboxConfig,
    reply: ReplyConfig,
    mark_key: bytes,
    automatic: bool,
    language: str,
    now: datetime,
    envelope_from: str | None = None,
) -> Composed:
    """Compose the reply to a message.

    Args:
        message: what is answered; the reply goes to `message.sender.address`, and nowhere else.
        raw_quote: the text to quote from it.
        body: the reply's text.
        revision: of the draft; the Message-ID is made from it.
        mailbox: whose address the reply comes from.
        reply: `[reply]`.
        mark_key: makes our Message-ID and loop token.
        automatic: no person approved it: it says so, to people and to programs (RFC 3834 section 5).
        language: of the reply, ISO 639-1.
        now: for Date; aware.
        envelope_from: MAIL FROM; None: the mailbox's address.

    Raises:
        Unaddressable: the sender has no address that mail can be sent to.
    """
    to = address(message.sender.address)
    own = address(mailbox.address)
    message_id = marks.message_id(mark_key, message.id, revision, own.rpartition("@")[2])
    subject = _subject(message.subject)
    fields = [
        *_envelope(reply, own, to, subject, now, message_id),
        *_threading(message),
        (marks.LOOP_HEADER, marks.loop_token(mark_key, message.id, revision)),
        # RFC 3834 section 5.1; the second is what Exchange and Outlook heed (MS-OXCMAIL 2.2.3.2.14)
        *([("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All")] if automatic else []),
    ]
    said = wording.disclosure(language, text=reply.disclosure, texts=reply.disclosures) if automatic else ""
    below = [clean(said), clean(reply.signature)]
    quote = _quote(message, raw_quote, language) if reply.quote else None
    raw = _head(fields) + _content(
        clean(body), [part for part in below if part], quote, message_id, html_part=reply.html
    )
    mail_from = address(envelope_from) if envelope_from else own
    return Composed(raw=raw, message_id=message_id, mail_from=mail_from, rcpt_to=to, subject=subject)


def draft(
    *,
    message: Message,
    body: str,
    mailbox: MailboxConfig,
    reply: ReplyConfig,
    language: str,
    now: datetime,
    mark: tuple[str, str],
) -> bytes:
    """The same reply for a drafts folder, where a person looks it over and sends it as their own.

    It has none of our marks, so that what the person sends is not taken for ours; `mark`, a header field of its own,
    finds it again in the folder.

    Raises:
        Unaddressable: the sender has no address that mail can be sent to.
    """
    own, to = address(mailbox.address), address(message.sender.address)
    message_id = f"draft.{mark[1]}@{own.rpartition('@')[2]}"
    fields = [*_envelope(reply, own, to, _subject(message.subject), now, message_id), *_threading(message), mark]
    below = [clean(reply.signature)] if reply.signature.strip() else []
    quote = _quote(message, message.text, language) if reply.quote else None
    return _head(fields) + _content(clean(body), below, quote, message_id, html_part=False)


def _envelope(
    reply: ReplyConfig, own: str, to: str, subject: str, now: datetime, message_id: str
) -> list[tuple[str, str]]:
    return [
        ("From", _from(reply.from_name, own)),
        ("To", to),
        ("Subject", _encoded(subject)),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{message_id}>"),
    ]


def _head(fields: Sequence[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("ascii")


def kept(raw: bytes, *, message: Message, mailbox: MailboxConfig, envelope_from: str | None = None) -> Composed:
    """What `compose` made earlier, from its octets: the configuration may have changed since.

    Raises:
        Unaddressable: the sender has no address that mail can be sent to.
    """
    found = _OWN_MESSAGE_ID.search(raw)
    return Composed(
        raw=raw,
        message_id=found.group(1).decode("ascii") if found else "",
        mail_from=address(envelope_from or mailbox.address),
        rcpt_to=address(message.sender.address),
        subject=_subject(message.subject),
    )


def address(text: str) -> str:
    """An addr-spec (RFC 5322 section 3.4.1) as it may stand in a header and in RCPT TO.

    Raises:
        Unaddressable: it is none, or its local part is not ASCII (RFC 6531 is not spoken here).
    """
    local, _, domain = text.rpartition("@")
    if not local.isascii():
        raise Unaddressable(
            "The sender's address has letters beyond ASCII before the @, which can't be sent to yet. Answer by hand."
        )
    try:
        domain = idna.encode(domain, uts46=True).decode("ascii") if not domain.isascii() else domain.lower()
    except idna.IDNAError:
        domain = ""
    if not (_DOT_ATOM.fullmatch(local) or _QUOTED_STRING.fullmatch(local)) or not _DOMAIN.fullmatch(domain):
        raise Unaddressable(
            "The sender's address is not one that mail can be sent to. Answer by hand, or reject the draft."
        )
    return f"{local}@{domain}"


def clean(text: str) -> str:
    """Text with LF line ends and without control characters, invisible tags and halves of surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in text if char in "\n\t" or not _hidden(char)).strip("\n")


def _hidden(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cs", "Cn"} or 0xE0000 <= ord(char) <= 0xE007F  # noqa: PLR2004 - Tags


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())


def _from(name: str, own: str) -> str:
    return formataddr((_one_line(name), own), charset="utf-8") if name.strip() else own


def _subject(subject: str) -> str:
    """RFC 5322 section 3.6.5: `Re: ` once, whatever the mail's program wrote in its language."""
    return f"Re: {_REPLIED.sub('', _one_line(subject))}"[:_SUBJECT].strip()


def _encoded(text: str) -> str:
    """The subject as it stands in the header (RFC 2047)."""
    # What looks like an encoded word would be decoded by the reader; a long word could not be folded.
    plain = text.isascii() and "=?" not in text and all(len(word) <= _WORD for word in text.split())
    return Header(text, "us-ascii" if plain else "utf-8", maxlinelen=76, header_name="Subject").encode(linesep="\r\n")


def _threading(message: Message) -> list[tuple[str, str]]:
    """RFC 5322 section 3.6.4: our References are the parent's and its Message-ID; the first and the last are kept."""
    parent = [message.message_id] if _is_identifier(message.message_id) else []
    earlier = message.references or (message.in_reply_to if len(message.in_reply_to) == 1 else ())
    chain = list(dict.fromkeys([*filter(_is_identifier, earlier), *parent]))
    if len(chain) > _IDENTIFIERS:
        chain = [chain[0], *chain[-(_IDENTIFIERS - 1) :]]
    fields = [("In-Reply-To", f"<{message.message_id}>")] if parent else []
    if chain:
        fields.append(("References", "\r\n ".join(f"<{identifier}>" for identifier in chain)))
    return fields


def _is_identifier(text: str) -> bool:
    left, _, right = text.rpartition("@")
    return len(text) <= _IDENTIFIER_LENGTH and all(_IDENTIFIER.fullmatch(half) for half in (left, right))


def _quote(message: Message, raw_quote: str, language: str) -> tuple[str, list[str]] | None:
    """The line above the quotation, and the quoted lines."""
    text = clean(raw_quote[:_QUOTED_LENGTH])
    if not text.strip():
        return None
    when = message.date or message.received_at
    name = _one_line(message.sender.name)[:80] or message.sender.address
    above = wording.attribution(language, date=when.strftime("%Y-%m-%d %H:%M") if when else "…", name=name)
    lines = text.split("\n")
    return above, lines[:_QUOTED_LINES] + (
        ["[…]"] if len(lines) > _QUOTED_LINES or len(raw_quote) > _QUOTED_LENGTH else []
    )


def _content(
    body: str, below: list[str], quote: tuple[str, list[str]] | None, message_id: str, *, html_part: bool
) -> bytes:
    """The MIME part of the mail, its own headers first; quoted-printable, so that no relay has to change it."""
    blocks = [body, *below]
    if quote:
        above, lines = quote
        blocks.append(
            "\n".join([above, *(f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in lines)])
        )
    mime = EmailMessage(policy=SMTP)
    mime.set_content("\n\n".join(blocks) + "\n", charset="utf-8", cte="quoted-printable")
    if html_part:
        mime.add_alternative(html.page(body, below, quote), subtype="html", charset="utf-8", cte="quoted-printable")
        mime.set_boundary("=_" + hashlib.sha256(message_id.encode()).hexdigest()[:32])  # `=_` is never quoted-printable
    return mime.as_bytes()
