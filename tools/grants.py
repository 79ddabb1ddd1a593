"""Writes the SQL by which an operator gives triaged what its tools reach, and no more: a function of values."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools import ledger
from tools.confine import LEDGER

Columns = Mapping[str, Collection[str]]
"""Table, as SQL names it, to columns; no column: the whole table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What the tools of a database touch."""

    read: Columns = field(default_factory=dict)
    """By reads, with the read credential."""
    seen: Columns = field(default_factory=dict)
    """By writes, with the write credential: what guards and steps read, and all of the tables that they change."""
    updated: Columns = field(default_factory=dict)
    inserted: Columns = field(default_factory=dict)
    deleted: Collection[str] = ()
    sequences: Collection[str] = ()
    """That give numbers to inserted rows."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Table to the condition that makes a row the sender's, for row-level security."""
    shared: Collection[str] = ()
    """Tables that public tools read too: a policy would hide their rows."""
    writes: bool = False
    """There are writes, which need the ledger."""


def postgresql(reach: Reach, *, reader: str, writer: str) -> str:
    """The SQL for a PostgreSQL database, to be run by its owner; running it again makes it so again.

    Args:
        reach: what the tools touch.
        reader: role of `url`.
        writer: role of `write_url`; the same one: it gets both.
    """
    roles = list(dict.fromkeys((reader, writer) if reach.writes else (reader,)))
    return "\n".join(
        [
            "-- Run this as the owner of the tables: psql --set ON_ERROR_STOP=1 --single-transaction --file FILE",
            "-- Set the passwords yourself: \\password ROLE",
            *(line for role in roles for line in _role(role)),
            *_schemas(reach, roles),
            *_selects(reach, reader, writer),
            *_changes(reach, writer),
            *_policies(reach, roles),
            "",
        ]
    )


def sqlite(reach: Reach, *, path: str) -> str:
    """The SQL for a SQLite file: its rights are those of the file.

    Args:
        reach: what the tools touch.
        path: of the file.
    """
    lines = [
        "-- SQLite has no roles: who may open the file may read all of it. The daemon denies each tool what it was not",
        "-- proven to reach, and opens the file read-only for reads.",
        "-- The file and its folder must be readable by the user that runs triaged, and by nobody else who need not:",
        f"--   chgrp triaged {path}",
        f"--   chmod {'660' if reach.writes else '640'} {path}",
    ]
    if reach.writes:
        lines += [
            "-- Writes need the folder too, for the journal beside the file (mode 2770).",
            f"{ledger.DDL};",
        ]
    return "\n".join([*lines, ""])


def _role(role: str) -> Iterator[str]:
    text = quoted_text(role)
    yield (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {text}) "
        f"THEN CREATE ROLE {quoted(role)} LOGIN; END IF; END $$;"
    )
    yield f"ALTER ROLE {quoted(role)} CONNECTION LIMIT 20;"


def _schemas(reach: Reach, roles: Collection[str]) -> Iterator[str]:
    tables = {*reach.read, *reach.seen, *reach.updated, *reach.inserted, *reach.deleted}
    schemas = sorted({"public"} | {table.rpartition(".")[0] for table in tables} - {""})
    for schema in schemas:
        yield f"GRANT USAGE ON SCHEMA {schema} TO {_list(roles)};"
        yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {_list(roles)};"


def _selects(reach: Reach, reader: str, writer: str) -> Iterator[str]:
    for role, columns in ((reader, reach.read), (writer, reach.seen)):
        for table in sorted(columns):
            yield _grant("SELECT", columns[table], table, role)


def _changes(reach: Reach, writer: str) -> Iterator[str]:
    for verb, columns in (("UPDATE", reach.updated), ("INSERT", reach.inserted)):
        for table in sorted(columns):
            yield _grant(verb, columns[table], table, writer)
    for table in sorted(reach.deleted):
        yield f"GRANT DELETE ON {table} TO {quoted(writer)};"
    for sequence in sorted(reach.sequences):
        yield f"GRANT USAGE ON SEQUENCE {sequence} TO {quoted(writer)};"
    if reach.writes:
        yield f"{ledger.DDL};"
        yield f"GRANT SELECT, INSERT ON {LEDGER} TO {quoted(writer)};"


def _grant(verb: str, columns: Collection[str], table: str, role: str) -> str:
    named = f" ({', '.join(quoted(column) for column in sorted(columns))})" if columns else ""
    return f"GRANT {verb}{named} ON {table} TO {quoted(role)};"


def _policies(reach: Reach, roles: Collection[str]) -> Iterator[str]:
    """A second fence: rows of others are not there, whatever a statement says. Roles of the business see all as before.

    FORCE is not needed: the roles own nothing.
    """
    for table, condition in sorted(reach.owners.items()):
        if table in reach.shared:
            yield f"-- No row-level security for {table}: a public tool reads it too."
            continue
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
        yield f"DROP POLICY IF EXISTS triaged_others ON {table};"
        yield f"CREATE POLICY triaged_others ON {table} USING (true);"
        yield f"DROP POLICY IF EXISTS triaged_own ON {table};"
        yield f"CREATE POLICY triaged_own ON {table} AS RESTRICTIVE TO {_list(roles)} USING ({condition});"


def _list(roles: Collection[str]) -> str:
    return ", ".join(quoted(role) for role in roles)


def quoted(name: str) -> str:
    """A name as SQL takes it, in quotes where it needs them."""
    plain = name.isascii() and name.replace("_", "a").isalnum() and name == name.lower() and not name[:1].isdigit()
    return name if plain else '"' + name.replace('"', '""') + '"'


def quoted_text(value: Any) -> str:
    """A text as SQL takes it."""
    return "'" + str(value).replace("'", "''") + "'"
