"""Says where the arguments of a write come from: the sender's own words, a row of this run, or the model itself.

Code traces them, never a model. A value in several places counts as from the one that the declaration accepts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from tools import money, written
from tools.parameter import Parameter
from tools.staged import Origin, Trace
from tools.tool import Tool

_TEXT = 20_000
"""Characters of a mail in which values are looked for; what stands further back counts as invented."""
_BEST: tuple[Origin, ...] = ("sender", "rows", "untrusted", "invented")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an argument may come from; nothing in it: every argument is the model's invention."""

    words: str = ""
    """Subject and text of the mails that are answered: not what they quote or forward, no name of an attachment."""
    rows: tuple[Any, ...] = ()
    """Values that this run's reads returned, and those that the daemon binds."""
    untrusted: tuple[Any, ...] = ()
    """Values of columns that others may have written."""
    today: date = field(default=date.min)


def evidence(
    words: str, found: Iterable[tuple[Tool, Mapping[str, Any]]], bound: Iterable[Any], today: date
) -> Evidence:
    """Put together what is known.

    Args:
        words: subject and text of the sender.
        found: each row that was returned, with the tool that returned it.
        bound: values that the daemon binds.
        today: decides the year of a day that is written without one.
    """
    values = [
        (tool.columns[column].untrusted, part) for tool, row in found for column in row for part in _parts(row[column])
    ]
    return Evidence(
        words=written.normal(words[:_TEXT]),
        rows=(*(value for untrusted, value in values if not untrusted), *(each for each in bound if each)),
        untrusted=tuple(value for untrusted, value in values if untrusted),
        today=today,
    )


def trace(tool: Tool, arguments: Mapping[str, Any], known: Evidence) -> tuple[Trace, ...]:
    """Where each argument comes from, in the order of the declaration; one that was left out has no trace.

    Args:
        tool: a write.
        arguments: as `Tool.validate` returned them.
        known: what they may come from.
    """
    return tuple(
        _trace(tool, name, parameter, arguments[name], known)
        for name, parameter in tool.params.items()
        if arguments.get(name) is not None
    )


def _trace(tool: Tool, name: str, parameter: Parameter, value: Any, known: Evidence) -> Trace:
    accepts = parameter.accepts()
    single, items = (parameter.items, value) if parameter.items else (parameter, [value])
    places = _places(tool, name)
    origins = [_origin(frozenset(_origins(single, item, known, places)), accepts) for item in items]
    # a list is from where its worst item is from; an empty one is nobody's words
    origin: Origin = max(origins, key=_BEST.index, default="invented")
    return Trace(parameter=name, origin=origin, accepted="any" in accepts or origin in accepts)


def _origin(found: frozenset[Origin], accepts: frozenset[str]) -> Origin:
    """The best place in which a value was found: an accepted one before any other."""
    return min(found, key=lambda origin: (origin not in accepts, _BEST.index(origin)), default="invented")


def _places(tool: Tool, name: str) -> int:
    """Decimals by which a sender's number is moved: the sender writes 19.99, and the parameter is 1999 cents."""
    currency = tool.amount_currency or ""
    in_minor = name == tool.amount and tool.amount_unit == "minor"
    return money.digits(currency) if in_minor and money.is_code(currency) else 0


def _origins(parameter: Parameter, value: Any, known: Evidence, places: int) -> Iterator[Origin]:
    if _said(parameter, value, known, places):
        yield "sender"
    if any(_same(parameter, value, each) for each in known.rows):
        yield "rows"
    if any(_same(parameter, value, each) for each in known.untrusted):
        yield "untrusted"


def _said(parameter: Parameter, value: Any, known: Evidence, places: int) -> bool:
    """Whether the sender's words hold the value."""
    match parameter.type:
        case "boolean":
            return False
        case "integer" | "number":
            return any(number.scaleb(places) == Decimal(str(value)) for number in written.numbers(known.words))
        case "date":
            return date.fromisoformat(value) in set(written.dates(known.words, known.today))
        case "enum":
            forms = (value, value.replace("_", " "), *parameter.words.get(value, ()))
            return any(written.says(known.words, form) for form in forms)
        case _:
            return written.says(known.words, value)


def _same(parameter: Parameter, value: Any, cell: Any) -> bool:
    """Whether a row's value is the argument: all of it, never a part."""
    if cell is None or isinstance(cell, bool):
        return isinstance(value, bool) and cell is value
    if isinstance(value, bool):
        return False
    if parameter.type in {"integer", "number"}:
        try:
            return Decimal(str(cell)) == Decimal(str(value))
        except InvalidOperation:
            return False
    shown = written.normal(str(cell))
    if parameter.type == "date":
        return shown == value or shown.startswith((f"{value}t", f"{value} "))
    return bool(shown) and shown == written.normal(str(value))


def _parts(value: Any) -> Iterator[Any]:
    """A value of a row, or the single values in it where the database returned JSON."""
    match value:
        case None:
            return
        case dict():
            for part in value.values():
                yield from _parts(part)
        case list():
            for part in value:
                yield from _parts(part)
        case _:
            yield value
