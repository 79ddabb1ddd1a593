"""Fills `{{order.total}}` from rows: the only way by which a fact gets into a reply (promise P8)."""

import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from handlers import formats, untrusted
from handlers.contract import Fact, Row
from handlers.formats import SlotError
from tools.tool import Column

Columns = Mapping[str, Mapping[str, Column]]
"""Tool to column to its declaration."""

_SLOT: Final = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_BRACES: Final = re.compile(r"\{\{|\}\}|\{%|%\}")
_BODY = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A body with its slots filled."""

    body: str
    facts: tuple[Fact, ...] = ()
    language: str
    """The language that the values are written in."""


def fill(text: str, rows: Iterable[Row], columns: Columns, language: str) -> Filled:
    """Fill the slots of a text that a model wrote; what a slot brings in is never looked at for further slots.

    Raises:
        SlotError: a slot names no row or column, its value can't be shown, or braces stand there that are no slot.
    """
    known = {row.reference: row for row in rows}

    def found(match: re.Match[str]) -> Fact:
        reference, column = match.groups()
        if reference not in known:
            raise SlotError(f"No row is known as `{reference}`. Known: {', '.join(known) or 'none'}.")
        return fact(known[reference], column, columns, language)

    return assemble(untrusted.clean(text, limit=_BODY).strip(), _SLOT, found, language)


def named(text: str) -> Iterator[tuple[int, str, str]]:
    """Each slot that a text names: line (from 1), reference without its number, column."""
    for number, line in enumerate(text.splitlines(), start=1):
        for reference, column in _SLOT.findall(line):
            yield number, reference.rstrip(string.digits), column


def fact(row: Row, column: str, columns: Columns, language: str) -> Fact:
    """The fact that a row's column is; `start` is set by `assemble`.

    Raises:
        SlotError: the row has no such column, or its value can't be shown.
    """
    slot = f"{row.reference}.{column}"
    declared = columns.get(row.tool, {}).get(column)
    if column not in row.values or declared is None:
        raise SlotError(f"`{slot}` does not exist. `{row.reference}` has: {', '.join(row.values)}.")
    try:
        shown = formats.show(row.values[column], declared, row.values, language)
    except SlotError as error:
        raise SlotError(f"`{slot}` {error}.") from error
    value, written = row.values[column], declared.untrusted
    return Fact(slot=slot, tool=row.tool, column=column, value=value, shown=shown, start=0, untrusted=written)


def assemble(text: str, pattern: re.Pattern[str], found: Callable[[re.Match[str]], Fact], language: str) -> Filled:
    """Put a fact in the place of each match, in one pass, and note where it stands.

    Raises:
        SlotError: as `found` does, or what lies between the matches still holds braces of a slot or template.
    """
    pieces: list[str] = []
    facts: list[Fact] = []
    length = end = 0
    for match in pattern.finditer(text):
        between = _literal(text[end : match.start()])
        here = found(match)
        start = length + len(between)
        facts.append(replace(here, start=start))
        pieces += [between, here.shown]
        length, end = start + len(here.shown), match.end()
    pieces.append(_literal(text[end:]))
    return Filled(body="".join(pieces), facts=tuple(facts), language=language)


def _literal(text: str) -> str:
    stray = _BRACES.search(text)
    if stray:
        told = text[stray.start() : stray.start() + 40]
        raise SlotError(f"`{told}` is not a slot. Write {{{{reference.column}}}} and nothing else in double braces.")
    return text
