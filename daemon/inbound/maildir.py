"""Takes mail from a Maildir: new/ is watched, and a file moves to cur/ only after its mail is committed (promise P1)."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import structlog
from inotify_simple import INotify, flags

from daemon.config import MailboxConfig
from daemon.errors import StoreUnusable, Unreachable
from daemon.inbound.arrival import Arrival, Receive
from tools.errors import Transient

log = structlog.get_logger()

_FIRST_PART = 100_000
"""Octets kept of a mail that exceeds the limit."""
_AFTER_FAILURE = 5.0
"""Seconds until a mail that could not be committed is tried again."""


class Watcher:
    """The door of a mailbox with `kind = "maildir"`."""

    def __init__(self, name: str, config: MailboxConfig, receive: Receive) -> None:
        assert config.path is not None
        self._name = name
        self._path = config.path
        self._most = config.max_size
        self._poll = config.poll
        self._receive = receive
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._inotify: INotify | None = None
        self._unreadable: set[Path] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"maildir-{name}")

    async def start(self) -> None:
        """Watch new/, and look at what is there already.

        Raises:
            Unreachable: the folder can't be made, read or written.
        """
        try:
            for folder in ("tmp", "new", "cur"):
                (self._path / folder).mkdir(parents=True, exist_ok=True)
            self._inotify = INotify(nonblocking=True)
            # a delivery agent writes to tmp/ and renames: what is in new/ is whole (maildir(5))
            self._inotify.add_watch(str(self._path / "new"), flags.MOVED_TO | flags.CREATE)
        except OSError as error:
            raise Unreachable(
                f"The Maildir {self._path} can't be used: {error.strerror}. Correct `path` of the mailbox, or its owner and mode."
            ) from error
        asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._noticed)
        self._wake.set()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop; a mail that is not committed stays in new/."""
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fileno())
            self._inotify.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()

    def _noticed(self) -> None:
        assert self._inotify is not None
        self._inotify.read(timeout=0)
        self._wake.set()

    async def _watch(self) -> None:
        """Look when something came, and now and then anyhow: an inotify queue can overflow (inotify(7))."""
        while True:
            self._wake.clear()
            failed = await self._scan()
            try:
                async with asyncio.timeout(_AFTER_FAILURE if failed else self._poll):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _scan(self) -> bool:
        """Take every mail in new/, the oldest first; whether one has to be tried again."""
        loop = asyncio.get_running_loop()
        failed = False
        for path in await loop.run_in_executor(self._thread, self._waiting):
            try:
                arrival = await loop.run_in_executor(self._thread, self._read, path)
            except OSError as error:
                self._tell_unreadable(path, error)
                continue
            try:
                await self._receive(arrival)
            except (Transient, StoreUnusable) as error:
                log.warning("maildir.not-committed", mailbox=self._name, why=type(error).__name__)
                failed = True
                continue
            await loop.run_in_executor(self._thread, self._put_away, path)
        return failed

    def _waiting(self) -> list[Path]:
        found = [path for path in (self._path / "new").iterdir() if not path.name.startswith(".")]
        return sorted(found, key=lambda path: path.name)

    def _read(self, path: Path) -> Arrival:
        info = path.stat()
        size = info.st_size
        with path.open("rb") as file:
            raw = file.read(size if size <= self._most else _FIRST_PART)
        return Arrival(
            mailbox=self._name,
            raw=raw,
            received_at=datetime.fromtimestamp(info.st_mtime, UTC),
            oversize=size if size > self._most else None,
        )

    def _put_away(self, path: Path) -> None:
        """Move to cur/, not seen: a person may still look at it there."""
        path.rename(self._path / "cur" / f"{path.name.partition(':')[0]}:2,")

    def _tell_unreadable(self, path: Path, error: OSError) -> None:
        """Say it once; the file stays where it is until somebody mends it."""
        if path not in self._unreadable:
            self._unreadable.add(path)
            log.error("maildir.unreadable", mailbox=self._name, file=path.name, why=error.strerror)
