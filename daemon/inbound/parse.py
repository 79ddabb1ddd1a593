"""Makes a Message of raw octets; whatever they are, a Message comes out."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from daemon.gate.verdict import Reason
from daemon.inbound import address, charset, html, language, mime, quote
from daemon.inbound.mime import Part
from handlers.contract import Attachment, Message, Sender

TEXT_LIMIT = 200_000
"""Characters of text that are kept; who writes more sends a file."""
CONTROL_FIELDS = "x-triaged-"
"""Fields that only we write; those that come in are the sender's words and are dropped."""

_MAX_REFERENCES = 100
_BARE_CR = re.compile(rb"\r(?!\n)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0085\u2028\u2029]")
_IDENTIFIER = re.compile(r"<([^<>\s\x00-\x1f\x7f-\x9f]{1,998})>")
_TAGS = re.compile(r"[\U000e0000-\U000e0fff]+")
_FLAG = re.compile(r"\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
_META_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_URL = re.compile(r"(?:https?://|www\.|mailto:)\S+", re.IGNORECASE)
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_ENCRYPTED = frozenset({"application/pgp-encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
_ONCE = frozenset(
    (  # noqa: SIM905 - a list would be a page
        "from sender reply-to to cc subject date message-id in-reply-to references content-type "
        "content-transfer-encoding"
    ).split()
)
"""Fields that a mail has at most once (RFC 5322 section 3.6, RFC 2045 section 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A mail, parsed, and the tree that it was read from."""

    message: Message
    root: Part
    sender: address.Addresses
    """All From fields together; `message.sender` is the first mailbox of them."""
    whole: str = ""
    """All text of the mail in its order, with what `message` has apart as `text` and `quoted`."""


@dataclass(frozen=True, slots=True)
class _Block:
    """A piece of text in its forms; all but one may be empty."""

    plain: str = ""
    page: str = ""
    """The HTML as text."""
    words: str = ""
    """The same without descriptions of pictures."""


@dataclass(slots=True)
class _Body:
    """What was found on the way through the parts."""

    blocks: list[_Block]
    attachments: list[tuple[Part, bytes]]
    notes: list[Reason]
    cids: set[str]


def parse(raw: bytes, *, id: str, mailbox: str, received_at: datetime, sender: Sender | None = None) -> Message:  # noqa: A002 - the field's name
    """Parse a mail into a Message; never raises, a mail that can't be read gets the note `unparsable`.

    Args:
        raw: the mail as received.
        id: what the message will be called.
        mailbox: name of the mailbox.
        received_at: aware, UTC.
        sender: who it is from, if that was established already; else From as written, unverified.
    """
    parsed = read(raw, id=id, mailbox=mailbox, received_at=received_at)
    return replace(parsed.message, sender=sender) if sender else parsed.message


def read(raw: bytes, *, id: str, mailbox: str, received_at: datetime) -> Parsed:  # noqa: A002 - the field's name
    """Parse a mail and keep its tree for the screen; never raises."""
    try:
        return _read(raw, id=id, mailbox=mailbox, received_at=received_at)
    except Exception as error:  # noqa: BLE001 - no mail may stop the daemon; a person looks at it
        message = Message(
            id=id,
            mailbox=mailbox,
            sender=Sender(address="", detail=f"not read: {type(error).__name__}"),
            received_at=received_at,
            size=len(raw),
            notes=(Reason.UNPARSABLE.value,),
        )
        return Parsed(message=message, root=Part(fields=()), sender=address.Addresses(clean=False))


def _read(raw: bytes, *, id: str, mailbox: str, received_at: datetime) -> Parsed:  # noqa: A002 - the field's name
    root = mime.read(raw)
    senders = _addresses(root, "from")
    first = senders.mailboxes[0] if senders.mailboxes else address.Mailbox(address="")
    subject = one_line(charset.words(root.first("subject")))
    whole, attachments, notes = _content(root, subject)
    text, quoted = quote.split(whole)
    if not text.strip():
        notes.append(Reason.ATTACHMENT_ONLY if attachments and not quoted else Reason.EMPTY)
    if len(senders.mailboxes) > 1 or len(root.all("from")) > 1:
        notes.insert(0, Reason.SEVERAL_FROM)
    if _malformed(raw, root):
        notes.insert(0, Reason.MALFORMED)
    if not root.fields:
        notes.insert(0, Reason.UNPARSABLE)
    message = Message(
        id=id,
        mailbox=mailbox,
        message_id=next(iter(identifiers(root.first("message-id"))), ""),
        in_reply_to=identifiers(root.first("in-reply-to")),
        references=identifiers(" ".join(root.all("references")))[-_MAX_REFERENCES:],
        sender=Sender(address=first.address, name=one_line(first.name)),
        to=_list(root, "to"),
        cc=_list(root, "cc"),
        reply_to=_list(root, "reply-to"),
        subject=_TAGS.sub("", subject),
        date=_date(root.first("date")),
        received_at=received_at,
        text=text,
        quoted=quoted,
        language=language.guess(f"{subject}\n{text}"),
        attachments=attachments,
        headers={
            field.name: one_line(charset.words(field.value))
            for field in reversed(root.fields)
            if not field.name.startswith(CONTROL_FIELDS)
        },
        size=len(raw),
        notes=tuple(dict.fromkeys(note.value for note in notes)),
    )
    return Parsed(message=message, root=root, sender=senders, whole=whole)


def _addresses(root: Part, name: str) -> address.Addresses:
    """Every field of that name as one."""
    read = [address.read(value) for value in root.all(name)]
    return address.Addresses(
        mailboxes=tuple(mailbox for each in read for mailbox in each.mailboxes),
        clean=all(each.clean for each in read) and len(read) == 1,
    )


def _list(root: Part, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mailbox.address for mailbox in _addresses(root, name).mailboxes if mailbox.address))


def identifiers(value: str) -> tuple[str, ...]:
    """The msg-ids in a field, without angle brackets, each once."""
    return tuple(dict.fromkeys(_IDENTIFIER.findall(value)))


def one_line(text: str) -> str:
    """Text of a field: one line, without control characters."""
    return " ".join(_CONTROL.sub(" ", text).split())


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(mime.uncomment(value)[:200])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _malformed(raw: bytes, root: Part) -> bool:
    """NUL, bare CR (RFC 5322 section 4), broken structure and a field too many: two readers of such a mail disagree.

    A second Subject above the one that was signed leaves a DKIM signature valid (RFC 6376 section 8.15).
    """
    if b"\0" in raw or _BARE_CR.search(raw) or any(part.defects for part in root.walk()):
        return True
    names = [field.name for field in root.fields if field.name in _ONCE]
    return len(names) != len(set(names))


def _content(root: Part, subject: str) -> tuple[str, tuple[Attachment, ...], list[Reason]]:
    body = _Body(blocks=[], attachments=[], notes=[], cids=set())
    body.blocks = _blocks(root, body)
    chosen: list[str] = []
    for block in body.blocks:
        differ = bool(block.plain.strip() and block.page) and differs(block.plain, block.words)
        if differ:
            body.notes.append(Reason.TEXT_HTML_DIFFER)
        # The HTML is what the sender's mail program showed while they wrote; it counts when the two disagree.
        chosen.append(block.page if differ or not block.plain.strip() else block.plain)
    whole = "\n\n".join(chosen)[:TEXT_LIMIT]
    if _TAGS.search(_FLAG.sub("", whole + subject)):
        body.notes.append(Reason.UNICODE_TAGS)
        whole = _TAGS.sub("", whole)
    whole = _clean(whole)
    if "-----BEGIN PGP MESSAGE-----" in whole:
        body.notes.append(Reason.ENCRYPTED)
    return whole, _attachments(body), body.notes


def _clean(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = [line.rstrip() for line in unicodedata.normalize("NFC", _CONTROL.sub("", text)).split("\n")]
    return "\n".join(lines).strip("\n")


def _blocks(part: Part, body: _Body) -> list[_Block]:
    """The texts of a part; what is not text goes to `body`."""
    kind = part.content_type
    if kind == "multipart/encrypted" or (kind in _ENCRYPTED and not part.children):
        body.notes.append(Reason.ENCRYPTED)
    if part.children:
        below = [_blocks(child, body) for child in part.children]
        return (
            [_alternative(below)]
            if kind == "multipart/alternative"
            else [block for blocks in below for block in blocks]
        )
    if kind not in {"text/plain", "text/html"} or part.disposition == "attachment" or part.name:
        body.attachments.append((part, part.content()))
        return []
    return [_text(part, body)]


def _alternative(below: Iterable[list[_Block]]) -> _Block:
    """One block of what is the same text in several forms (RFC 2046 section 5.1.4)."""
    blocks = [block for blocks in below for block in blocks]
    return _Block(
        plain="\n".join(block.plain for block in blocks if block.plain),
        page="\n".join(block.page for block in blocks if block.page),
        words="\n".join(block.words for block in blocks if block.page),
    )


def _text(part: Part, body: _Body) -> _Block:
    octets = part.content()
    claimed = part.parameters.get("charset", "")
    if part.content_type == "text/html":
        if not claimed and (found := _META_CHARSET.search(octets[:2048])):
            claimed = found.group(1).decode("ascii", errors="replace")
        page = html.read(_decode(octets, claimed, body))
        body.cids |= page.cids
        if _WORD.search(page.hidden):
            body.notes.append(Reason.HIDDEN_TEXT)
        return _Block(page=page.text, words=page.words)
    text = _decode(octets, claimed, body)
    flowed = part.parameters.get("format", "").lower() == "flowed"
    return _Block(plain=_unflow(text, part.parameters) if flowed else text)


def _decode(octets: bytes, claimed: str, body: _Body) -> str:
    text, known = charset.decode(octets[: 4 * TEXT_LIMIT], claimed)
    cut = len(octets) > 4 * TEXT_LIMIT  # a character may have been cut in two there
    if not known and not cut:
        body.notes.append(Reason.UNKNOWN_CHARSET)
    return text


def _unflow(text: str, parameters: dict[str, str]) -> str:
    """Join the lines that a mail program wrapped (RFC 3676 section 4)."""
    delete = parameters.get("delsp", "").lower() == "yes"
    out: list[str] = []
    open_line = False
    for each in text.replace("\r\n", "\n").split("\n"):
        quoted = each.startswith(">")
        line = each.removeprefix(" ")
        flows = line.endswith(" ") and line != "-- "
        kept = line[:-1] if flows and delete else line
        if open_line and not quoted and line != "-- ":
            out.append(kept)
        else:
            out.append(("\n" if out else "") + kept)
        open_line = flows and not quoted
    return "".join(out)


def _attachments(body: _Body) -> tuple[Attachment, ...]:
    found = []
    for part, content in body.attachments:
        cid = part.first("content-id").strip().strip("<>")
        pictured = bool(cid) and cid in body.cids and part.disposition != "attachment"
        if not pictured and part.content_type not in _SIGNATURES:
            found.append(
                Attachment(
                    name=one_line(part.name)[:255], content_type=one_line(part.content_type)[:127], size=len(content)
                )
            )
    return tuple(found)


def differs(plain: str, page: str) -> bool:
    """Whether the plain text and the HTML of one mail say different things.

    They may be laid out differently: addresses, links, list numbers and repetitions are left out. A few words that
    only one of them has are normal; a whole sentence or another number is not.
    """
    left, right = _said(plain), _said(page)
    only_left, only_right = left - right, right - left
    if any(len(word) > 2 and word.isdigit() for word in only_left | only_right):  # noqa: PLR2004 - list numbers are shorter
        return True
    return len(only_left) > max(4, len(left) // 10) or len(only_right) > max(4, len(right) // 10)


def _said(text: str) -> set[str]:
    kept = " ".join(word for word in _URL.sub(" ", text[:TEXT_LIMIT]).lower().split() if "@" not in word)
    return {word for word in _WORD.findall(kept) if len(word) > 1}
