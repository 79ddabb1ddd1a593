"""Tells in words how rows differ from what was shown when a write was staged."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tools.staged import Change
from tools.values import canonical

Row = Mapping[str, Any]


def difference(shown: Sequence[Change], now: Sequence[Change]) -> str:
    """One sentence for each row that was changed, added or removed meanwhile; empty when there is none."""
    told: list[str] = []
    for table in dict.fromkeys(change.table for change in (*shown, *now)):
        were, are = _rows(shown, table), _rows(now, table)
        gone = [row for row in were if canonical(row) not in {canonical(other) for other in are}]
        new = [row for row in are if canonical(row) not in {canonical(other) for other in were}]
        for row in gone:
            other = max(new, key=lambda candidate: _alike(row, candidate), default=None)
            if other is not None and _alike(row, other):
                new.remove(other)
            told.append(_sentence(table, row, other if other is not None and _alike(row, other) else None))
        told += [f"{table}: a row that was not shown would change too ({_short(row)})." for row in new]
    return " ".join(told)


def _rows(changes: Iterable[Change], table: str) -> list[Row]:
    return [change.before for change in changes if change.table == table and change.before is not None]


def _alike(one: Row, other: Row) -> int:
    return sum(other.get(column) == value for column, value in one.items())


def _sentence(table: str, was: Row, now: Row | None) -> str:
    if now is None:
        return f"{table}: the row would no longer change ({_short(was)})."
    columns = [column for column in {**was, **now} if was.get(column) != now.get(column)]
    parts = [f"{column} was {was.get(column)!r} and is {now.get(column)!r}" for column in columns]
    return f"{table}: {', '.join(parts)}."


def _short(row: Row) -> str:
    return ", ".join(f"{column} {value!r}" for column, value in list(row.items())[:4])
