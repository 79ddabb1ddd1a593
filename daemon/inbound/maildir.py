"""The door for mail in a Maildir: new/ is watched, and a file moves to cur/ only after its commit (promise P1)."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import structlog

from daemon.accounts import MailboxConfig
from daemon.errors import StoreUnusable, Unreachable
from daemon.inbound.arrival import Arrival, DoorState, Receive
from daemon.inbound.condition import Condition, Tell, unheard
from daemon.maildirname import stem, unique
from tools.errors import Transient

log = structlog.get_logger()
T = TypeVar("T")

_RETRY = 5.0
"""Seconds until a mail that could not be committed is tried again."""
_RESCAN = 60.0
"""The longest time between two looks: an inotify queue can overflow, network file systems have none (inotify(7))."""
_DRAIN = 10.0
"""Seconds that `stop` waits for mail that is being committed."""
_FIRST_PART = 100_000
"""Octets kept of a mail that exceeds the limit."""


class Watcher:
    """The door of a mailbox with `kind = "maildir"`."""

    def __init__(
        self,
        name: str,
        config: MailboxConfig,
        receive: Receive,
        tell: Tell = unheard,
        *,
        rescan: float = _RESCAN,
        retry: float = _RETRY,
    ) -> None:
        """Nothing is watched yet; `tell` hears of each change of the state."""
        assert config.path is not None
        self.condition = Condition(tell)
        self._name = name
        self._path = config.path
        self._largest = config.max_size
        self._receive = receive
        self._rescan = min(rescan, config.poll)
        self._retry = retry
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._closing = contextlib.ExitStack()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"maildir-{name}")
        self._troubles: dict[str, str] = {}

    async def start(self) -> None:
        """Take in what is there, and watch for more.

        Raises:
            Unreachable: the folder can't be made, read or written.
        """
        try:
            await self._in_thread(self._prepare)
        except OSError as error:
            unusable = self._unusable(error)
            self.condition.ill(DoorState.FAILING, str(unusable))
            raise unusable from error
        self._watch()
        self._stopping = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Watch no more. The mail that is being committed is finished; all others stay in new/."""
        self._closing.close()
        self._stopping = True
        if self._task is not None:
            task, self._task = self._task, None
            self._wake.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(task, _DRAIN)
        self._thread.shutdown(wait=False)
        self.condition.well(DoorState.STOPPED)

    def _watch(self) -> None:
        from inotify_simple import INotify, flags

        try:
            notifier = self._closing.enter_context(INotify(nonblocking=True))
            # A delivery agent writes to tmp/ and renames, so what appears in new/ is whole (maildir(5)).
            notifier.add_watch(self._path / "new", flags.MOVED_TO | flags.CREATE)
        except OSError as error:
            log.warning("maildir.not-watched", mailbox=self._name, why=error.strerror, looks_every=self._rescan)
            return

        def noticed() -> None:
            notifier.read(timeout=0)
            self._wake.set()

        loop = asyncio.get_running_loop()
        loop.add_reader(notifier.fileno(), noticed)
        self._closing.callback(loop.remove_reader, notifier.fileno())

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            failed = await self._sweep()
            self._tell(failed=failed)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._retry if failed else self._rescan)

    def _tell(self, *, failed: bool) -> None:
        if self._troubles:
            name, why = next(iter(self._troubles.items()))
            detail = f"Left alone in {self._path}: {len(self._troubles)}, such as {name} ({why})."
            if detail != self.condition.detail:
                self.condition.ill(DoorState.FAILING, detail)
        elif failed:
            self.condition.ill(DoorState.STORE_AWAY, "The store can't take mail now; it stays in new/.")
        else:
            self.condition.well(DoorState.WAITING, f"watching {self._path}")

    async def _sweep(self) -> bool:
        """Take every mail in new/, the oldest first; whether one has to be tried again."""
        try:
            files = await self._in_thread(self._waiting)
        except OSError as error:
            self._trouble("new/", error.strerror or type(error).__name__)
            return True
        names = {file.name for file in files}
        self._troubles = {name: why for name, why in self._troubles.items() if name in names}
        failed = False
        for file in files:
            if self._stopping:
                return failed
            failed = not await self._take(file) or failed
        return failed

    async def _take(self, file: Path) -> bool:
        """Commit one mail and put its file away; False when it has to be tried again."""
        try:
            arrival = await self._in_thread(self._read, file)
        except FileNotFoundError:
            return True  # another program took it
        except OSError as error:
            self._trouble(file.name, error.strerror or type(error).__name__)
            return True
        try:
            await self._receive(arrival)
        except (Transient, StoreUnusable) as error:
            log.warning("maildir.not-committed", mailbox=self._name, why=type(error).__name__)
            return False
        except Exception as error:
            log.exception("maildir.failed", mailbox=self._name, error=type(error).__name__)
            return False
        try:
            await self._in_thread(self._put_away, file)
        except OSError as error:
            # It is committed: the next look finds a duplicate, which costs nothing but the look.
            self._trouble(file.name, f"stored, but it can't be moved to cur/: {error.strerror}")
        return True

    async def _in_thread(self, work: Callable[..., T], *args: Path) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    def _prepare(self) -> None:
        for folder in ("tmp", "new", "cur"):
            (self._path / folder).mkdir(parents=True, exist_ok=True)
        self._waiting()

    def _waiting(self) -> list[Path]:
        found = [path for path in (self._path / "new").iterdir() if not path.name.startswith(".")]
        return sorted(found, key=lambda path: path.name)

    def _read(self, file: Path) -> Arrival:
        info = file.stat()
        oversize = info.st_size > self._largest
        with file.open("rb") as opened:
            raw = opened.read(_FIRST_PART if oversize else -1)
        return Arrival(
            mailbox=self._name,
            raw=raw,
            received_at=datetime.fromtimestamp(info.st_mtime, UTC),
            oversize=info.st_size if oversize else None,
            file=unique(file.name),
        )

    def _put_away(self, file: Path) -> None:
        """Move to cur/, not marked as seen: a person may still look at it there."""
        file.rename(self._path / "cur" / f"{stem(file.name)}:2,")

    async def ask(self, work: Callable[[Path], T]) -> T:
        """Run `work` on this Maildir's thread, with its path.

        Raises:
            Unreachable: it can't be read or written.
        """
        try:
            return await self._in_thread(work, self._path)
        except OSError as error:
            raise self._unusable(error) from error
        except RuntimeError as error:
            raise Unreachable(f"The mailbox {self._name} is being closed. Try again later.") from error

    def _unusable(self, error: OSError) -> Unreachable:
        return Unreachable(
            f"Mailbox {self._name}: the Maildir {self._path} can't be used: {error.strerror}. "
            "Correct `path`, or give the daemon's user the right to read and write it."
        )

    def _trouble(self, name: str, why: str) -> None:
        """Say it once; the file stays where it is until somebody mends it."""
        if self._troubles.get(name) != why:
            log.error("maildir.left", mailbox=self._name, file=name, why=why)
        self._troubles[name] = why
