"""In charge of finding a tool's arguments: in the words of a mail, else in the rows that were read for it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from handlers.contract import Message, Row, ToolResult, ToolSpec

_TEXT = 20_000
"""Characters of a mail that are searched."""

_POSTAL = {"street": "street", "postcode": "postcode", "zip": "postcode", "city": "city", "town": "city"}
"""Parameters that are parts of a postal address, by their usual names."""
_HOUSE = r"\d{1,4}(?:\s?[a-zA-Z])?\b"
_NAME = r"[A-ZÄÖÜ][\w.'-]*(?: (?:[A-ZÄÖÜ][\w.'-]*|am|an|der|den|dem|de|of|the|zum|zur|in|im|unter)){0,4}"
_STREET = re.compile(rf"(?P<street>{_NAME} {_HOUSE}|{_HOUSE} {_NAME})(?:,\s{{0,5}}|\s{{1,5}})(?=\d{{4,5}}\b)")
_TOWN = re.compile(
    r"(?P<postcode>\d{4,5})[ \t]+(?P<city>[A-ZÄÖÜ][\w'-]*(?:[ \t](?:am|an|der|im|bei|[A-ZÄÖÜ][\w'-]*)){0,3})"
)

_ISO = re.compile(r"\b(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)\b")
_DOTTED = re.compile(r"\b(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>20\d\d)\b")
_NAMED = re.compile(r"\b(?P<day>\d{1,2})(?:\.|st|nd|rd|th)?\s(?P<month>[^\W\d]{3,9})\.?,?\s(?P<year>20\d\d)\b")
_MONTHS = ("jan", "feb", "mar mär maer", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec dez")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The arguments of a call, as far as they could be found."""

    values: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    """Required ones that neither the mail nor a row tells."""
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ones that the mail gives several values for."""


def find(spec: ToolSpec, message: Message, results: Iterable[ToolResult]) -> Found:
    """Find what a tool needs.

    The sender's own words count first. Rows are second, where they hold exactly one value and the argument is needed;
    for a write the value must stand in the mail as well: which order to cancel is never concluded from there being one.
    """
    text = f"{message.subject}\n{message.text}"[:_TEXT]
    rows = [row for result in results for row in result.rows]
    candidates = {name: _candidates(name, spec, text) for name in spec.schema["properties"]}
    candidates |= {
        name: _known(name, rows, text if spec.kind == "write" else None)
        for name, found in candidates.items()
        if not found and not _optional(spec, name)
    }
    values = {name: next(iter(found), None) for name, found in candidates.items()}
    missing = [name for name, found in candidates.items() if not found and not _optional(spec, name)]
    if values and all(value is None for value in values.values()):
        missing = list(values)
    return Found(
        values=values,
        missing=tuple(missing),
        ambiguous={name: tuple(map(str, found)) for name, found in candidates.items() if len(found) > 1},
    )


def _candidates(name: str, spec: ToolSpec, text: str) -> tuple[Any, ...]:
    """Distinct values that the mail gives for one argument, in order."""
    schema = spec.schema["properties"][name]
    kinds = schema.get("type", "string")
    if name in _POSTAL and "string" in kinds:
        return _distinct(part for address in postal(text) if (part := address.get(_POSTAL[name])))
    if name in spec.find:
        told = _distinct(found.group(1) for found in re.finditer(spec.find[name], text) if found.group(1))
        if told:
            return _distinct(map(int, told)) if "integer" in kinds else told
    if schema.get("format") == "date":
        return _distinct(dates(text))
    if "enum" in schema:
        return _distinct(value for value in schema["enum"] if value and _said(value, text))
    return ()


def _known(name: str, rows: Iterable[Row], text: str | None) -> tuple[Any, ...]:
    """The one value that the rows have in a column of that name, and that the text, if given, holds as well."""
    values = _distinct(row.values[name] for row in rows if row.values.get(name) is not None)
    if len(values) != 1 or (text is not None and not _said(str(values[0]), text)):
        return ()
    return values


def _optional(spec: ToolSpec, name: str) -> bool:
    return "null" in spec.schema["properties"][name].get("type", ())


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _said(value: str, text: str) -> bool:
    """Whether a value stands in the text as words; that of an enum as `wrong item` for `wrong_item`."""
    return bool(re.search(rf"\b{re.escape(value.replace('_', ' '))}\b", text, re.IGNORECASE))


def postal(text: str) -> Iterator[Mapping[str, str]]:
    """Postal addresses in a text: a street with a number, then a postcode with a town, as on an envelope."""
    for street in _STREET.finditer(text):
        town = _TOWN.match(text, street.end())
        if town:
            yield {"street": street["street"], **town.groupdict()}


def dates(text: str) -> Iterator[str]:
    """Days in a text as ISO 8601; those without a year are not taken, since nobody said which one."""
    for pattern in (_ISO, _DOTTED, _NAMED):
        for match in pattern.finditer(text):
            month = match["month"]
            number = int(month) if month.isdigit() else _month(month)
            try:
                yield date(int(match["year"]), number, int(match["day"])).isoformat()
            except ValueError:  # the 31st of February is no day that anyone meant
                continue


def _month(name: str) -> int:
    """1 to 12; 0 for a word that is no month."""
    start = name.lower()
    return next((number for number, stems in enumerate(_MONTHS, 1) if start.startswith(tuple(stems.split()))), 0)
