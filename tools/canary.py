"""Runs a sender's reads as two people and compares: neither may get a row that the other gets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Literal

from tools.bound import Bound
from tools.catalogue import Catalogue
from tools.errors import TriagedError
from tools.outcome import Refused
from tools.read import read
from tools.tool import Tool
from tools.values import canonical

Rows = Mapping[bytes, Mapping[str, Any]]
"""Rows of a tool by their canonical JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What trying one tool came to."""

    outcome: Literal["disjoint", "shared", "not tried"]
    told: str
    """As a sentence; it names columns, never values."""


def tried(tool: Tool, catalogue: Catalogue, canaries: Sequence[Bound]) -> Trial:
    """Run a sender-scoped read as each canary, with arguments that are another's too.

    Args:
        tool: a read of scope `sender`.
        catalogue: where it is from.
        canaries: two people or more whose rows differ.
    """
    try:
        return _tried(tool, catalogue, canaries)
    except TriagedError as error:
        return Trial(outcome="not tried", told=str(error))


def _tried(tool: Tool, catalogue: Catalogue, canaries: Sequence[Bound]) -> Trial:
    seen = 0
    for one, other in permutations(canaries, 2):
        for arguments in _arguments(tool, catalogue, one):
            own = _rows(tool, arguments, one, catalogue)
            seen += len(own)
            if own.keys() & _rows(tool, arguments, other, catalogue).keys():
                told = f"Two canaries get the same row ({', '.join(tool.returns)}). Compare the owner with `:sender`."
                return Trial(outcome="shared", told=told)
    if not seen:
        return Trial(outcome="not tried", told="No canary gets a row, or a value for each parameter.")
    return Trial(outcome="disjoint", told=f"{seen} rows of canaries, none of them another's.")


def _arguments(tool: Tool, catalogue: Catalogue, canary: Bound) -> Iterator[Mapping[str, Any]]:
    """Arguments of a canary's own: for each parameter what reads without parameters return under its name."""
    needed = [name for name, parameter in tool.params.items() if parameter.required]
    if not needed:
        yield {}
        return
    plain = [
        each
        for each in catalogue.values()
        if each.kind == "read" and each.scope == "sender" and not any(p.required for p in each.params.values())
    ]
    for each in plain:
        for row in _rows(each, {}, canary, catalogue).values():
            if all(row.get(name) is not None for name in needed):
                yield {name: _typed(tool, name, row[name]) for name in needed}


def _typed(tool: Tool, name: str, value: Any) -> Any:
    return str(value) if tool.params[name].type in {"string", "enum", "date"} else value


def _rows(tool: Tool, arguments: Mapping[str, Any], canary: Bound, catalogue: Catalogue) -> Rows:
    try:
        return {canonical(row): row for row in read(tool, arguments, canary, catalogue).rows}
    except Refused:
        return {}
