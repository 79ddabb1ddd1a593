"""Brings the mailbox into line with the store: what became of a mail is shown where its reader looks for it.

A reconciler, not a step of the path: it looks for mails whose `filed` is not what it should be, changes the mailbox,
and then keeps what it shows. A mailbox that was away, a daemon that was killed, a decision by command: all one case.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog

from daemon.outbound import imap_filing, maildir_filing
from daemon.outbound.imap_filing import Folders
from daemon.store import filing
from daemon.store.engine import Store
from daemon.store.filing import Done, Lying, Shelved
from daemon.store.position import Position
from tools.errors import TriagedError

if TYPE_CHECKING:
    from imapclient import IMAPClient

log = structlog.get_logger()
T = TypeVar("T")

EVERY = 60.0
"""Seconds between two looks without a reason: commands decide in processes of their own."""
GATHER = 0.5
"""Seconds from a commit to the look for it: what is decided at once is shown at once, and in one command."""
BATCH = 500
"""Mails of one command: servers refuse long lines."""
REFUSED = 900.0
"""Seconds until something is tried again that the server refused."""
_FIRST, _LONGEST = 5.0, 900.0
"""The waits while the mailbox is away, seconds."""


class Shelf(Protocol):
    """A mailbox whose marks and folders can be set."""

    async def show(self, mails: Sequence[Lying]) -> Shelved:
        """Bring about what should be shown of mails that lie in one folder.

        Raises:
            Unreachable: it can't be reached.
        """
        ...

    async def find(self, folder: str, message_ids: Sequence[str]) -> Mapping[str, Position]:
        """Where mails with these Message-IDs lie.

        Raises:
            Unreachable: it can't be reached.
        """
        ...


class Account(Protocol):
    """An IMAP account (`daemon.inbound.imap.Reader`)."""

    async def ask(self, work: "Callable[[IMAPClient], T]", *, folder: str | None = None, readonly: bool = True) -> T:
        """Run something on its connection."""
        ...


class Spool(Protocol):
    """A Maildir (`daemon.inbound.maildir.Watcher`)."""

    async def ask(self, work: Callable[[Path], T]) -> T:
        """Run something on its thread."""
        ...


class ImapShelf:
    """A `Shelf` on an IMAP server."""

    def __init__(self, account: Account, folders: Folders) -> None:
        self._account = account
        self._folders = folders

    async def show(self, mails: Sequence[Lying]) -> Shelved:
        """Flags, keywords and folders."""
        work = partial(imap_filing.show, mails=mails, folders=self._folders)
        return await self._account.ask(work, readonly=False)

    async def find(self, folder: str, message_ids: Sequence[str]) -> Mapping[str, Position]:
        """Among the newest of the folder."""
        return await self._account.ask(partial(imap_filing.find, folder=folder, message_ids=message_ids))


class MaildirShelf:
    """A `Shelf` in a Maildir, where nothing is moved."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def show(self, mails: Sequence[Lying]) -> Shelved:
        """The letters behind the names."""
        return await self._spool.ask(partial(maildir_filing.show, mails=mails))

    async def find(self, folder: str, message_ids: Sequence[str]) -> Mapping[str, Position]:
        """Never asked: a Maildir's files keep their names."""
        del folder, message_ids
        return {}


class Filing:
    """The reconciler of one mailbox."""

    def __init__(
        self, mailbox: str, shelf: Shelf, store: Store, *, every: float = EVERY, gather: float = GATHER
    ) -> None:
        self._mailbox = mailbox
        self._shelf = shelf
        self._store = store
        self._every = every
        self._gather = gather
        self._wake = asyncio.Event()
        self._refused: dict[str, float] = {}
        self._told: set[str] = set()

    def wake(self) -> None:
        """Something was decided: look soon."""
        self._wake.set()

    async def run(self) -> None:
        """Look for ever; a mailbox that is away is waited for, longer each time."""
        away = 0
        while True:
            self._wake.clear()
            try:
                await self.sweep()
                away = 0
            except TriagedError as error:
                away += 1
                log.info("mail.not-filed", mailbox=self._mailbox, why=type(error).__name__)
            except Exception as error:
                away += 1
                log.exception("mail.not-filed", mailbox=self._mailbox, error=type(error).__name__)
            if away:
                await asyncio.sleep(min(_LONGEST, _FIRST * 2.0 ** min(away - 1, 10)))
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._every)
                await asyncio.sleep(self._gather)

    async def sweep(self) -> None:
        """Show everything that is not shown as it should be.

        Raises:
            Unreachable: the mailbox is away.
            StoreBusy, StoreUnusable: the store is; what was shown and not kept is shown again.
        """
        after = ""
        while True:
            look = partial(filing.unfiled, mailbox=self._mailbox, after=after, limit=BATCH)
            mails = await self._store.read(look)
            await self._show_all(self._groups(mails))
            if len(mails) < BATCH:
                return
            after = mails[-1].message

    async def _show_all(self, groups: Sequence[Sequence[Lying]]) -> None:
        """A folder that refuses does not keep the others from being shown; when all fail, the mailbox is away."""
        failed: list[tuple[Sequence[Lying], Exception]] = []
        for group in groups:
            try:
                await self._show(group)
            except Exception as error:  # noqa: BLE001 - told below, or raised
                failed.append((group, error))
        if failed and len(failed) == len(groups):
            raise failed[0][1]
        for group, why in failed:
            self._refused |= {mail.message: time.monotonic() + REFUSED for mail in group}
            log.warning("mail.not-filed", mailbox=self._mailbox, why=type(why).__name__, number=len(group))

    def _groups(self, mails: Sequence[Lying]) -> list[list[Lying]]:
        """The mails by their folder, without those that were refused lately."""
        now = time.monotonic()
        self._refused = {key: until for key, until in self._refused.items() if until > now}
        groups: dict[str, list[Lying]] = {}
        for mail in mails:
            if mail.message not in self._refused:
                groups.setdefault(mail.folder, []).append(mail)
        return list(groups.values())

    async def _show(self, mails: Sequence[Lying]) -> None:
        shelved = await self._shelf.show(mails)
        done = await self._sought(shelved.done)
        await self._store.write(partial(filing.settle, done=done))
        kept = {each.mail.message for each in done}
        self._refused |= {mail.message: time.monotonic() + REFUSED for mail in mails if mail.message not in kept}
        for why in shelved.refused:
            self._tell("mail.not-filed", why)
        if not shelved.keywords:
            self._tell("mail.no-keywords", "the folder keeps no keywords: set `held_folder` and `done` to see them")

    async def _sought(self, done: Sequence[Done]) -> list[Done]:
        """Look for those whose place nobody told: moved by us, now or before we were killed."""
        lost: dict[str, list[Done]] = {}
        for each in done:
            if each.sought is not None:
                lost.setdefault(each.sought, []).append(each)
        places: dict[str, Position] = {}
        for folder, several in lost.items():
            ids = [each.mail.message for each in several]
            names = await self._store.read(partial(filing.message_ids, vault=self._store.vault, messages=ids))
            found = await self._shelf.find(folder, list(names.values()))
            places |= {key: found[name] for key, name in names.items() if name in found}
        return [replace(each, to=places[each.mail.message]) if each.mail.message in places else each for each in done]

    def _tell(self, event: str, why: str) -> None:
        """Once: it stays so until somebody mends it."""
        if why not in self._told:
            self._told.add(why)
            log.warning(event, mailbox=self._mailbox, why=why)
