"""Confinement on SQLite: its own authorizer decides what a statement may touch, before the statement is prepared."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from tools.confine import MOST_ROWS, Database, Deadline, Parameters, Touched, Unprepared, Unusable
from tools.outcome import Failed, Refused
from tools.staged import Change
from tools.statement import Engine as Kind
from tools.statement import Statement
from tools.values import plain

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]

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
_OURS = "triaged_touched_"
_NAMES_OF_ROWID = ("rowid", "_rowid_", "oid")


class SqliteEngine:
    """A SQLite file; each call has connections of its own, which cost about 0.1 ms."""

    kind: Kind = "sqlite"

    def __init__(self, database: Database) -> None:
        self.database = database

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
        recorder = _Recorder(writes=writes)
        nothing = dict.fromkeys(statement.names)
        try:
            with closing(_connect(self.database.url, "ro", Deadline(5))) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.set_authorizer(recorder)
                # EXPLAIN compiles the statement and runs none of it.
                program = connection.execute(f"EXPLAIN {statement.sql}", nothing).fetchall()
                columns = _columns(connection, statement, nothing) if statement.verb == "select" else ()
                connection.set_authorizer(None)
                recorder.read |= _opened(connection, program)
                _refuse_replace(connection, recorder.written)
                held = _held(connection, recorder.written)
        except sqlite3.Error as error:
            raise Unprepared(f"{recorder.denied or error}.") from error
        return Touched(
            read=frozenset(recorder.read),
            written=frozenset(recorder.written),
            held=held,
            functions=frozenset(recorder.functions),
            columns=columns,
        )

    @contextmanager
    def reading(self, touched: Touched, bound: Parameters, deadline: Deadline) -> Iterator["_Session"]:  # noqa: ARG002 - SQLite has no row policies that need the sender
        """Open the file read-only, with the authorizer in place."""
        with _told(deadline), closing(_connect(self.database.url, "ro", deadline)) as connection:
            connection.set_authorizer(_enforce(touched))
            yield _Session(connection, deadline)

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
            tables = [table for name in sorted(touched.written) if (table := _table(connection, name))]
            _watch(connection, tables)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _Transaction(connection, deadline, before=before, tables=tables, touched=touched)
            finally:
                if connection.in_transaction:
                    connection.set_progress_handler(None, 0)
                    connection.set_authorizer(None)
                    connection.rollback()

    def close(self) -> None:
        """Nothing stays open between calls."""


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
        self,
        connection: sqlite3.Connection,
        deadline: Deadline,
        *,
        before: sqlite3.Connection,
        tables: Sequence["_Table"],
        touched: Touched,
    ) -> None:
        super().__init__(connection, deadline)
        self._before = before
        self._tables = tables
        self._enforcer = _enforce(touched)

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
            return tuple(change for number, table in enumerate(self._tables) for change in self._of(number, table))

    def _of(self, number: int, table: "_Table") -> Iterator[Change]:
        asked = f"SELECT DISTINCT * FROM temp.{_OURS}{number} ORDER BY 1"  # noqa: S608 - our own table
        keys = self._connection.execute(asked).fetchmany(MOST_ROWS + 1)
        if len(keys) > MOST_ROWS:
            raise Refused(f"More than {MOST_ROWS} rows of `{table.name}` would change.")
        for key in keys:
            before = _row(self._before.execute(table.select, key))
            after = _row(self._connection.execute(table.select, key))
            if before != after:
                yield Change(table=table.name, before=before, after=after)
        self._connection.execute(f"DELETE FROM temp.{_OURS}{number}")  # noqa: S608 - our own table

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    name: str
    key: tuple[str, ...]
    """Quoted: the rowid under a name that no column hides, or the primary key of a WITHOUT ROWID table."""
    select: str
    """All columns of the row with that key."""


def _look(url: str, mode: Literal["ro", "rw"]) -> None:
    with closing(_connect(url, mode, Deadline(5))) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _connect(url: str, mode: Literal["ro", "rw"], deadline: Deadline) -> sqlite3.Connection:
    path = Path(url.partition(":///")[2]).absolute()
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=min(deadline.left(), _LOCK_WAIT),
        isolation_level=None,
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


class _Recorder:
    """An authorizer that writes down what a statement reaches."""

    def __init__(self, *, writes: bool) -> None:
        self.read: set[tuple[str, str]] = set()
        self.written: set[str] = set()
        self.functions: set[str] = set()
        self.denied = ""
        self._writes = writes

    def __call__(self, action: int, one: str | None, two: str | None, where: str | None, _source: str | None) -> int:
        table, column = one or "", two or ""
        if (where not in {None, "main"} or table.startswith("sqlite_")) and action != sqlite3.SQLITE_FUNCTION:
            return self._deny(f"`{table}` is not a table of the business")
        match action:
            case sqlite3.SQLITE_SELECT:
                pass
            case sqlite3.SQLITE_READ:
                self.read.add((table, column))
            case sqlite3.SQLITE_FUNCTION:
                self.functions.add(column)
            case sqlite3.SQLITE_INSERT | sqlite3.SQLITE_UPDATE | sqlite3.SQLITE_DELETE if self._writes:
                self.written.add(table)
            case sqlite3.SQLITE_RECURSIVE:
                return self._deny("Recursion is refused")
            case _:
                return self._deny("A tool reads and changes rows, nothing else")
        return sqlite3.SQLITE_OK

    def _deny(self, why: str) -> int:
        self.denied = self.denied or why
        return sqlite3.SQLITE_DENY


def _enforce(touched: Touched) -> Authorizer:
    """An authorizer that allows what was recorded, and what our own triggers do."""
    changes = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}

    def allowed(action: int, one: str | None, two: str | None, where: str | None, source: str | None) -> bool:
        if source is not None and source.startswith(_OURS):
            return True
        if action == sqlite3.SQLITE_FUNCTION:
            return two in touched.functions
        if where not in {None, "main"}:
            return False
        if action == sqlite3.SQLITE_READ:
            return (one or "", two or "") in touched.read
        return action == sqlite3.SQLITE_SELECT or (action in changes and one in touched.written)

    return lambda *call: sqlite3.SQLITE_OK if allowed(*call) else sqlite3.SQLITE_DENY


def _columns(connection: sqlite3.Connection, statement: Statement, nothing: Parameters) -> tuple[str, ...]:
    cursor = connection.execute(f"SELECT * FROM ({statement.sql}) LIMIT 0", nothing)  # noqa: S608 - a declared statement, under the authorizer
    return tuple(column[0] for column in cursor.description)


def _opened(connection: sqlite3.Connection, program: list[tuple[Any, ...]]) -> set[tuple[str, str]]:
    """The tables that the program opens; the authorizer is not asked for the columns of JOIN … USING."""
    pages = dict(connection.execute("SELECT rootpage, tbl_name FROM sqlite_master"))
    return {(pages[row[3]], "") for row in program if row[1] == "OpenRead" and row[4] == 0 and row[3] in pages}


def _refuse_replace(connection: sqlite3.Connection, tables: set[str]) -> None:
    """A constraint ON CONFLICT REPLACE deletes rows without firing triggers: such a change could not be shown."""
    for name in sorted(tables):
        found = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        if found and "ON CONFLICT REPLACE" in " ".join(str(found[0]).upper().split()):
            raise Unprepared(
                f"`{name}` has a constraint ON CONFLICT REPLACE, which deletes rows unseen. Change the constraint."
            )


def _held(connection: sqlite3.Connection, tables: set[str]) -> frozenset[tuple[str, str]]:
    asked = "SELECT name FROM pragma_table_xinfo(?)"
    return frozenset((table, column) for table in tables for (column,) in connection.execute(asked, (table,)))


def _table(connection: sqlite3.Connection, name: str) -> _Table | None:
    """How rows of a table are found; None for views and virtual tables, whose rows live in other tables."""
    found = connection.execute("SELECT type, wr FROM pragma_table_list(?) WHERE schema = 'main'", (name,)).fetchone()
    if found is None or found[0] != "table":
        return None
    columns = connection.execute("SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1", (name,)).fetchall()
    if found[1]:
        key = tuple(_quote(column) for column, place in sorted(columns, key=lambda column: column[1]) if place)
    else:
        taken = {column.lower() for column, _ in columns}
        free = next((alias for alias in _NAMES_OF_ROWID if alias not in taken), None)
        if free is None:
            raise Failed(f"`{name}` hides its row id behind columns. Rename one of rowid, _rowid_, oid.")
        key = (free,)
    listed = ", ".join(_quote(column) for column, _ in columns)
    where = " AND ".join(f"{part} IS ?" for part in key)
    return _Table(name=name, key=key, select=f"SELECT {listed} FROM main.{_quote(name)} WHERE {where}")  # noqa: S608 - names from the schema, quoted


def _watch(connection: sqlite3.Connection, tables: Sequence[_Table]) -> None:
    """Note the keys of changed rows by temporary triggers, which this connection alone has.

    Only keys: triggers of the operator may change the same row again, and the order in which triggers fire is not
    defined. What a row was and is, the two connections are asked at the end.
    """
    for number, table in enumerate(tables):
        columns = ", ".join(f"k{place}" for place in range(len(table.key)))
        connection.execute(f"CREATE TEMP TABLE {_OURS}{number} ({columns})")
        for event, rows in (("INSERT", ("NEW",)), ("UPDATE", ("OLD", "NEW")), ("DELETE", ("OLD",))):
            values = ", ".join("(" + ", ".join(f"{row}.{part}" for part in table.key) + ")" for row in rows)
            connection.execute(
                f"CREATE TEMP TRIGGER {_OURS}{number}_{event} AFTER {event} ON main.{_quote(table.name)} "  # noqa: S608 - names from the schema, quoted
                f"BEGIN INSERT INTO {_OURS}{number} VALUES {values}; END"
            )


def _row(cursor: sqlite3.Cursor) -> dict[str, Any] | None:
    row = cursor.fetchone()
    names = [column[0] for column in cursor.description]
    cursor.close()
    return None if row is None else {name: plain(value) for name, value in zip(names, row, strict=True)}


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
