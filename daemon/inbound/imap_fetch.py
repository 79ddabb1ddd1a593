"""Finds and fetches mail of the selected folder: by UID ranges, sizes first, never more than a little at a time."""

import email.utils
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.parser import BytesHeaderParser
from typing import Any

from imapclient import IMAPClient

from daemon.inbound.imap_cursor import Selected

CHUNK = 500
"""UIDs named in one command: servers refuse long lines."""
WINDOW = 20_000
"""UIDs searched at a time: imaplib takes answers of a million octets, and a search must not stop a server."""
_WIDEST = 1_000_000
FIRST_PART = 100_000
"""Octets that are fetched of a mail over the limit."""
_TOGETHER = 50
_TOGETHER_OCTETS = 1_000_000
"""What one FETCH asks for at most, but for a mail that is larger alone: it is kept in memory."""
_DATE = "BODY.PEEK[HEADER.FIELDS (DATE)]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A mail whose body was not fetched yet."""

    uid: int
    size: int
    received: datetime
    """INTERNALDATE."""
    written: datetime | None = None
    """Its Date field, where that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A mail, or its first part."""

    listed: Listed
    raw: bytes
    whole: bool


def select(client: IMAPClient, folder: str) -> Selected:
    """Select a folder.

    Raises:
        IMAPClientError: there is no such folder, or it has no UIDs that last.
    """
    answer = client.select_folder(folder)
    if b"UIDVALIDITY" not in answer:
        raise client.Error(f"The folder {folder} has no UIDVALIDITY (RFC 3501 section 2.3.1.1), so it can't be read")
    uidnext = answer.get(b"UIDNEXT")
    exists = int(answer.get(b"EXISTS", 0))
    if uidnext is None:  # it may be missing (RFC 3501 section 6.3.1); `*` is the last mail
        uidnext = max(client.search(["UID", "*"]), default=0) + 1 if exists else 1
    modseq = answer.get(b"HIGHESTMODSEQ")
    return Selected(
        uidvalidity=int(answer[b"UIDVALIDITY"]),
        uidnext=int(uidnext),
        exists=exists,
        modseq=int(modseq) if modseq else None,
    )


def uids(client: IMAPClient, after: int, selected: Selected, *criteria: Any) -> Iterator[list[int]]:
    """UIDs above `after` in order, at most `CHUNK` at a time, those that came since the SELECT too.

    By UIDs, since sequence numbers move when another client expunges; gaps, which may be huge, are leapt over.
    """
    first, window = after + 1, WINDOW
    if selected.uidnext - first > WINDOW:
        first = max(first, min(client.search(["1"]), default=1) if selected.exists else selected.uidnext)
    while True:
        end = first + window - 1
        closing = end >= selected.uidnext - 1
        found = client.search(["UID", f"{first}:{'*' if closing else end}", *criteria])
        # `n:*` names the last mail even when it is below n (RFC 3501 section 6.4.8)
        known = sorted(uid for uid in found if uid >= first)
        yield from (known[start : start + CHUNK] for start in range(0, len(known), CHUNK))
        if closing:
            return
        first = end + 1
        window = WINDOW if known or criteria else min(2 * window, _WIDEST)


def first_since(client: IMAPClient, day: date, selected: Selected) -> int:
    """The UID of the first mail that came on that day or later; the next one to come when there is none."""
    return next((chunk[0] for chunk in uids(client, 0, selected, "SINCE", day)), selected.uidnext)


def listed(client: IMAPClient, numbers: Sequence[int], *, dates: bool = False) -> list[Listed]:
    """What is known of mails without their bodies; those that are gone are left out.

    A mail that another client expunged still has a row without content (Dovecot), or has none (others).
    """
    answers = client.fetch(list(numbers), ["RFC822.SIZE", "INTERNALDATE", *([_DATE] if dates else [])])
    return [
        Listed(
            uid=uid,
            size=int(answer[b"RFC822.SIZE"]),
            received=_aware(answer.get(b"INTERNALDATE")),
            written=_written(answer.get(b"BODY[HEADER.FIELDS (DATE)]")) if dates else None,
        )
        for uid, answer in sorted(answers.items())
        if answer.get(b"RFC822.SIZE") is not None
    ]


def batches(mails: Sequence[Listed], most: int, alone: frozenset[int] = frozenset()) -> Iterator[list[Listed]]:
    """Mails that are fetched by one command each: a round trip for many small ones, and little to keep in memory.

    Args:
        mails: in the order in which they are to come.
        most: octets; a larger mail comes alone, for only its first part is fetched.
        alone: UIDs of mails that come alone.
    """
    batch: list[Listed] = []
    octets = 0
    for mail in mails:
        single = mail.size > most or mail.uid in alone
        if batch and (single or len(batch) == _TOGETHER or octets + mail.size > _TOGETHER_OCTETS):
            yield batch
            batch, octets = [], 0
        batch.append(mail)
        octets += mail.size
        if single:
            yield batch
            batch, octets = [], 0
    if batch:
        yield batch


def bodies(client: IMAPClient, batch: Sequence[Listed], most: int) -> list[Fetched]:
    """The mails of a batch in its order, unread as before; without those that are gone meanwhile."""
    cut = batch[0].size > most
    item, key = (f"BODY.PEEK[]<0.{FIRST_PART}>", b"BODY[]<0>") if cut else ("BODY.PEEK[]", b"BODY[]")
    answers = client.fetch([mail.uid for mail in batch], [item])
    found = ((mail, answers.get(mail.uid, {}).get(key)) for mail in batch)
    return [Fetched(listed=mail, raw=raw, whole=not cut) for mail, raw in found if raw is not None]


def what_is_given(client: IMAPClient, mail: Listed, uidvalidity: int, *, header: bool) -> list[Fetched]:
    """What can be had of a mail whose body the server will not give: its header, or only that it is there."""
    if not header:
        told = f"Subject: A mail that the server would not give: UIDVALIDITY {uidvalidity}, UID {mail.uid}\r\n\r\n"
        return [Fetched(listed=mail, raw=told.encode(), whole=False)]
    raw = client.fetch([mail.uid], ["BODY.PEEK[HEADER]"]).get(mail.uid, {}).get(b"BODY[HEADER]")
    return [] if raw is None else [Fetched(listed=mail, raw=raw, whole=False)]


def _aware(received: Any) -> datetime:
    return received.astimezone(UTC) if isinstance(received, datetime) else datetime.now(UTC)


def _written(header: Any) -> datetime | None:
    if not isinstance(header, bytes):
        return None
    try:
        written = email.utils.parsedate_to_datetime(str(BytesHeaderParser().parsebytes(header).get("Date", "")))
        return (written if written.tzinfo else written.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError):
        return None
