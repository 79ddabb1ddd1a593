"""Reads an IMAP folder (RFC 3501): one thread and one connection a mailbox, the cursor moved only by commits.

The thread looks, fetches and hands each mail to the loop, and waits for the commit before it asks for the next: so the
cursor in the store, which that commit moves, is the only truth (promise P1). Keywords are a hint for people.
"""

import asyncio
import contextlib
import queue
import random
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import structlog
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from daemon.accounts import MailboxConfig
from daemon.errors import StoreUnusable, Unreachable
from daemon.inbound.arrival import Arrival, Receive
from daemon.store.position import Position
from tools.errors import Transient, TriagedError

log = structlog.get_logger()
T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds that the server may be silent; a frozen one is noticed by nothing else."""
CHUNK = 500
"""UIDs named in one command: servers refuse long lines."""
LONGEST = 900.0
"""The longest wait before the next try to connect, seconds."""
TRIAGED = b"$Triaged"
_FIRST_PART = 100_000
_FIRST_WAIT = 2.0
"""The first wait before the next try to connect, seconds; it doubles."""
_STORE_WAIT = 5.0
"""Seconds until a mail is fetched again that could not be committed."""
_LOOK = 0.05
_RECENT = 2000
"""How far back a search by Message-ID looks, in UIDs: over a whole folder it takes seconds."""

Cursor = Callable[[], Awaitable[tuple[int, int] | None]]
"""(UIDVALIDITY, last UID) as committed; None: the folder was never read."""
Begin = Callable[[Position], Awaitable[None]]
"""Commits where reading begins."""
_LOST = (OSError, IMAPClientAbortError)
"""After any of these the connection can't be used again."""


class _NotCommitted(Exception):
    """The store could not take a mail."""


@dataclass(frozen=True, slots=True)
class _Call:
    """Something the loop wants done on this connection."""

    work: Callable[[IMAPClient], Any]
    answer: "Future[Any]"


