"""Reads the Sent folder of a mailbox for what people answered from their own mail programs (promise P11).

Only the header fields that matter are fetched, each mail once; the cursor moves in the transaction that ends what was
answered. A folder that does not exist holds nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import structlog

from daemon import marks
from daemon.inbound import by_hand, parse
from daemon.recent import RECENT
from daemon.store import answered, folders
from daemon.store.engine import Store
from daemon.store.human_answer import Answer
from daemon.store.position import FolderCursor, Position
from daemon.store.queue import Queue
from tools.errors import Transient

if TYPE_CHECKING:
    from imapclient import IMAPClient

log = structlog.get_logger()
T = TypeVar("T")
CHUNK: Final = 200
"""Mails that are fetched, and committed, at a time."""
_FIRST_WAIT = 5.0
_FIELDS = ("Message-ID", "In-Reply-To", "References", "To", "Cc", "Bcc", "Auto-Submitted", marks.LOOP_HEADER)
_HEADER = f"BODY.PEEK[HEADER.FIELDS ({' '.join(_FIELDS)})]"


class Account(Protocol):
    """An IMAP account (`daemon.inbound.imap.Reader`)."""

    async def ask(self, work: "Callable[[IMAPClient], T]", *, folder: str | None = None, readonly: bool = True) -> T:
        """Run work on the connection."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What was read at a time."""

    uidvalidity: int
    last_uid: int
    headers: tuple[bytes, ...] = ()
    more: bool = False


class SentFolder:
    """The Sent folder of one mailbox."""

    def __init__(
        self,
        mailbox: str,
        folder: str,
        account: Account,
        *,
        store: Store,
        queue: Queue,
        clock: Callable[[], datetime],
        back: bool,
    ) -> None:
        """Nothing is read yet.

        Args:
            mailbox: its name.
            folder: where what was sent is kept.
            account: the way to it.
            store: keeps what was found.
            queue: gets the next turn of a conversation in which a newer mail is left.
            clock: aware, UTC.
            back: whether the first look goes back, since mail is read that came before.
        """
        self._mailbox = mailbox
        self._folder = folder
        self._account = account
        self._store = store
        self._queue = queue
        self._clock = clock
        self._back = back
        self._looking = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """End what people have answered; all that stood in the folder when this was called is seen when it returns.

        Raises:
            Unreachable: the server can't be reached, or refuses.
            StoreBusy: the store can't take it now.
        """
        if self._next is None:  # who comes before it begins shares it
            self._next = asyncio.create_task(self._in_turn())
            self._next.add_done_callback(_heard)
        await asyncio.shield(self._next)

    async def watch(self, poll: float) -> None:
        """Look again and again, `poll` seconds apart; sooner while the first look has not succeeded."""
        wait = min(_FIRST_WAIT, poll)
        while True:
            try:
                await self.look()
                wait = poll
            except Transient as error:
                log.info("sent.not-read", mailbox=self._mailbox, why=type(error).__name__)
                wait = min(poll, wait * 2)
            except Exception as error:
                log.exception("sent.failed", mailbox=self._mailbox, error=type(error).__name__)
                wait = poll
            await asyncio.sleep(wait)

    async def _in_turn(self) -> None:
        async with self._looking:
            self._next = None
            while await self._read():
                pass

    async def _read(self) -> bool:
        """Read a batch and commit it; whether there is more."""
        mailbox, folder = self._mailbox, self._folder
        known = await self._store.read(lambda session: folders.cursor(session, mailbox, folder))
        batch = await self._account.ask(lambda client: read(client, folder, known, back=self._back))
        if batch is None or (known and (batch.uidvalidity, batch.last_uid) == (known.uidvalidity, known.last_uid)):
            return False
        vault, now = self._store.vault, self._clock()
        answers = [found for each in batch.headers if (found := answer_in(each, vault.mark_key)) is not None]
        position = Position(folder=folder, uidvalidity=batch.uidvalidity, uid=batch.last_uid)
        closed = await self._store.write(
            lambda session: answered.read_on(session, vault, self._queue, mailbox, position, answers, now=now)
        )
        if closed:
            log.info("mail.answered-by-human", mailbox=mailbox, number=closed)
        return batch.more


def _heard(task: asyncio.Task[None]) -> None:
    """Its error is for those who wait; there may be nobody left."""
    if not task.cancelled():
        task.exception()


def answer_in(header: bytes, mark_key: bytes) -> Answer | None:
    """What a mail of the folder answers, if a person wrote it."""
    parsed = parse.read(header, id="", mailbox="", received_at=datetime.now(UTC))
    return by_hand.read(parsed.root, parsed.message, mark_key=mark_key)


def read(client: "IMAPClient", folder: str, known: FolderCursor | None, *, back: bool) -> Batch | None:
    """The next headers after the cursor; None: there is no such folder.

    A list of UIDs and never a range is fetched; `n:*` names the last mail even when it is below n.
    """
    from imapclient.exceptions import IMAPClientError

    try:
        selected = client.select_folder(folder, readonly=True)
    except IMAPClientError:
        if client.folder_exists(folder):
            raise
        return None
    uidvalidity, uidnext = int(selected[b"UIDVALIDITY"]), int(selected.get(b"UIDNEXT", 0))
    if not uidnext:  # RFC 3501 section 6.3.1: a client can't rely on it
        uidnext = max(client.search(["UID", "*"]), default=0) + 1
    if known is not None and uidnext <= known.last_uid and not client.search(["UID", f"{known.last_uid}"]):
        known, back = None, True  # put back from a backup: the numbers behind are given again
    last = _start(known, uidvalidity, uidnext, back=back)
    # UIDNEXT may lag behind, so it is not asked whether there is anything
    uids = sorted(uid for uid in client.search(["UID", f"{last + 1}:*"]) if uid > last)
    chunk = uids[:CHUNK]
    answer = client.fetch(chunk, [_HEADER]) if chunk else {}
    headers = tuple(header for uid in chunk if (header := _fetched(answer.get(uid, {}))) is not None)
    return Batch(
        uidvalidity=uidvalidity,
        last_uid=chunk[-1] if chunk else max(last, uidnext - 1),
        headers=headers,
        more=len(uids) > len(chunk),
    )


def _start(known: FolderCursor | None, uidvalidity: int, uidnext: int, *, back: bool) -> int:
    """The UID after which to read."""
    if known is not None and known.uidvalidity == uidvalidity:
        return known.last_uid
    if known is None and not back:
        return max(0, uidnext - 1)
    return max(0, uidnext - 1 - RECENT)


def _fetched(answer: dict[bytes, Any]) -> bytes | None:
    """The header of a mail; None: it is gone. Servers repeat the list of fields in spellings of their own."""
    return next((value for key, value in answer.items() if key.upper().startswith(b"BODY[HEADER")), None)
