"""Opens the store, and is the only place that does: SQLite for one host, PostgreSQL for several."""

import asyncio
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlmodel import Session

from daemon.config import Config
from daemon.errors import StoreBusy, StoreUnusable
from daemon.store.seal import Vault, make_master_key, read_master_key

T = TypeVar("T")

READERS = 4
"""Threads that read, on SQLite; beside them one writes."""
POOL = 8
"""Threads and connections on PostgreSQL."""
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs")


class Store:
    """The store's engines, its threads and its vault. A session never crosses an `await`."""

    def __init__(self, url: str, *, master_key: Path, keys_url: str) -> None:
        """Open the store.

        Raises:
            StoreUnusable: the file, its folder, the server or the master key can't be used.
        """
        self.url = sa.make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.writer = _engine(url, pool=1 if self.sqlite else POOL, immediate=True)
        self.reader = _engine(url, pool=READERS, immediate=False) if self.sqlite else self.writer
        self._write_threads = ThreadPoolExecutor(1 if self.sqlite else POOL, thread_name_prefix="store-write")
        self._read_threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        with told(url):
            keys = _engine(keys_url, pool=POOL, immediate=True)
            self.vault = Vault(keys, read_master_key(master_key))
        self._keys = keys
        self.busy = 0
        """How often this process could not read or commit in time."""

    def write_now(self, work: Callable[[Session], T]) -> T:
        """Run `work` in one transaction of this thread and commit.

        Raises:
            StoreBusy: not committed; try again.
            StoreUnusable: not committed; a person has to look.
        """
        with self._told(), Session(self.writer, expire_on_commit=False) as session:
            result = work(session)
            session.commit()
            return result

    def read_now(self, work: Callable[[Session], T]) -> T:
        """Run `work` in one transaction of this thread that is rolled back."""
        with self._told(), Session(self.reader, expire_on_commit=False) as session:
            return work(session)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with told(str(self.url)):
                yield
        except StoreBusy:
            self.busy += 1
            raise

    async def write(self, work: Callable[[Session], T]) -> T:
        """`write_now` on a writer thread."""
        return await asyncio.get_running_loop().run_in_executor(self._write_threads, self.write_now, work)

    async def read(self, work: Callable[[Session], T]) -> T:
        """`read_now` on a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self.read_now, work)

    def close(self) -> None:
        """Wait for what runs, then let go of every connection."""
        self._write_threads.shutdown()
        self._read_threads.shutdown()
        for engine in {id(each): each for each in (self.writer, self.reader, self._keys)}.values():
            engine.dispose()


def opened(config: Config) -> Store:
    """The store of a configuration; `triaged db upgrade` must have made it.

    Raises:
        StoreUnusable: it does not exist or can't be used.
    """
    url = config.url(config.store.url)
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise StoreUnusable(_absent(config, path))
    return Store(url, master_key=master_key_path(config), keys_url=keys_url(config))


def _absent(config: Config, path: Path) -> str:
    return f"The store {path} does not exist. Run `triaged db upgrade --config {config.directory}`."


def prepared(config: Config) -> Store:
    """The store of a configuration, with its folder and master key made if they are missing: for `db upgrade`.

    Raises:
        StoreUnusable: the folder can't be written or lies on a network file system.
    """
    path = sqlite_path(config.url(config.store.url))
    if path is not None:
        _prepare_folder(path)
    key = master_key_path(config)
    try:
        make_master_key(key)
    except OSError as error:
        raise StoreUnusable(
            f"The master key {key} can't be written: {error.strerror}. Check the owner of its folder."
        ) from error
    return Store(config.url(config.store.url), master_key=key, keys_url=keys_url(config))


def _prepare_folder(path: Path) -> None:
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            path.parent.chmod(0o770)  # reviewers are members of its group, whatever our umask says
        if not path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o660))
    except OSError as error:
        raise StoreUnusable(
            f"The store {path} can't be written: {error.strerror}. Check the owner and mode of {path.parent}."
        ) from error
    if kind := network_filesystem(path):
        raise StoreUnusable(
            f"The store {path} lies on a network file system ({kind}), where SQLite's locks fail. "
            "Use a local disk or PostgreSQL."
        )


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL; None for a server."""
    parsed = sa.make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def state_directory(config: Config) -> Path:
    """Where the daemon keeps files of its own: beside a SQLite store, else beside the master key."""
    path = sqlite_path(config.url(config.store.url))
    return path.parent if path else master_key_path(config).parent


def master_key_path(config: Config) -> Path:
    """Where the master key lies: as configured, or beside the store."""
    if config.store.master_key_file is not None:
        return config.resolve(config.store.master_key_file)
    path = sqlite_path(config.url(config.store.url))
    return (path.parent if path else config.directory) / "master.key"


