"""One look at the folder: what is new is fetched, handed in mail by mail, and the cursor moves with each commit."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from daemon.accounts import MailboxConfig
from daemon.errors import StoreUnusable
from daemon.inbound import imap_fetch as fetch
from daemon.inbound.arrival import Arrival, Receive
from daemon.inbound.imap_connection import LOST
from daemon.inbound.imap_cursor import Begin, ReadAgain, Selected, old, plan
from daemon.inbound.imap_fetch import Fetched, Listed
from daemon.store.position import FolderCursor, Position
from tools.errors import Transient

log = structlog.get_logger()

_PATIENCE = 6
"""Tries to get a mail that the server will not give: two minutes with the waits between; others wait behind it."""
_BACKLOG = 50
"""So many mails at once are worth telling."""
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class Cursors(Protocol):
    """How far the folders of a mailbox were read (`daemon.store.folders.Cursors`)."""

    async def read(self, folder: str) -> FolderCursor | None:
        """The cursor as committed."""
        ...

    async def begin(self, position: Position, since: datetime | None) -> None:
        """Commit where reading begins."""
        ...

    async def caught_up(self, position: Position, modseq: int | None, at: datetime) -> None:
        """Commit that nothing is left to read."""
        ...


class NotCommitted(Exception):
    """The store could not take a mail; it comes again."""


class Interrupted(Exception):
    """The reader is to stop."""


class _Changed(Exception):
    """The folder was made anew while it was read."""


@dataclass(slots=True)
class Memory:
    """What a reader keeps from one connection to the next."""

    failed: Counter[tuple[int, int]] = field(default_factory=Counter)
    """How often a mail, by (UIDVALIDITY, UID), was asked for in vain."""
    again: tuple[int, int] | None = None
    """Up to where a folder was read again that had changed."""


class Look:
    """The folder of a mailbox on one connection."""

    def __init__(
        self,
        client: IMAPClient,
        name: str,
        config: MailboxConfig,
        *,
        cursors: Cursors,
        receive: Receive,
        wait: Callable[[Awaitable[Any]], Any],
        between: Callable[[], bool],
        busy: Callable[[], None],
        memory: Memory,
    ) -> None:
        """Nothing is asked yet.

        Args:
            client: logged in.
            name: of the mailbox.
            config: its table.
            cursors: how far folders were read.
            receive: takes a mail in.
            wait: runs something on the loop and waits for it here.
            between: called between two mails; whether it may have selected another folder. Raises Interrupted.
            busy: called when there is much to read.
            memory: of earlier connections.
        """
        self._client = client
        self._name = name
        self._config = config
        self._cursors = cursors
        self._receive = receive
        self._wait = wait
        self._between = between
        self._busy = busy
        self._memory = memory

    def run(self, now: datetime) -> bool:
        """Take in what is new; whether there may be more by now.

        Args:
            now: aware, and by the clock that INTERNALDATEs are compared with.

        Raises:
            NotCommitted: the store is away; the cursor stands before that mail.
            Interrupted: the reader is to stop.
            OSError, IMAPClientError: the connection is lost, or the server refuses.
        """
        selected = self._select()
        known = self._store(self._cursors.read(self._config.folder))
        if known is not None:
            selected = self._corrected(known, selected)
        step = plan(known, selected, since=self._config.since, now=now)
        try:
            if isinstance(step, Begin):
                self._begin(step, selected)
                return True
            if isinstance(step, ReadAgain):
                self._read_again(known, step, selected)
                return True
            taken = False
            for numbers in fetch.uids(self._client, step.after, selected):
                taken |= self._take(fetch.listed(self._client, numbers), selected)
        except _Changed:
            return True
        if not taken and known is not None:
            self._caught_up(known, selected, now)
        return taken

    def _select(self) -> Selected:
        return fetch.select(self._client, self._config.folder)

    def _corrected(self, known: FolderCursor, selected: Selected) -> Selected:
        """UIDNEXT may be told too low by a server that caches it: a mail with our last UID disproves it."""
        if selected.uidvalidity != known.uidvalidity or selected.uidnext > known.last_uid:
            return selected
        found = self._client.search(["UID", f"{known.last_uid}:*"])
        return replace(selected, uidnext=known.last_uid + 1) if max(found, default=0) >= known.last_uid else selected

    def _begin(self, step: Begin, selected: Selected) -> None:
        """Commit where to begin, so that what comes while nobody reads is not taken for old mail at the next start."""
        after = step.after
        if after is None:
            assert not isinstance(self._config.since, str)
            after = fetch.first_since(self._client, self._config.since, selected) - 1
        self._store(self._cursors.begin(self._position(selected, after), step.since))

    def _read_again(self, known: FolderCursor | None, step: ReadAgain, selected: Selected) -> None:
        assert known is not None
        made_anew = known.uidvalidity != selected.uidvalidity
        log.warning("imap.reading-again", mailbox=self._name, made_anew=made_anew)
        after = self._memory.again[1] if self._memory.again and self._memory.again[0] == selected.uidvalidity else 0
        criteria = ("SINCE", (step.floor - _DAY).date()) if step.floor else ()
        left = 0
        for numbers in fetch.uids(self._client, after, selected, *criteria):
            mails = fetch.listed(self._client, numbers, dates=step.floor is not None)
            ours = [mail for mail in mails if not old(step.floor, mail.received, mail.written)]
            left += len(mails) - len(ours)
            self._take(ours, selected)
            self._memory.again = (selected.uidvalidity, numbers[-1])
        self._store(self._cursors.begin(self._position(selected, selected.uidnext - 1), known.since))
        self._memory.again = None
        log.info("imap.read-again", mailbox=self._name, left_as_old=left)

    def _take(self, mails: Sequence[Listed], selected: Selected) -> bool:
        """Hand mails in, in their order; whether any was committed."""
        if len(mails) > _BACKLOG:
            self._busy()
        taken = False
        alone = frozenset(uid for uidvalidity, uid in self._memory.failed if uidvalidity == selected.uidvalidity)
        for batch in fetch.batches(mails, self._config.max_size, alone):
            arrived = self._fetch(batch, selected)
            for mail in arrived:
                self._commit(mail, selected)
                taken = True
                if self._between() and self._select().uidvalidity != selected.uidvalidity:
                    raise _Changed
        return taken

    def _commit(self, mail: Fetched, selected: Selected) -> None:
        arrival = Arrival(
            mailbox=self._name,
            raw=mail.raw,
            received_at=mail.listed.received,
            position=self._position(selected, mail.listed.uid),
            oversize=None if mail.whole else mail.listed.size,
        )
        self._store(self._receive(arrival))

    def _fetch(self, batch: list[Listed], selected: Selected) -> list[Fetched]:
        """The bodies; one that the server refuses again and again comes as its header, else all wait behind it."""
        failed = self._memory.failed
        keys = [(selected.uidvalidity, mail.uid) for mail in batch]
        tries = failed[keys[0]] if len(keys) == 1 else 0
        try:
            if tries < _PATIENCE:
                mails = fetch.bodies(self._client, batch, self._config.max_size)
            else:
                log.error("imap.not-given", mailbox=self._name, tries=tries)
                header = tries < 2 * _PATIENCE
                mails = fetch.what_is_given(self._client, batch[0], selected.uidvalidity, header=header)
        except (*LOST, IMAPClientError):
            failed.update(keys)  # whichever it is: next time each comes alone
            raise
        for key in keys:
            failed.pop(key, None)
        return mails

    def _caught_up(self, known: FolderCursor, selected: Selected, now: datetime) -> None:
        """Commit it, but not at each look: to the hour is enough for what it bounds."""
        fresh = known.caught_up_at is not None and now - known.caught_up_at < _HOUR
        if fresh and (known.modseq is not None or selected.modseq is None):
            return
        self._store(self._cursors.caught_up(self._position(selected, known.last_uid), selected.modseq, now))

    def _store(self, work: Awaitable[Any]) -> Any:
        """Wait for the store; the cursor in it moves with the mail, or not at all."""
        try:
            return self._wait(work)
        except (Transient, StoreUnusable) as error:
            log.warning("imap.not-committed", mailbox=self._name, why=type(error).__name__)
            raise NotCommitted from error
        except Exception as error:
            log.exception("imap.not-committed", mailbox=self._name, why=type(error).__name__)
            raise NotCommitted from error

    def _position(self, selected: Selected, uid: int) -> Position:
        return Position(folder=self._config.folder, uidvalidity=selected.uidvalidity, uid=uid)
