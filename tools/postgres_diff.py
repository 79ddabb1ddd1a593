"""Which rows a transaction on PostgreSQL changed, exactly, with no privilege beyond those of the change itself.

Each step tells the keys of its rows by RETURNING. PostgreSQL's own statistics of the transaction tell how many rows of
which table were written: where that is more than the steps account for, a trigger or a cascade wrote too, and the
table is searched for row versions of this transaction. That search reads the whole table, twice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg
from psycopg import sql

from tools.confine import LEDGER, MOST_ROWS
from tools.outcome import Refused
from tools.staged import Change
from tools.statement import Statement
from tools.values import plain

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"
Key = tuple[str, ...]

_DESCRIBE = """
SELECT c.oid::int8, c.oid::regclass::text, c.relkind::text, current_setting('track_counts'),
       ARRAY(SELECT a.attname::text FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
             WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY a.attnum),
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND has_column_privilege(c.oid, a.attnum, 'INSERT, UPDATE')
               AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY a.attnum)
FROM pg_class c WHERE c.oid = $1::regclass"""
_COUNTS = f"""
SELECT coalesce(pg_partition_root(c.oid), c.oid::regclass)::oid::int8,
       sum(pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)
           + pg_stat_get_xact_tuples_deleted(c.oid))::int8
FROM pg_class c
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.relname <> '{LEDGER}'
  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)
      + pg_stat_get_xact_tuples_deleted(c.oid) > 0