class Reader:
    """The door of a mailbox with `kind = "imap"`, and the way to its other folders.

    `receive` must not wait for `append`, `find` or `mark` of the same mailbox: they are served between two mails.
    """

    def __init__(
        self,
        name: str,
        config: MailboxConfig,
        *,
        password: Callable[[], str],
        receive: Receive,
        cursor: Cursor,
        begin: Begin,
    ) -> None:
        self._name = name
        self._config = config
        self._password = password
        self._receive = receive
        self._cursor = cursor
        self._begin = begin
        self._calls: queue.Queue[_Call | None] = queue.Queue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"imap-{name}", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mark_allowed = False
        self._failures = 0
        self.state = "starting"
        """For `triaged status`: what the connection is doing, in words."""

    async def start(self) -> None:
        """Begin to read; a server that is away is waited for."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Stop after the mail that is being committed."""
        self._stopping.set()
        self._calls.put(None)
        while self._thread.is_alive():  # noqa: ASYNC110 - a thread sets no asyncio.Event once the loop is gone
            await asyncio.sleep(_LOOK)  # joining would block the loop that the thread may be waiting for

    async def append(self, folder: str, raw: bytes, flags: tuple[str, ...] = ()) -> None:
        """Put a mail into a folder.

        Raises:
            Unreachable: the server can't be reached, or refuses.
        """
        await self._ask(lambda client: client.append(folder, raw, [flag.encode() for flag in flags]))

    async def find(self, folder: str, message_id: str) -> bool:
        """Whether a folder holds a mail with that Message-ID among its newest.

        Raises:
            Unreachable: the server can't be reached, or refuses.
        """
        return await self._ask(lambda client: self._find(client, folder, message_id))

    async def mark(self, position: Position, *, keywords: tuple[str, ...] = (), move_to: str | None = None) -> None:
        """Set keywords on a mail, or move it; a mail that is gone is left alone.

        Raises:
            Unreachable: the server can't be reached, or refuses.
        """
        await self._ask(lambda client: self._mark(client, position, keywords, move_to))

    async def _ask(self, work: Callable[[IMAPClient], T]) -> T:
        if self._stopping.is_set():
            raise Unreachable(f"The mailbox {self._name} is being closed. Try again later.")
        answer: Future[T] = Future()
        self._calls.put(_Call(work, answer))
        return await asyncio.wrap_future(answer)

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._session()
            except LoginError as error:
                self._tell("the server refuses the login; check `user` and `password_file`", error)
            except ssl.SSLError as error:
                self._tell("the server's certificate or TLS is refused; check `host`, `tls` and `ca_file`", error)
            except _LOST as error:
                self._tell("the connection was lost or refused", error)
            except (IMAPClientError, TriagedError) as error:
                self._tell("the server answered with an error", error)
            except Exception as error:
                self._tell("something unexpected happened; the log has it", error)
                log.exception("imap.failed", mailbox=self._name)
            self._rest()
        self.state = "stopped"
        self._refuse_calls("is being closed")

    def _session(self) -> None:
        """One connection, from greeting to logout."""
        client = self._connect()
        try:
            while not self._stopping.is_set():
                wait = self._config.poll
                try:
                    self._read_new(client, *self._select(client))
                    self.state = "waiting for mail"
                except _NotCommitted:
                    self.state = "waiting for the store"
                    wait = _STORE_WAIT
                self._failures = 0
                self._wait(client, wait)
                client.noop()
        finally:
            try:
                client.logout()
            except (*_LOST, IMAPClientError):
                with contextlib.suppress(*_LOST, IMAPClientError):
                    client.shutdown()

    def _connect(self) -> IMAPClient:
        config = self._config
        assert config.host is not None
        assert config.user is not None
        if not self._failures:
            self.state = f"connecting to {config.host}"
        context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
        implicit = config.tls == "implicit"
        client = IMAPClient(
            config.host, config.port, ssl=implicit, ssl_context=context if implicit else None, timeout=TIMEOUT
        )
        try:
            client.normalise_times = False  # INTERNALDATE with its zone
            client._imap.debug = 0  # noqa: SLF001 - imapclient sets 5: imaplib then formats each literal, 10x the CPU
            if config.tls == "starttls":
                client.starttls(context)
            client.login(config.user, self._password())
        except BaseException:
            with contextlib.suppress(*_LOST, IMAPClientError):
                client.shutdown()
            raise
        return client

    def _select(self, client: IMAPClient) -> tuple[int, int]:
        """UIDVALIDITY and UIDNEXT of the folder."""
        answer = client.select_folder(self._config.folder)
        permitted = answer.get(b"PERMANENTFLAGS", ())
        self._mark_allowed = b"\\*" in permitted or TRIAGED in permitted
        return int(answer[b"UIDVALIDITY"]), int(answer.get(b"UIDNEXT", 1))

    def _read_new(self, client: IMAPClient, uidvalidity: int, uidnext: int) -> None:
        """Fetch what lies after the cursor, in UID order, a commit a mail."""
        known = self._await(self._cursor())
        if known is None:
            known = self._first_run(client, uidvalidity, uidnext)
        # a changed UIDVALIDITY makes every UID new; the store recognises what it has
        last = known[1] if known[0] == uidvalidity else 0
        found = client.search(["UID", f"{last + 1}:*"])
        uids = sorted(uid for uid in found if uid > last)  # `n:*` names the last mail even when it is below n
        for start in range(0, len(uids), CHUNK):
            self._take(client, uidvalidity, uids[start : start + CHUNK])

    def _first_run(self, client: IMAPClient, uidvalidity: int, uidnext: int) -> tuple[int, int]:
        """Commit where to begin, so that what comes while nobody reads is not taken for old mail at the next start."""
        since = self._config.since
        last = uidnext - 1
        if since == "all":
            last = 0
        elif isinstance(since, date):
            last = min(client.search(["SINCE", since]), default=uidnext) - 1
        self._await(self._begin(Position(folder=self._config.folder, uidvalidity=uidvalidity, uid=last)))
        return uidvalidity, last

    def _take(self, client: IMAPClient, uidvalidity: int, uids: list[int]) -> None:
        known = client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE"])
        for uid in uids:
            if self._stopping.is_set():
                return
            # None: expunged by another client; some servers leave it out, some send an empty body
            arrival = (
                self._fetch(client, uidvalidity, uid, known[uid]) if b"RFC822.SIZE" in known.get(uid, {}) else None
            )
            if arrival is None:
                continue
            self.state = "reading"
            self._commit(arrival)
            if self._mark_allowed:
                client.add_flags([uid], [TRIAGED], silent=True)
            self._serve_waiting(client)

    def _commit(self, arrival: Arrival) -> None:
        """Hand a mail in and wait for its commit; the cursor in the store moves with it, or not at all."""
        try:
            self._await(self._receive(arrival))
        except (Transient, StoreUnusable) as error:
            log.warning("imap.not-committed", mailbox=self._name, why=type(error).__name__)
            raise _NotCommitted from error
        except Exception as error:
            log.exception("imap.not-committed", mailbox=self._name, why=type(error).__name__)
            raise _NotCommitted from error

    def _fetch(self, client: IMAPClient, uidvalidity: int, uid: int, known: dict[bytes, Any]) -> Arrival | None:
        size = int(known[b"RFC822.SIZE"])
        huge = size > self._config.max_size
        part = f"BODY.PEEK[]<0.{_FIRST_PART}>" if huge else "BODY.PEEK[]"
        answer = client.fetch([uid], [part]).get(uid, {})
        raw = answer.get(b"BODY[]<0>" if huge else b"BODY[]")
        if raw is None:
            return None
        received = known.get(b"INTERNALDATE")
        return Arrival(
            mailbox=self._name,
            raw=raw,
            received_at=received.astimezone(UTC) if isinstance(received, datetime) else datetime.now(UTC),
            position=Position(folder=self._config.folder, uidvalidity=uidvalidity, uid=uid),
            oversize=size if huge else None,
        )

    def _wait(self, client: IMAPClient, seconds: float) -> None:
        """Serve the loop's calls until it is time to look again."""
        until = time.monotonic() + seconds
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                if call := self._calls.get(timeout=left):
                    self._serve(client, call)

    def _serve_waiting(self, client: IMAPClient) -> None:
        """Serve what waits, also amid a long backlog."""
        with contextlib.suppress(queue.Empty):
            while call := self._calls.get_nowait():
                self._serve(client, call)

    def _serve(self, client: IMAPClient, call: _Call) -> None:
        if not call.answer.set_running_or_notify_cancel():
            return
        try:
            call.answer.set_result(call.work(client))
        except _LOST as error:
            call.answer.set_exception(
                Unreachable(f"The mailbox {self._name} can't be reached: {error}. It is tried again by itself.")
            )
            raise
        except IMAPClientError as error:
            call.answer.set_exception(
                Unreachable(f"The mailbox {self._name} refuses: {error}. Check its folders and rights.")
            )

    def _refuse_calls(self, why: str) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                call = self._calls.get_nowait()
                if call is not None and call.answer.set_running_or_notify_cancel():
                    call.answer.set_exception(Unreachable(f"The mailbox {self._name} {why}. Try again later."))

    def _rest(self) -> None:
        """Wait before the next connection: twice as long each time, with jitter, so that nobody is hammered."""
        seconds = min(LONGEST, _FIRST_WAIT * 2.0 ** min(self._failures - 1, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        until = time.monotonic() + (seconds if self._failures else 0)
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            self._stopping.wait(min(left, 0.5))
            self._refuse_calls(f"can't be reached: {self.state}")

    def _tell(self, what: str, error: BaseException) -> None:
        self._failures += 1
        self.state = f"{what} ({str(error)[:200]})"
        log.warning("imap.lost", mailbox=self._name, what=what, error=type(error).__name__, failures=self._failures)

    def _await(self, work: Awaitable[T]) -> T:
        """Run on the loop, and wait here."""
        assert self._loop is not None

        async def run() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def _find(self, client: IMAPClient, folder: str, message_id: str) -> bool:
        answer = client.select_folder(folder, readonly=True)
        try:
            first = max(1, int(answer.get(b"UIDNEXT", 1)) - _RECENT)
            return bool(client.search(["UID", f"{first}:*", "HEADER", "Message-ID", f"<{message_id}>"]))
        finally:
            client.select_folder(self._config.folder)

    def _mark(self, client: IMAPClient, position: Position, keywords: tuple[str, ...], move_to: str | None) -> None:
        if position.folder != self._config.folder or self._select(client)[0] != position.uidvalidity:
            return  # the UID means another mail now, or none
        # System flags (\\Seen, \\Answered) are always known; keywords only where the server keeps new ones.
        flags = [keyword.encode() for keyword in keywords if keyword.startswith("\\") or self._mark_allowed]
        if flags:
            client.add_flags([position.uid], flags, silent=True)
        if move_to is None:
            return
        if not client.folder_exists(move_to):
            client.create_folder(move_to)
        if client.has_capability("MOVE"):
            client.move([position.uid], move_to)
        elif client.has_capability("UIDPLUS"):
            client.copy([position.uid], move_to)
            client.delete_messages([position.uid], silent=True)
            client.uid_expunge([position.uid])
