"""Reads an IMAP folder (RFC 3501): one thread and one connection a mailbox, the cursor moved only by commits.

The thread looks, hands each mail to the loop and waits for its commit before the next: so the cursor in the store,
which that commit moves, is the only truth (promise P1). Then it waits in IDLE (RFC 2177) until the server says
something, the loop asks for something, or the round ends; without IDLE, until the next poll. A look is SELECT and
SEARCH, so that a server that froze, or a folder that was made anew under us, is noticed by the end of a round. It looks
until a look finds nothing: an EXISTS that was told while it was busy is not told again.

```
imap              the thread, its rounds, and the calls of the loop
imap_calls        what the loop asks for
imap_look         one look: plan, fetch, hand in, move the cursor
imap_cursor       from where to read
imap_fetch        what is asked of the server
imap_connection   TLS and login
imap_trouble      what an error means, and how long to leave the server alone
```
"""

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import structlog
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from daemon.accounts import MailboxConfig
from daemon.errors import StoreBusy
from daemon.inbound.arrival import DoorState, Receive
from daemon.inbound.imap_calls import Calls, answer
from daemon.inbound.imap_connection import LOST, arrived, close, connect, log_out
from daemon.inbound.imap_look import Cursors, Interrupted, Look, Memory, NotCommitted
from daemon.inbound.imap_trouble import Timing, Trouble, diagnose, pause
from daemon.inbound.waker import Waker
from daemon.recent import by_message_id, first_recent
from daemon.secrets import Credential

log = structlog.get_logger()
T = TypeVar("T")

_APPENDUID = "APPENDUID "
_TICK = 0.05
_NO_IDLE = 3
"""Refusals of IDLE after which it is not asked for any more."""


def _unheard(_: DoorState, __: str, ___: int) -> None:
    """The usual listener to the states of a reader: none."""