GROUP BY 1"""  # noqa: S608 - a constant


@dataclass(slots=True, kw_only=True)
class _Table:
    oid: int
    name: str
    kind: str
    counted: bool
    key: tuple[str, ...]
    columns: tuple[str, ...]
    """Those that the credential may read."""
    blind: tuple[str, ...]
    """Those that it may change and not read."""
    keys: dict[Key, None] = field(default_factory=dict)
    """Of rows that were touched since the last look, in order."""
    updated: set[Key] = field(default_factory=set)
    inserted: set[Key] = field(default_factory=set)
    seen: dict[Key, dict[str, Any] | None] = field(default_factory=dict)
    """Rows as an earlier look left them: what a second write of the same transaction begins with."""

    @property
    def problem(self) -> str:
        """Why changes of this table could not be shown; empty when they can."""
        if self.kind not in {"r", "p"}:
            return f"`{self.name}` is not a table. Name the table itself."
        if not self.key:
            return f"`{self.name}` has no primary key, so its changed rows can't be told apart. Add one."
        if hidden := dict.fromkeys((*self.blind, *(part for part in self.key if part not in self.columns))):
            return (
                f"The credential can't read all that it can change. GRANT SELECT ({', '.join(hidden)}) ON {self.name}."
            )
        return "" if self.counted else "`track_counts` is off, so that changes by triggers go unseen. Turn it on."


class Changes:
    """Notes what steps change on one connection, and compares with what another still sees."""

    def __init__(self, after: Connection, before: Connection) -> None:
        self._after = after
        self._before = before
        self._tables: dict[int, _Table] = {}
        self._names: dict[str, _Table] = {}
        self._accounted: Counter[int] = Counter()
        self._counts: Counter[int] | None = None
        """When the transaction was last looked at; statistics may still hold rows of the connection's earlier ones."""

    def problem(self, step: Statement) -> str:
        """Why the changes of a step could not be shown; empty when they can."""
        return self._table(step.target).problem

    def held(self, step: Statement) -> frozenset[tuple[str, str]]:
        """Name and columns of the table that a step changes."""
        table = self._table(step.target)
        return frozenset((table.name, column) for column in table.columns)

    def returning(self, step: Statement) -> str:
        """What a step must return, so that `note` can be told."""
        if self._counts is None:
            self._counts = self._count()
        table = self._table(step.target)
        if table.problem:
            raise Refused(table.problem)
        return ", ".join(f"{step.alias}.{_quoted(column, self._after)}::text" for column in table.key)

    def note(self, step: Statement, keys: Sequence[Key]) -> None:
        """Take down what a step returned."""
        table = self._table(step.target)
        self._accounted[table.oid] += len(keys)
        if len(table.keys) + len(keys) > MOST_ROWS:
            raise Refused(f"More than {MOST_ROWS} rows of `{table.name}` would change.")
        table.keys.update(dict.fromkeys(keys))
        if step.verb == "update":
            table.updated.update(keys)
        elif step.verb == "insert":
            table.inserted.update(keys)

    def take(self) -> tuple[Change, ...]:
        """The rows that differ from the last look, or else from what is committed; the next look begins here."""
        counts = self._count()
        written = counts - (self._counts or Counter())
        hidden = [oid for oid in written if written[oid] != self._accounted[oid]]
        for table in self._tables.values():
            if table.updated - table.inserted and table.oid not in hidden and self._moved(table):
                hidden.append(table.oid)
        for oid in hidden:
            self._search(self._table(oid))
        changes = tuple(change for table in list(self._tables.values()) for change in self._differing(table))
        for table in self._tables.values():
            table.keys.clear()
        self._accounted.clear()
        self._counts = counts
        return changes

    def _count(self) -> Counter[int]:
        return Counter(dict(self._after.execute(_COUNTS).fetchall()))

    def _table(self, name: str | int) -> _Table:
        if isinstance(name, int) and name in self._tables:
            return self._tables[name]
        if isinstance(name, str) and name in self._names:
            return self._names[name]
        row = self._after.execute(_DESCRIBE, [str(name)]).fetchone()
        assert row is not None
        oid, shown, kind, counted, key, columns, blind = row
        found = _Table(
            oid=oid,
            name=shown,
            kind=kind,
            counted=counted == "on",
            key=tuple(key),
            columns=tuple(columns),
            blind=tuple(blind),
        )
        table = self._tables.setdefault(oid, found)
        self._names[str(name)] = table
        return table

    def _moved(self, table: _Table) -> bool:
        """Whether an UPDATE gave a row another key: RETURNING tells the new one only."""
        loose = table.updated - table.inserted
        return any(row is None for row in self._rows(self._before, table, loose))

    def _search(self, table: _Table) -> None:
        """Find row versions that this transaction made or ended, by the age of their transaction."""
        if table.problem:
            raise Refused(f"A trigger or cascade changes `{table.name}`. {table.problem}")
        xid = self._after.execute("SELECT pg_current_xact_id()::xid::text").fetchone()
        for connection, mark in ((self._after, "xmin"), (self._before, "xmax")):
            # At most as old as our transaction: also what it did in subtransactions. Rows of other transactions may be
            # among them; they don't differ between the two connections, so they drop out.
            query = sql.SQL("SELECT {key} FROM {table} t WHERE age(t.{mark}) <= age($1::xid) LIMIT {most}").format(
                key=sql.SQL(", ").join(sql.SQL("t.{}::text").format(sql.Identifier(part)) for part in table.key),
                table=sql.SQL(table.name),  # regclass::text is quoted by the server
                mark=sql.Identifier(mark),
                most=sql.Literal(MOST_ROWS + 1),
            )
            found = connection.execute(query, xid).fetchall()
            if len(found) > MOST_ROWS:
                raise Refused(f"More than {MOST_ROWS} rows of `{table.name}` would change.")
            table.keys.update(dict.fromkeys(found))
        # Versions that an earlier write of this transaction made and this one ended can't be found by either.
        table.keys.update(dict.fromkeys(table.seen))

    def _differing(self, table: _Table) -> Iterator[Change]:
        keys = list(table.keys)
        new = [key for key in keys if key not in table.seen]
        was = table.seen | dict(zip(new, self._rows(self._before, table, new), strict=True))
        for key, after in zip(keys, self._rows(self._after, table, keys), strict=True):
            before, table.seen[key] = was[key], after
            if before != after:
                yield Change(table=table.name, before=before, after=after)

    def _rows(self, connection: Connection, table: _Table, keys: Iterable[Key]) -> list[dict[str, Any] | None]:
        query = sql.SQL("SELECT {columns} FROM {table} t WHERE {where}").format(
            columns=sql.SQL(", ").join(sql.Identifier("t", column) for column in table.columns),
            table=sql.SQL(table.name),
            where=sql.SQL(" AND ").join(
                sql.SQL("t.{} = {}").format(sql.Identifier(part), sql.SQL(f"${place}"))
                for place, part in enumerate(table.key, start=1)
            ),
        )
        with connection.pipeline():
            cursors = [connection.execute(query, key) for key in keys]
        found = [cursor.fetchone() for cursor in cursors]
        return [
            None if row is None else {name: plain(value) for name, value in zip(table.columns, row, strict=True)}
            for row in found
        ]


def _quoted(name: str, connection: Connection) -> str:
    return sql.Identifier(name).as_string(connection)
