"""Finds which columns statements touch on PostgreSQL: the server itself says, without a privilege on them.

A statement becomes the body of a temporary function. Nothing runs, and the server notes on which columns the body
depends; the transaction is rolled back.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import psycopg

from tools.confine import LEDGER, Database, Unprepared, Unusable
from tools.grants import Reach, quoted
from tools.statement import Statement
from tools.tool import Tool

_DEPENDS = """
SELECT d.refobjid::regclass::text, coalesce(a.attname::text, '')
FROM pg_depend d LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0
WHERE d.classid = 'pg_proc'::regclass AND d.objid = 'pg_temp.triaged_reach'::regproc
  AND d.refclassid = 'pg_class'::regclass"""
_COLUMNS = """
SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
AND attgenerated = '' ORDER BY attnum"""
_SEQUENCES = """
SELECT d.objid::regclass::text FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
WHERE d.refobjid = %s::regclass AND d.deptype = 'a' AND c.relkind = 'S'"""
_CASCADES = """
WITH RECURSIVE reached(table_) AS (
    SELECT %s::regclass::oid
    UNION SELECT conrelid FROM pg_constraint JOIN reached ON confrelid = table_
    WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')
) SELECT table_::regclass::text FROM reached"""
_SENDER = re.compile(
    r"(?:\b(lower)\s*\(\s*)?(?:\b[a-z_]\w*\.)?\b([a-z_]\w*)\s*(?:\)\s*)?=\s*:sender\b"
    r"|:sender\s*=\s*(?:\b(lower)\s*\(\s*)?(?:[a-z_]\w*\.)?([a-z_]\w*)",
    re.IGNORECASE,
)
_SET = re.compile(r"\bset\b(?P<list>.*?)(?:\bfrom\b|\bwhere\b|\Z)", re.IGNORECASE | re.DOTALL)
_NAME = r"(?:[A-Za-z_]\w*|\"(?:[^\"]|\"\")+\")"
_ASSIGNED = re.compile(rf"(?:^|,)\s*({_NAME})\s*=(?!=)")
_INTO = re.compile(rf"\binto\s+\S+?\s*(?:as\s+\w+\s*)?\(\s*((?:{_NAME}\s*,?\s*)+)\)", re.IGNORECASE)


def reach(database: Database, tools: Iterable[Tool], more: Iterable[Statement] = ()) -> Reach:
    """What the tools touch.

    Args:
        database: any credential that may connect and make temporary functions will do.
        tools: those of the database; they need not be proven.
        more: other statements that the read credential runs: those of `[identity.NAME]`.

    Raises:
        Unusable: the database can't be opened.
        Unprepared: a statement does not fit its tables.
    """
    try:
        with psycopg.connect(
            database.url.replace("postgresql+psycopg://", "postgresql://", 1),
            password=database.password,
            connect_timeout=5,
        ) as connection:
            try:
                return _Reached(connection).of(tools, more)
            finally:
                connection.rollback()
    except psycopg.OperationalError as error:
        raise Unusable(f"The database `{database.name}` can't be opened: {_first_line(error)}.") from error


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error).partition("\n")[0]).rstrip(".")


class _Reached:
    def __init__(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self._connection = connection
        self._read: dict[str, set[str]] = defaultdict(set)
        self._seen: dict[str, set[str]] = defaultdict(set)
        self._whole: set[str] = set()
        self._updated: dict[str, set[str]] = defaultdict(set)
        self._inserted: dict[str, set[str]] = defaultdict(set)
        self._deleted: set[str] = set()
        self._sequences: set[str] = set()
        self._owners: dict[str, str] = {}
        self._shared: set[str] = set()
        self._writes = False

    def of(self, tools: Iterable[Tool], more: Iterable[Statement]) -> Reach:
        for tool in tools:
            self._writes |= tool.kind == "write"
            for statement in tool.statements():
                found = self._touched(statement, tool.name)
                self._note(statement, found, self._seen if tool.kind == "write" else self._read)
                if tool.scope == "public":
                    self._shared |= found.keys()
        for statement in more:
            self._note(statement, self._touched(statement, "identity"), self._read)
        return Reach(
            read={table: columns or self._first(table) for table, columns in self._read.items()},
            seen={table: columns or self._first(table) for table, columns in self._seen.items()}
            | dict.fromkeys(self._whole, ()),
            updated=dict(self._updated),
            inserted=dict(self._inserted),
            deleted=self._deleted,
            sequences=self._sequences,
            owners=self._owners,
            shared=self._shared,
            writes=self._writes,
        )

    def _touched(self, statement: Statement, tool: str) -> dict[str, set[str]]:
        body = re.sub(r"\$\d+", "NULL", statement.sql)
        try:
            with self._connection.transaction(force_rollback=True):
                # the body is a declared statement, which `tools.statement` has read; it is parsed here and never run
                self._connection.execute(
                    f"CREATE FUNCTION pg_temp.triaged_reach() RETURNS void BEGIN ATOMIC {body}; END",
                    prepare=False,
                )
                rows = self._connection.execute(_DEPENDS).fetchall()
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            raise Unprepared(f"A statement of `{tool}` does not fit the tables: {_first_line(error)}.") from error
        found: dict[str, set[str]] = defaultdict(set)
        for table, column in rows:
            found[table] |= {column} - {""}
        if LEDGER in found:
            raise Unprepared(f"`{tool}` can't touch `{LEDGER}`. Leave it to triaged.")
        return found

    def _note(self, statement: Statement, found: dict[str, set[str]], read: dict[str, set[str]]) -> None:
        for table, columns in found.items():
            read[table] |= columns
        if statement.verb != "select":
            self._change(statement)
        for lower, plain, lower_after, after in _SENDER.findall(statement.source):
            column = plain or after
            tables = [table for table, columns in found.items() if column in columns]
            if len(tables) == 1 and statement.verb == "select":
                name = quoted(column)
                own = f"lower({name})" if lower or lower_after else name
                self._owners.setdefault(tables[0], f"{own} = current_setting('app.sender', true)")

    def _change(self, statement: Statement) -> None:
        table = str(self._rows("SELECT %s::regclass::text", statement.target)[0])
        every = set(self._rows(_COLUMNS, table))
        # the diff shows what a trigger changes in the row too, and looks for rows by xmin: no column grant gives that
        self._whole.add(table)
        if statement.verb == "delete":
            self._deleted.add(table)
            self._whole |= set(self._rows(_CASCADES, table))
        if statement.verb == "insert":
            listed = _INTO.search(statement.source)
            self._inserted[table] |= _names(listed.group(1).split(",")) if listed else every
            self._sequences |= set(self._rows(_SEQUENCES, table))
        for clause in _SET.finditer(statement.source):
            self._updated[table] |= _names(_ASSIGNED.findall(_flat(clause["list"]))) & every or every

    def _first(self, table: str) -> list[str]:
        """One column, which is enough to count rows."""
        return self._rows(_COLUMNS, table)[:1]

    def _rows(self, query: str, table: str) -> list[str]:
        return [row[0] for row in self._connection.execute(query, [table]).fetchall()]


def _names(written: Iterable[str]) -> set[str]:
    """Names as the server stores them: in lower case, unless quoted."""
    parts = (part.strip() for part in written)
    return {part[1:-1].replace('""', '"') if part.startswith('"') else part.lower() for part in parts if part}


def _flat(text: str) -> str:
    """Without what stands in parentheses."""
    while (less := re.sub(r"\([^()]*\)", "", text)) != text:
        text = less
    return text
