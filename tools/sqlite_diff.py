"""Which rows a transaction on SQLite changed, exactly: triggers and cascades of the operator included.

Temporary triggers, which only this connection has, note the keys of changed rows. Only keys: a trigger of the operator
may change the same row again, and the order in which triggers fire is not defined. What a row was, a second connection
says, which sees what is committed, or the look before this one; what it is, the transaction says at the end.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.confine import MOST_ROWS, Unprepared
from tools.outcome import Refused
from tools.sqlite_authorizer import OURS
from tools.staged import Change
from tools.values import plain

_NAMES_OF_ROWID = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    name: str
    key: tuple[str, ...]
    """Quoted: the rowid under a name that no column hides, or the primary key of a WITHOUT ROWID table."""
    select: str
    """All columns of the row with that key."""


class Changes:
    """Notes what happens on one connection, and compares with what another still sees."""

    def __init__(self, after: sqlite3.Connection, before: sqlite3.Connection, tables: frozenset[str]) -> None:
        """Watch these tables; call it before the transaction begins."""
        self._after = after
        self._before = before
        found = (_table(after, name) for name in sorted(tables))
        self._tables = [table for table in found if table is not None]
        self._seen: dict[tuple[int, Any], dict[str, Any] | None] = {}
        """Rows as an earlier look left them: what a second write of the same transaction begins with."""
        for number, table in enumerate(self._tables):
            _watch(after, number, table)

    def take(self) -> tuple[Change, ...]:
        """The rows that differ from the last look, or else from what is committed; the next look begins here."""
        return tuple(change for number, table in enumerate(self._tables) for change in self._of(number, table))

    def _of(self, number: int, table: _Table) -> Iterator[Change]:
        asked = f"SELECT DISTINCT * FROM temp.{OURS}{number} ORDER BY 1"  # noqa: S608 - our own table
        keys = self._after.execute(asked).fetchmany(MOST_ROWS + 1)
        if len(keys) > MOST_ROWS:
            raise Refused(f"More than {MOST_ROWS} rows of `{table.name}` would change.")
        for key in keys:
            known = (number, key) in self._seen
            before = self._seen[number, key] if known else _row(self._before.execute(table.select, key))
            after = self._seen[number, key] = _row(self._after.execute(table.select, key))
            if before != after:
                yield Change(table=table.name, before=before, after=after)
        self._after.execute(f"DELETE FROM temp.{OURS}{number}")  # noqa: S608 - our own table


def held(connection: sqlite3.Connection, tables: set[str]) -> frozenset[tuple[str, str]]:
    """Table and column of all that these tables hold.

    Raises:
        Unprepared: changes of a table could not be shown.
    """
    for name in sorted(tables):
        _refuse_replace(connection, name)
        _table(connection, name)
    asked = "SELECT name FROM pragma_table_xinfo(?)"
    return frozenset((table, column) for table in tables for (column,) in connection.execute(asked, (table,)))


def _refuse_replace(connection: sqlite3.Connection, name: str) -> None:
    """Such a constraint deletes rows without firing triggers."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    if found and "ON CONFLICT REPLACE" in " ".join(str(found[0]).upper().split()):
        raise Unprepared(f"`{name}` has a constraint ON CONFLICT REPLACE, which deletes rows unseen. Change it.")


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
            raise Unprepared(f"`{name}` hides its row id behind columns. Rename one of rowid, _rowid_, oid.")
        key = (free,)
    listed = ", ".join(_quote(column) for column, _ in columns)
    where = " AND ".join(f"{part} IS ?" for part in key)
    select = f"SELECT {listed} FROM main.{_quote(name)} WHERE {where}"  # noqa: S608 - names from the schema, quoted
    return _Table(name=name, key=key, select=select)


def _watch(connection: sqlite3.Connection, number: int, table: _Table) -> None:
    columns = ", ".join(f"k{place}" for place in range(len(table.key)))
    connection.execute(f"CREATE TEMP TABLE {OURS}{number} ({columns})")
    for event, rows in (("INSERT", ("NEW",)), ("UPDATE", ("OLD", "NEW")), ("DELETE", ("OLD",))):
        values = ", ".join("(" + ", ".join(f"{row}.{part}" for part in table.key) + ")" for row in rows)
        connection.execute(
            f"CREATE TEMP TRIGGER {OURS}{number}_{event} AFTER {event} ON main.{_quote(table.name)} "  # noqa: S608 - names from the schema, quoted
            f"BEGIN INSERT INTO {OURS}{number} VALUES {values}; END"
        )


def _row(cursor: sqlite3.Cursor) -> dict[str, Any] | None:
    row = cursor.fetchone()
    names = [column[0] for column in cursor.description]
    cursor.close()
    return None if row is None else {name: plain(value) for name, value in zip(names, row, strict=True)}


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