def keys_url(config: Config) -> str:
    """Where the wrapped person keys lie."""
    if config.store.keys_url is not None:
        return config.url(config.store.keys_url)
    url = config.url(config.store.url)
    path = sqlite_path(url)
    return f"sqlite:///{path.parent / 'keys.db'}" if path else url


def network_filesystem(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The type of the network file system that holds `path`; None when it is a local one."""
    best, kind = "", ""
    for line in mounts.read_text(encoding="utf-8").splitlines():
        _, at, fstype, *_ = line.split(" ")
        at = at.replace("\\040", " ")
        if str(path.absolute()).startswith(at.rstrip("/") + "/") and len(at) > len(best):
            best, kind = at, fstype
    return kind if kind in _NETWORK else None


@contextmanager
def exclusive(config: Config) -> Iterator[None]:
    """Hold the lock that keeps a second daemon from a SQLite store; nothing on PostgreSQL.

    Raises:
        StoreUnusable: another daemon runs on it.
    """
    path = sqlite_path(config.url(config.store.url))
    if path is None:
        yield
        return
    if not path.exists():
        raise StoreUnusable(_absent(config, path))
    with _lock_file(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreUnusable(
                f"Another `triaged run` uses {path}. Stop it first, or use PostgreSQL for several workers."
            ) from None
        yield


def _lock_file(path: Path) -> TextIO:
    try:
        return open(path.with_suffix(path.suffix + ".lock"), "a", encoding="ascii")  # noqa: PTH123 - flock wants it open
    except OSError as error:
        raise StoreUnusable(
            f"The store {path} can't be written: {error.strerror}. Check the owner and mode of {path.parent}, "
            "or run `triaged db upgrade` if there is no store yet."
        ) from error


def _engine(url: str, *, pool: int, immediate: bool) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        patience = {} if "connect_timeout" in parsed.query else {"connect_timeout": _CONNECT}
        return sa.create_engine(
            url, pool_size=pool, max_overflow=4, pool_pre_ping=True, hide_parameters=True, connect_args=patience
        )
    engine = sa.create_engine(
        url, pool_size=pool, max_overflow=0 if pool == 1 else 4, pool_timeout=30, hide_parameters=True
    )
    event.listen(engine, "connect", _configure_sqlite)
    begin = "BEGIN IMMEDIATE" if immediate else "BEGIN"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _configure_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, so that writers take their lock at once
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    for name in connection.execute("PRAGMA database_list").fetchall():
        _share_with_group(Path(name[2]))


def _share_with_group(path: Path) -> None:
    """Reviewers are members of the folder's group: what we create there is theirs too (design: stores)."""
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        try:
            found = file.stat()
            if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != 0o660:  # noqa: PLR2004
                file.chmod(0o660)
        except OSError:
            continue  # a file that is not there yet has the mode of the umask


_UNUSABLE = (
    "readonly",
    "read-only",
    "unable to open",
    "not a database",
    "malformed",
    "no such table",
    "authentication failed",
    "does not exist",
)


_UNREACHABLE = ("connection failed", "connection to server", "connection timeout", "failed to resolve host")
"""How psycopg begins when there is no connection."""
_CONNECT = 10
"""Seconds that a PostgreSQL server may take to let us in, where the URL does not say."""


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turn the driver's errors into ours, which say what happened without quoting values.

    Raises:
        StoreUnusable: a person has to look.
        StoreBusy: it may work later.
    """
    try:
        yield
    except DBAPIError as error:
        cause = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no answer"
        name = sa.make_url(where).render_as_string(hide_password=True)
        if "no such table" in cause or "UndefinedTable" in type(error.orig).__name__:
            raise StoreUnusable(f"The store {name} has no tables yet. Run `triaged db upgrade`.") from error
        if any(word in cause for word in _UNUSABLE):
            raise StoreUnusable(
                f"The store {name} can't be used: {cause}. "
                "Check its path, owner and mode, then run `triaged db upgrade`."
            ) from error
        if not isinstance(error, OperationalError):
            raise
        if error.statement is None and any(word in cause for word in _UNREACHABLE):
            raise StoreBusy(
                f"The store {name} can't be reached: {cause.rpartition(': ')[2]}. "
                "Check that its server runs, and `[store] url`."
            ) from error
        raise StoreBusy(f"The store {name} did not commit: {cause}. It is tried again.") from error


def locked(config: Config) -> bool | None:
    """Whether a daemon holds the lock of this SQLite store; None on PostgreSQL, which has none."""
    path = sqlite_path(config.url(config.store.url))
    if path is None:
        return None
    lock = path.with_suffix(path.suffix + ".lock")
    if not lock.exists():
        return False
    with lock.open(encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
