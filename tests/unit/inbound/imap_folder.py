"""An IMAP folder in memory, with as much of IMAPClient as a look uses."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, ClassVar

from imapclient.exceptions import IMAPClientError

from daemon.accounts import MailboxConfig
from daemon.inbound.imap_look import Look, Memory
from tests.fixtures.imap_reader import Intake

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
_PART = re.compile(r"BODY\.PEEK\[\]<0\.(\d+)>")


@dataclass(frozen=True, kw_only=True)
class Lying:
    """A mail in the folder."""

    raw: bytes
    received: datetime
    written: datetime | None = None


@dataclass
class Folder:
    """What the server keeps; `client()` is a connection to it."""

    mails: dict[int, Lying] = field(default_factory=dict)
    uidvalidity: int = 1
    uidnext: int = 1
    modseq: int | None = 1
    said: list[tuple[str, Any]] = field(default_factory=list)
    """Commands, as the client was asked for them."""
    refused: set[tuple[int, str]] = field(default_factory=set)
    """UIDs and items that are answered with NO."""
    expunged: set[int] = field(default_factory=set)
    """UIDs that another client expunged since the SELECT: rows without content (F6)."""
    told_uidnext: int | None = None
    """What SELECT says instead of the truth; 0: nothing."""

    def add(self, name: str, received: datetime = START, written: datetime | None = None) -> int:
        """A mail comes; its UID."""
        uid = self.uidnext
        self.mails[uid] = Lying(raw=f"Subject: {name}\r\n\r\nHello\r\n".encode(), received=received, written=written)
        self.uidnext += 1
        self.touch()
        return uid

    def touch(self) -> None:
        """Something changed."""
        if self.modseq is not None:
            self.modseq += 1

    # --- IMAPClient -------------------------------------------------------------------------------------------------

    Error: ClassVar[type[Exception]] = IMAPClientError

    def select_folder(self, folder: str) -> dict[bytes, Any]:
        self.said.append(("select", folder))
        told = self.uidnext if self.told_uidnext is None else self.told_uidnext
        answer = {
            b"UIDVALIDITY": self.uidvalidity,
            b"UIDNEXT": told,
            b"EXISTS": len(self.mails),
            b"HIGHESTMODSEQ": self.modseq,
        }
        return {key: value for key, value in answer.items() if value}

    def search(self, criteria: Sequence[Any]) -> list[int]:
        self.said.append(("search", list(criteria)))
        if list(criteria) == ["1"]:
            assert self.mails, "BAD: there is no first mail"
            return [min(self.mails)]
        name, span, *more = criteria
        assert name == "UID", "a search without a range"
        last = max(self.mails, default=0)
        if span == "*":
            assert last, "BAD: there is no last mail"
            return [last]
        low, high = (last if end == "*" else int(end) for end in span.split(":"))
        low, high = min(low, high), max(low, high)  # `n:*` names the last mail even when it is below n
        found = [uid for uid in self.mails if low <= uid <= high]
        if more:
            day = more[1]
            assert more[0] == "SINCE"
            assert isinstance(day, date)
            found = [uid for uid in found if self.mails[uid].received.date() >= day]
        return sorted(found, reverse=True)  # no server promises an order

    def fetch(self, numbers: Sequence[int], items: Sequence[str]) -> dict[int, dict[bytes, Any]]:
        self.said.append(("fetch", (list(numbers), list(items))))
        assert all(isinstance(uid, int) for uid in numbers)
        if any((uid, item) in self.refused for uid in numbers for item in items):
            raise IMAPClientError("fetch failed: [SERVERBUG] Internal error")
        return {uid: self._row(uid, items) for uid in numbers if uid in self.mails or uid in self.expunged}

    def _row(self, uid: int, items: Sequence[str]) -> dict[bytes, Any]:
        row: dict[bytes, Any] = {b"SEQ": 1}
        gone = uid in self.expunged
        for item in items:
            if item == "RFC822.SIZE":
                row[b"RFC822.SIZE"] = 99 if gone else len(self.mails[uid].raw)
            elif item == "INTERNALDATE":
                row[b"INTERNALDATE"] = START if gone else self.mails[uid].received
            elif item == "BODY.PEEK[]":
                row[b"BODY[]"] = None if gone else self.mails[uid].raw
            elif found := _PART.fullmatch(item):
                row[b"BODY[]<0>"] = None if gone else self.mails[uid].raw[: int(found[1])]
            elif item == "BODY.PEEK[HEADER]":
                row[b"BODY[HEADER]"] = self.mails[uid].raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            else:
                written = None if gone else self.mails[uid].written
                line = f"Date: {format_datetime(written)}\r\n" if written else ""
                row[b"BODY[HEADER.FIELDS (DATE)]"] = f"{line}\r\n".encode()
        return row


class Cut(Exception):
    """The connection broke between two mails."""


def look(
    folder: Folder, intake: Intake, memory: Memory | None = None, *, cut_after: int | None = None, **changes: Any
) -> Look:
    """A look at the folder by a mailbox with these settings; the connection breaks after so many mails."""
    settings: dict[str, Any] = {
        "kind": "imap",
        "address": "support@shop.example",
        "host": "127.0.0.1",
        "user": "support",
        "password_file": Path("unused"),
        "since": "all",
    }
    left = cut_after

    def between() -> bool:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                raise Cut
        return False

    return Look(
        folder,
        "support",
        MailboxConfig.model_validate(settings | changes),
        cursors=intake,
        receive=intake.receive,
        wait=_run,
        between=between,
        busy=lambda: None,
        memory=memory or Memory(),
    )


def read_all(make: Callable[[], Look], now: datetime = START) -> None:
    """Look until nothing is new, as the reader does."""
    this = make()
    for _ in range(20):
        if not this.run(now):
            return
    raise AssertionError("it never ends")


def _run(work: Awaitable[Any]) -> Any:
    """Run something that never really waits, without a loop."""
    coroutine = work.__await__()
    try:
        next(coroutine)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited")
