"""Confinement on SQLite: its own authorizer decides what a statement may touch, before the statement is prepared."""

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from tools.confine import Database, Deadline, Parameters, Touched, Unprepared, Unusable
from tools.outcome import Failed, Refused
from tools.sqlite_authorizer import Recorder, enforce
from tools.sqlite_diff import Changes, held
from tools.staged import Change
from tools.statement import Engine as Kind
from tools.statement import Statement

_LIMITS = {
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LENGTH: 10_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 200,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 20,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_STEPS = 5_000
"""Virtual machine instructions between two looks at the clock: about 0.1 ms."""
_LOCK_WAIT = 2.0
_IDLE = 8
"""Connections that wait for the next read; opening one and reading the schema is most of what a read costs."""
_UNFINISHED = (sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY)
"""A writer was killed in a transaction; who may only read can't undo it (https://sqlite.org/lockingv3.html#hot_journals)."""


class SqliteEngine:
    """A SQLite file; a write has connections of its own, reads take turns on some that stay open."""

    kind: Kind = "sqlite"

    def __init__(self, database: Database) -> None:
        self.database = database
        self._idle: deque[tuple[_File, sqlite3.Connection]] = deque()
        self._closed = False

    def open(self) -> None:
        """Look into the schema with both credentials."""
        try:
            _look(self.database.url, "ro")
            if self.database.write_url:
                _look(self.database.write_url, "rw")
        except sqlite3.Error as error:
            raise Unusable(
                f"The database `{self.database.name}` can't be opened: {error}. Check the path in its URL, and that "
                "this user may read the file."
            ) from error

    def prove(self, statement: Statement, *, writes: bool) -> Touched:
        """Prepare under an authorizer that writes down all that the statement reaches, and denies what no tool may."""
        if writes and not _writable(self.database.write_url or self.database.url):
            raise Unprepared("This user may not write the file or its folder. Change their owner or mode.")
        recorder = Recorder(writes=writes)
        nothing = dict.fromkeys(statement.names)
        try:
            with closing(_connect(self.database.url, "ro", Deadline(5))) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.set_authorizer(recorder)
                # EXPLAIN compiles the statement and runs none of it.
                program = connection.execute(f"EXPLAIN {statement.sql}", nothing).fetchall()
                columns = _columns(connection, statement, nothing) if statement.verb == "select" else ()
                connection.set_authorizer(None)
                recorder.opens(connection, program)
                columns_held = held(connection, recorder.written)
        except sqlite3.Error as error:
            raise Unprepared(f"{recorder.denied or error}.") from error
        return Touched(
            read=frozenset(recorder.read),
            written=frozenset(recorder.written),
            held=columns_held,
            functions=frozenset(recorder.functions),
            columns=columns,
        )

    @contextmanager
    def reading(self, touched: Touched, bound: Parameters, deadline: Deadline) -> Iterator["_Session"]:  # noqa: ARG002 - SQLite has no row policies that need the sender
        """A connection that can only read, with the authorizer in place.

        It is kept for the next call unless something went wrong on it: a statement may not have ended.
        """
        with _told(deadline):
            file = _file(self.database.url)
            connection = self._waiting(file, deadline) or _connect(self.database.url, "ro", deadline)
            try:
                connection.set_authorizer(enforce(touched))
                yield _Session(connection, deadline)
                connection.set_authorizer(None)
                connection.set_progress_handler(None, 0)
            except BaseException:
                connection.close()
                raise
            if self._closed or len(self._idle) >= _IDLE:
                connection.close()
            else:
                self._idle.append((file, connection))

    @contextmanager
    def writing(
        self,
        touched: Touched,
        bound: Parameters,  # noqa: ARG002 - as in `reading`
        deadline: Deadline,
        *,
        isolation: Literal["stage", "apply"],  # noqa: ARG002 - SQLite has one writer: every transaction is serial
    ) -> Iterator["_Transaction"]:
        """Open the file for writing, and beside it a second connection that still sees what is committed."""
        url = self.database.write_url or self.database.url
        with (
            _told(deadline),
            closing(_connect(url, "rw", deadline)) as connection,
            closing(_connect(url, "ro", deadline)) as before,
        ):
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            changes = Changes(connection, before, touched.written)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _Transaction(connection, deadline, changes=changes, touched=touched)
            finally:
                if connection.in_transaction:
                    connection.set_progress_handler(None, 0)
                    connection.set_authorizer(None)
                    connection.rollback()

    def close(self) -> None:
        """Close idle connections; those in use close when their call ends."""
        self._closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop()[1].close()

    def _waiting(self, file: "_File", deadline: Deadline) -> sqlite3.Connection | None:
        """An idle connection to the file that the path still names, and that can be read."""
        while self._idle:
            try:
                opened, connection = self._idle.pop()
            except IndexError:  # another thread took it
                return None
            try:
                if opened == file:
                    connection.execute(f"PRAGMA busy_timeout = {_lock_wait(deadline) * 1000:.0f}")
                    connection.execute("PRAGMA schema_version").close()
                    connection.set_progress_handler(lambda: deadline.left() == 0, _STEPS)
                    return connection
            except sqlite3.Error:
                pass  # a writer died: opening the file anew knows what to do
            connection.close()
        return None


class _Session:
    def __init__(self, connection: sqlite3.Connection, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def fetch(self, statement: Statement, parameters: Parameters, limit: int) -> list[dict[str, Any]]:
        with _told(self._deadline):
            cursor = self._connection.execute(statement.sql, parameters)
            rows = cursor.fetchmany(limit)
            names = [column[0] for column in reversed(cursor.description)]
            cursor.close()
            return [dict(zip(names, reversed(row), strict=True)) for row in rows]


class _Transaction(_Session):
    def __init__(
        self, connection: sqlite3.Connection, deadline: Deadline, *, changes: Changes, touched: Touched
    ) -> None:
        super().__init__(connection, deadline)
        self._changes = changes
        self._enforcer = enforce(touched)

    def fetch(self, statement: Statement, parameters: Parameters, limit: int) -> list[dict[str, Any]]:
        with self._confined():
            return super().fetch(statement, parameters, limit)

    def execute(self, statement: Statement, parameters: Parameters) -> int:
        with self._confined():
            self._connection.execute(statement.sql, parameters).close()
        # changes() counts what the statement changed itself, without triggers and cascades.
        return int(self._connection.execute("SELECT changes()").fetchone()[0])

    def changes(self) -> tuple[Change, ...]:
        with _told(self._deadline):
            return self._changes.take()

    def own(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _told(self._deadline):
            named = {str(number): value for number, value in enumerate(values, start=1)}
            return self._connection.execute(sql, named).fetchall()

    def commit(self) -> None:
        with _told(self._deadline):
            self._connection.commit()

    @contextmanager
    def _confined(self) -> Iterator[None]:
        self._connection.set_authorizer(self._enforcer)
        try:
            with _told(self._deadline):
                yield
        finally:
            self._connection.set_authorizer(None)


_File = tuple[int, int]
"""Device and inode: a path may name another file later."""


def _file(url: str) -> _File:
    try:
        found = _path(url).stat()
    except OSError as error:
        raise Failed(f"The database can't be read: {error.strerror}.") from error
    return found.st_dev, found.st_ino


def _lock_wait(deadline: Deadline) -> float:
    return min(deadline.left(), _LOCK_WAIT)


def _path(url: str) -> Path:
    return Path(url.partition(":///")[2]).absolute()


def _writable(url: str) -> bool:
    """SQLite would open the file for reading without a word; it also needs the folder, for its journal."""
    path = _path(url)
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)


def _look(url: str, mode: Literal["ro", "rw"]) -> None:
    with closing(_connect(url, mode, Deadline(5))) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _connect(url: str, mode: Literal["ro", "rw"], deadline: Deadline) -> sqlite3.Connection:
    try:
        return _connected(url, mode, deadline)
    except sqlite3.OperationalError as error:
        if mode == "rw" or error.sqlite_errorcode not in _UNFINISHED:
            raise
    # Any program that opens the file for writing undoes it; nothing that was committed changes.
    with suppress(sqlite3.Error):
        _look(url, "rw")
    return _connected(url, mode, deadline)


def _connected(url: str, mode: Literal["ro", "rw"], deadline: Deadline) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(_path(url)))}?mode={mode}",
        uri=True,
        timeout=_lock_wait(deadline),
        isolation_level=None,
        check_same_thread=False,
        # A statement is always prepared under the authorizer of its own call.
        cached_statements=0,
    )
    try:
        for limit, value in _LIMITS.items():
            connection.setlimit(limit, value)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA temp_store = MEMORY")
        # Making these two known counts as a change of the schema, which the authorizer would deny later.
        connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')").close()
        if mode == "ro":
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA schema_version").close()  # the first look at the file
    except sqlite3.Error:
        connection.close()
        raise
    connection.set_progress_handler(lambda: deadline.left() == 0, _STEPS)
    return connection


@contextmanager
def _told(deadline: Deadline) -> Iterator[None]:
    """Errors of the driver as ours."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.DataError) as error:
        raise Refused(f"The database refuses: {error}.") from error
    except sqlite3.Error as error:
        if deadline.left() == 0:
            raise Failed(f"The database took longer than {deadline.seconds:g} s.") from error
        raise Failed(f"The database could not answer: {error}.") from error
    except OverflowError as error:
        raise Refused("A number is larger than the database holds.") from error


def _columns(connection: sqlite3.Connection, statement: Statement, nothing: Parameters) -> tuple[str, ...]:
    cursor = connection.execute(f"SELECT * FROM ({statement.sql}) LIMIT 0", nothing)  # noqa: S608 - a declared statement, under the authorizer
    return tuple(column[0] for column in cursor.description)
