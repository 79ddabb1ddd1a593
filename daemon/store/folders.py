"""How far each IMAP folder was read: the cursors, moved by the transaction that stores a mail."""

from collections.abc import Callable
from datetime import datetime

from sqlmodel import Session, col, update

from daemon.store.engine import Store
from daemon.store.position import FolderCursor, Position
from daemon.store.tables import Cursor, Mail


def cursor(session: Session, mailbox: str, folder: str) -> FolderCursor | None:
    """The cursor of a folder; None when it was never read."""
    row = session.get(Cursor, (mailbox, folder))
    if row is None:
        return None
    return FolderCursor(
        uidvalidity=row.uidvalidity,
        last_uid=row.last_uid,
        since=row.since,
        caught_up_at=row.caught_up_at,
        modseq=row.modseq,
    )


def advance(session: Session, mailbox: str, position: Position, now: datetime) -> None:
    """All UIDs up to this one are committed with this transaction (promise P1).

    A position under another UIDVALIDITY moves nothing: a folder that was made anew is read again, then `begin` says so.
    """
    row = session.get(Cursor, (mailbox, position.folder))
    if row is None:
        begin(session, mailbox, position, since=None, now=now)
    elif row.uidvalidity == position.uidvalidity:
        if position.uid <= row.last_uid:
            _vacate(session, mailbox, position)
        row.last_uid, row.updated_at = max(row.last_uid, position.uid), now


def _vacate(session: Session, mailbox: str, position: Position) -> None:
    """A folder that was put back to an older state gives UIDs again: the mail that had this one has no place now."""
    held = (
        col(Mail.mailbox) == mailbox,
        col(Mail.folder) == position.folder,
        col(Mail.uidvalidity) == position.uidvalidity,
        col(Mail.uid) == position.uid,
    )
    session.execute(update(Mail).where(*held).values(folder=None, uidvalidity=None, uid=None))


def begin(session: Session, mailbox: str, position: Position, *, since: datetime | None, now: datetime) -> None:
    """Read on after `position.uid`: what is older is stored, or not ours."""
    row = session.get(Cursor, (mailbox, position.folder))
    if row is None:
        row = Cursor(mailbox=mailbox, folder=position.folder, uidvalidity=0, last_uid=0, updated_at=now)
        session.add(row)
    row.uidvalidity, row.last_uid, row.updated_at = position.uidvalidity, position.uid, now
    row.since, row.modseq = since, None


def caught_up(session: Session, mailbox: str, position: Position, *, modseq: int | None, at: datetime) -> None:
    """Everything that lay in the folder at `at` is committed."""
    row = session.get(Cursor, (mailbox, position.folder))
    if row is not None and row.uidvalidity == position.uidvalidity:
        row.caught_up_at, row.modseq = at, modseq


class Cursors:
    """The cursors of one mailbox in the store: `daemon.inbound.imap.Cursors`."""

    def __init__(self, store: Store, mailbox: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._mailbox = mailbox
        self._clock = clock

    async def read(self, folder: str) -> FolderCursor | None:
        """The cursor as committed."""
        return await self._store.read(lambda session: cursor(session, self._mailbox, folder))

    async def begin(self, position: Position, since: datetime | None) -> None:
        """Commit where reading begins."""
        now = self._clock()
        await self._store.write(lambda session: begin(session, self._mailbox, position, since=since, now=now))

    async def caught_up(self, position: Position, modseq: int | None, at: datetime) -> None:
        """Commit that nothing is left to read."""
        await self._store.write(lambda session: caught_up(session, self._mailbox, position, modseq=modseq, at=at))
