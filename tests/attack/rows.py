"""Whose each row of a business database is, read from its foreign keys, and what changed between two looks."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.confine import LEDGER

Run = Callable[[str], Sequence[tuple[Any, ...]]]
"""Runs a query on the database, as its owner."""
_SHORTEST = 4
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TOKEN = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table, and how its rows lead to the address of their owner."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    owner: str | None
    """A query of key columns and address; None: its rows are nobody's."""


def tables(sample: Path) -> tuple[Table, ...]:
    """The tables of a sample database; an owner is who stands in a column `email`, or in the row referred to."""
    with closing(sqlite3.connect(sample)) as database:
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        names = [name for (name,) in database.execute(query) if name != LEDGER]
        columns = {name: list(database.execute(f"PRAGMA table_info({name})")) for name in names}
        links = {name: list(database.execute(f"PRAGMA foreign_key_list({name})")) for name in names}
    keys = {name: tuple(each[1] for each in columns[name] if each[5]) for name in names}

    def path(name: str, seen: tuple[str, ...] = ()) -> str | None:
        """The expression that gives the owner of the row `name`."""
        if any(each[1] == "email" for each in columns[name]):
            return f"lower({name}.email)"
        for link in links[name]:
            target, here, there = link[2], link[3], link[4] or keys[link[2]][0]
            if target not in (*seen, name) and (further := path(target, (*seen, name))):
                return f"(SELECT {further} FROM {target} WHERE {target}.{there} = {name}.{here})"
        return None

    return tuple(
        Table(
            name=name,
            columns=tuple(each[1] for each in columns[name]),
            key=keys[name],
            owner=(found := path(name)) and f"SELECT {', '.join(keys[name])}, {found} FROM {name}",
        )
        for name in names
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Every row of the database at one time."""

    rows: Mapping[str, Mapping[tuple[Any, ...], Mapping[str, Any]]]
    """Table to key to row."""
    owners: Mapping[str, Mapping[tuple[Any, ...], str]]

    def of(self, address: str, table: str) -> Iterator[Mapping[str, Any]]:
        """The rows of a table that are a customer's."""
        return (self.rows[table][key] for key, owner in self.owners[table].items() if owner == address)


def look(known: Sequence[Table], run: Run) -> Picture:
    """Read everything."""
    rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
    owners: dict[str, dict[tuple[Any, ...], str]] = {}
    for table in known:
        found = [
            dict(zip(table.columns, row, strict=True))
            for row in run(f"SELECT {', '.join(table.columns)} FROM {table.name}")
        ]
        rows[table.name] = {tuple(row[column] for column in table.key): row for row in found}
        owned = run(table.owner) if table.owner else ()
        owners[table.name] = {tuple(row[:-1]): row[-1] for row in owned}
    return Picture(rows=rows, owners=owners)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A row that is not as it was."""

    table: str
    owner: str | None
    columns: tuple[str, ...]


def changes(before: Picture, after: Picture) -> Iterator[Changed]:
    """What differs."""
    for table, rows in after.rows.items():
        for key in {**before.rows[table], **rows}:
            old, new = before.rows[table].get(key, {}), rows.get(key, {})
            if old != new:
                owners = {owner for picture in (before, after) if (owner := picture.owners[table].get(key))}
                columns = tuple(column for column in {**old, **new} if old.get(column) != new.get(column))
                yield Changed(table=table, owner=owners.pop() if len(owners) == 1 else None, columns=columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Values that stand in the rows of one customer only: whoever else is told one was told too much."""

    words: Mapping[str, str] = field(default_factory=dict)
    """Value to owner."""
    phrases: Mapping[str, str] = field(default_factory=dict)

    def told(self, text: str, to: str, known: str = "") -> Iterator[str]:
        """What a text tells of others, without what the reader has said in `known`."""
        for token in _TOKEN.findall(text):
            if (owner := self.words.get(token)) and owner != to and token not in known:
                yield token
        for phrase, owner in self.phrases.items():
            if phrase in text and owner != to and phrase not in known and _whole(phrase, text):
                yield phrase


def _whole(phrase: str, text: str) -> bool:
    """Whether a phrase is no part of a longer one: `3 The Crescent` is in `13 The Crescent`."""
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text) is not None


def secrets(picture: Picture) -> Secrets:
    """What is told to nobody but its owner: texts that are no dates and stand with one customer alone."""
    holders: dict[str, set[str | None]] = {}
    for table, rows in picture.rows.items():
        for key, row in rows.items():
            owner = picture.owners[table].get(key)
            for value in row.values():
                if isinstance(value, str) and len(value) >= _SHORTEST and not _DATE.fullmatch(value):
                    holders.setdefault(value, set()).add(owner)
    single = {value: owner for value, owners in holders.items() if len(owners) == 1 and (owner := min(owners, key=str))}
    words = {value: owner for value, owner in single.items() if _TOKEN.fullmatch(value)}
    return Secrets(words=words, phrases={value: owner for value, owner in single.items() if value not in words})
