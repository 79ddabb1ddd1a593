"""Reads what a mail server tells about a mail of ours: delivery status notifications, and bounces in free form.

RFC 3464 and RFC 6522 say how it should be told; qmail, old Exchange and many others attach or quote the mail and write
a sentence. What it is about is known by our own marks alone (`daemon.marks`): only who got a mail of ours, or carried
it, can name it.
"""

import re
from collections.abc import Iterator
from typing import Final

from daemon import marks
from daemon.gate.verdict import Reason
from daemon.inbound import charset, loops, mime, phrases
from daemon.inbound.mime import Field, Part
from daemon.store.notification import Action, Notification
from handlers.contract import Message

_RANK: Final[tuple[Action, ...]] = ("failed", "delayed", "unknown", "relayed", "expanded", "delivered")
_RETURNED = frozenset({"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"})
_STATUSES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_STATUS = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])[45]\d\d[ -](?=\D|[45]\.)")
_BLANK = re.compile(rb"\r?\n[ \t]*\r?\n")
_MARKED = re.compile(r"triaged\.[a-z0-9]{1,40}\.\d{1,9}\.[0-9a-f]{20}@[^\s<>\"'&;,()\[\]]{1,255}", re.IGNORECASE)
_NAMED = re.compile(r"^[ \t>*]*Message-ID:\s*<([^<>\s]{1,998})>", re.IGNORECASE | re.MULTILINE)
_TOKEN = re.compile(rf"{marks.LOOP_HEADER}:\s*(\S{{1,200}})", re.IGNORECASE)
_LATER = re.compile(
    r"\b(?:delay(?:ed)?|will (?:be |keep |continue )?(?:re)?try(?:ing)?|still (?:being )?retr|not yet been delivered|"
    r"warning: (?:message|could not send)|verzögert|noch nicht zugestellt|retard[ée]e?|retrasado)",
    re.IGNORECASE,
)
_TEXT = 100_000
_TOLD = 300
_PARTS = 50
"""Parts of a report that are looked at."""


def read(root: Part, message: Message, automatic: Reason | None, *, mark_key: bytes) -> Notification | None:
    """What a mail tells of one of ours; None: it is no bounce, or about no mail of ours."""
    if automatic not in {Reason.BOUNCE, Reason.AUTOMATIC} or not mark_key:
        return None
    text = _text(root)
    about = _about(root, message, text, mark_key)
    if about is None:
        return None
    told = [_recipient(fields) for fields in _recipients(root)]
    action, status, diagnostic = (
        min(told, key=lambda each: _RANK.index(each[0])) if told else _free(root, message, text)
    )
    if automatic is not Reason.BOUNCE and action not in {"failed", "delayed"}:
        return None  # an answering machine that quotes us
    return Notification(answered=about[0], revision=about[1], action=action, status=status, diagnostic=diagnostic)


def _about(root: Part, message: Message, text: str, key: bytes) -> tuple[str, int] | None:
    """The mail of ours that it names, by the best evidence that there is.

    A returned header counts before anything else, and alone: a mail that a person of ours wrote in the same thread has
    our Message-ID in its References.
    """
    headers = list(_headers(root))
    if any(field.name == "message-id" for fields in headers for field in fields):
        return _first(_marks_of(headers, key))
    status = (field for fields in _groups(root) for field in fields)
    told = [field.value for field in status if field.name in {"original-message-id", "x-original-message-id"}]
    named = [*told, *message.in_reply_to, *reversed(message.references)]
    if found := _first(marks.ours(key, each) for each in named):
        return found
    quoted = _NAMED.findall(text) or _MARKED.findall(text)
    tokens = (marks.our_token(key, token) for token in _TOKEN.findall(text))
    return _first([*(marks.ours(key, each) for each in quoted[:20]), *tokens])


def _first(found: "Iterator[tuple[str, int] | None] | list[tuple[str, int] | None]") -> tuple[str, int] | None:
    return next((each for each in found if each is not None), None)


def _marks_of(headers: list[tuple[Field, ...]], key: bytes) -> Iterator[tuple[str, int] | None]:
    """A relay may write a Message-ID of its own; the loop token is a second mark."""
    for fields in headers:
        for field in fields:
            if field.name == "message-id":
                yield marks.ours(key, field.value)
            elif field.name == marks.LOOP_HEADER.lower():
                yield marks.our_token(key, field.value)


def _headers(root: Part) -> Iterator[tuple[Field, ...]]:
    """The headers of what was returned."""
    for part in [part for part in root.walk() if part.content_type in _RETURNED][:_PARTS]:
        yield mime.header(part.content())[0]


def _groups(root: Part) -> Iterator[tuple[Field, ...]]:
    """The groups of fields of the status (RFC 3464 section 2.1)."""
    for part in [part for part in root.walk() if part.content_type in _STATUSES][:_PARTS]:
        for group in _BLANK.split(part.content())[:_PARTS]:
            yield mime.header(group.strip(b"\r\n") + b"\r\n")[0]


def _recipients(root: Part) -> Iterator[dict[str, str]]:
    for fields in _groups(root):
        named = {field.name: mime.uncomment(field.value).strip() for field in reversed(fields)}
        raw = {field.name: field.value for field in reversed(fields)}
        if {"action", "status"} & named.keys():
            yield {**named, "diagnostic-code": raw.get("diagnostic-code", "")}


def _recipient(fields: dict[str, str]) -> tuple[Action, str, str]:
    """Action, status and diagnostic of one recipient."""
    found = _STATUS.search(fields.get("status", ""))
    status = found.group() if found else ""
    told = fields.get("action", "").lower()
    action: Action = next((known for known in _RANK if known == told), "unknown")
    if action == "unknown" and status:
        action = "failed" if status[0] == "5" else "delayed" if status[0] == "4" else "delivered"
    return action, status, _short(fields["diagnostic-code"].removeprefix("smtp;"))


def _free(root: Part, message: Message, text: str) -> tuple[Action, str, str]:
    """The same from a mail that a program wrote in its own words."""
    local = message.sender.address.rpartition("@")[0]
    failing = (
        bool(root.all("x-failed-recipients"))
        or root.content_type == "multipart/report"
        or local in loops.MACHINES
        or phrases.is_bounce(message.subject)
    )
    words = _NAMED.split(text)[0]
    later = _LATER.search(message.subject) or _LATER.search(words[:1000])
    status = _STATUS.search(words)
    line = next((line for line in words.splitlines() if _STATUS.search(line) or _REPLY.search(line)), words)
    action: Action = ("delayed" if later else "failed") if failing else "unknown"
    return action, status.group() if status else "", _short(line)


def _text(root: Part) -> str:
    """What a person would read of it, tags and all: only marks and codes are looked for."""
    texts = [part for part in root.walk() if part.content_type in {"text/plain", "text/html"}][:_PARTS]
    pieces = [charset.decode(part.content()[:_TEXT], part.parameters.get("charset", ""))[0] for part in texts]
    return "\n".join(pieces)[:_TEXT].replace("&lt;", "<").replace("&gt;", ">")


def _short(text: str) -> str:
    return " ".join(text.split())[:_TOLD]