class Reader:
    """The door of a mailbox with `kind = "imap"`, and the way to its other folders.

    `receive` must not wait for `ask` or `look` of the same mailbox: they are served between two mails.
    """

    def __init__(
        self,
        name: str,
        config: MailboxConfig,
        *,
        credential: Callable[[], Credential],
        receive: Receive,
        cursors: Cursors,
        tell: Callable[[DoorState, str, int], None] = _unheard,
        timing: Timing = Timing(),  # noqa: B008 - frozen
    ) -> None:
        """Nothing is opened yet.

        Args:
            name: of the mailbox.
            config: its table.
            credential: what to log in with; called on the reader's thread before each login, and may block.
            receive: takes a mail in.
            cursors: how far its folders were read.
            tell: called on the loop with state, detail and failures in a row whenever one of them changes.
            timing: how long to wait for what.
        """
        self._name = name
        self._config = config
        self._credential = credential
        self._cursors = cursors
        self._receive = receive
        self._listener = tell
        self._timing = timing
        self._waker = Waker()
        self._calls = Calls(name, config.folder, self._waker)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"imap-{name}", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: IMAPClient | None = None
        self._memory = Memory()
        self._used: Credential | None = None
        self._tries = 0
        self._idle_refusals = 0
        self.state = DoorState.STARTING
        self.detail = ""
        """What is wrong and what to do; may quote the server, so it is sealed in the store."""
        self.failures = 0
        """Failures in a row."""

    async def start(self) -> None:
        """Begin to read; a server that is away is waited for."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Stop after the mail that is being committed; a server that does not answer is not waited for."""
        self._stopping.set()
        self._waker.poke()
        if self._loop is None:
            self._waker.close()
        deadline = time.monotonic() + self._timing.farewell
        while self._thread.is_alive():  # joining would block the loop that the thread may be waiting for
            await asyncio.sleep(_TICK)
            if time.monotonic() > deadline:
                if self._client is None:
                    return  # connecting, or waiting for a name server, which nothing can end; it holds no mail
                self._cut(self._client)

    async def ask(self, work: Callable[[IMAPClient], T], *, folder: str | None = None, readonly: bool = True) -> T:
        """Run `work` on the reader's thread and connection, between two mails or out of IDLE.

        Args:
            work: gets the client with `folder` selected; may select others.
            folder: None: the one that is read, for reading and writing.
            readonly: EXAMINE another folder, so that nothing in it changes.

        Raises:
            Unreachable: the server can't be reached, or refuses; anything that `work` raises itself passes through.
        """
        return await asyncio.wrap_future(self._calls.ask(work, folder, readonly=readonly))

    async def look(self) -> None:
        """Read what is new in the folder; all that was there when this was called is committed when it returns.

        Raises:
            Unreachable: the server can't be reached, or refuses.
            StoreBusy: the store can't take it now.
        """
        await asyncio.wrap_future(self._calls.look())

    async def append(
        self, folder: str, raw: bytes, flags: tuple[str, ...] = (), when: datetime | None = None
    ) -> tuple[int, int] | None:
        """Put a mail into a folder: (UIDVALIDITY, UID) where the server tells them (RFC 4315), else None.

        Raises:
            Unreachable: the server can't be reached, or refuses; the mail may be there all the same.
        """
        said = await self.ask(lambda client: client.append(folder, raw, [flag.encode() for flag in flags], when))
        _, found, after = bytes(said).decode(errors="replace").partition(_APPENDUID)
        numbers = after.partition("]")[0].split()
        return (int(numbers[0]), int(numbers[1])) if found and len(numbers) == 2 else None  # noqa: PLR2004 - a pair

    async def find(self, folder: str, message_id: str) -> bool:
        """Whether a folder holds a mail with that Message-ID among its newest.

        Raises:
            Unreachable: the server can't be reached, or refuses.
        """

        def search(client: IMAPClient) -> bool:
            return bool(by_message_id(client, first_recent(client), message_id))

        return await self.ask(search, folder=folder)

    @staticmethod
    def _cut(client: IMAPClient) -> None:
        """End what the thread waits for, from outside it."""
        with contextlib.suppress(OSError):
            client.socket().shutdown(socket.SHUT_RDWR)

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._session()
                except Interrupted:
                    break
                except Exception as error:  # noqa: BLE001 - whatever it is, the mailbox is tried again
                    if not self._stopping.is_set():
                        self._rest(self._trouble(error))
        finally:
            self._calls.close()
            self._tell(DoorState.STOPPED)
            self._waker.close()

    def _session(self) -> None:
        """One connection, from greeting to logout."""
        if not self.failures:
            self._tell(DoorState.CONNECTING)
        client = connect(self._config, self._proof, timeout=self._timing.timeout)
        self._client, began = client, time.monotonic()
        look = Look(
            client,
            self._name,
            self._config,
            cursors=self._cursors,
            receive=self._receive,
            wait=self._await,
            between=self._between,
            busy=lambda: self._tell(DoorState.READING),
            memory=self._memory,
        )
        try:
            while not self._stopping.is_set():
                self._round(client, look)
            log_out(client)
        except Interrupted:
            log_out(client)
            raise
        finally:
            self._client = None
            close(client)
            if time.monotonic() - began > self._timing.steady:
                self._tries = 0

    def _round(self, client: IMAPClient, look: Look) -> None:
        """Serve the loop, look until nothing is new, then wait."""
        self._between()
        wanted = self._calls.looks()
        try:
            while look.run(datetime.now(UTC)):
                pass
        except NotCommitted:
            self._tell(DoorState.STORE_AWAY)
            answer(wanted, StoreBusy(f"The store can't take the mail of {self._name}. It is tried again."))
            self._waker.wait(self._timing.store)
            return
        except BaseException:
            answer(wanted, self._calls.unreachable("was lost while it was read"))
            raise
        self._tell(DoorState.WAITING)
        answer(wanted, None)
        if not self._calls.waiting:
            self._wait(client)

    def _wait(self, client: IMAPClient) -> None:
        """Wait until the server says something, the loop asks for something, or it is time to look.

        IMAPClient's idle_check() is not used: it says the same of a dead connection and of silence, and does not see
        what came together with the server's `+`. Whatever can be read ends the IDLE, and DONE finds out what it was.
        """
        seconds = min(self._config.poll, self._timing.round)
        if self._idle_refusals >= _NO_IDLE or not client.has_capability("IDLE"):
            self._waker.wait(seconds, client.socket())
            return
        try:
            client.idle()
        except LOST:
            raise
        except IMAPClientError:
            self._idle_refusals += 1
            raise
        self._idle_refusals = 0
        if not arrived(client):
            self._waker.wait(seconds, client.socket())
        client.idle_done()

    def _between(self) -> bool:
        """Serve what the loop asked for, also amid a long backlog; whether there was anything."""
        if self._stopping.is_set():
            raise Interrupted
        assert self._client is not None
        return self._calls.serve(self._client)

    def _trouble(self, error: Exception) -> Trouble:
        trouble = diagnose(error, self._name, token=self._config.oauth is not None)
        what, kind = trouble.state.value, type(error).__name__
        if trouble.foreseen:
            log.warning("imap.lost", mailbox=self._name, what=what, error=kind, failures=self._tries + 1)
        else:
            log.error("imap.failed", mailbox=self._name, error=kind, exc_info=error)
        return trouble

    def _rest(self, trouble: Trouble) -> None:
        """Leave the server alone for a while; nobody waits for that."""
        self._tries += 1
        self._tell(trouble.state, trouble.detail, self._tries)
        until = time.monotonic() + pause(trouble, self._tries, self._timing, random.random())  # noqa: S311 - no secret
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            self._calls.refuse(f"can't be reached ({trouble.state})")
            self._waker.wait(min(left, self._timing.steady))
            if trouble.login and self._mended():
                return

    def _proof(self) -> Credential:
        self._used = self._credential()
        return self._used

    def _mended(self) -> bool:
        """Whether there is another credential than the one that was refused: no need to wait longer with that."""
        try:
            return self._credential() != self._used
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is looked at again
            return False

    def _tell(self, state: DoorState, detail: str = "", failures: int = 0) -> None:
        if (state, detail, failures) == (self.state, self.detail, self.failures):
            return
        self.state, self.detail, self.failures = state, detail, failures
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._listener, state, detail, failures)

    def _await(self, work: Awaitable[T]) -> T:
        """Run on the loop, and wait here."""
        assert self._loop is not None

        async def run() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()
