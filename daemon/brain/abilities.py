"""What a model accepts beyond the plain request: how its thinking is kept short, and whether schemas bind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OFF = ("between_tools", "disabled")
"""Ways to turn thinking off, the newer first; a model refuses (400) the one that it does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What goes into each request to a model; the default is what every server takes."""

    thinking: str = ""
    """`thinking.type` that turns thinking off; empty: the field is left out."""
    effort: str = ""
    """Lowest effort of a model whose thinking can't be turned off; empty: the field is left out."""
    strict: bool = True
    """Schemas are sent as strict; False only for a model that says that it can't."""


def read(document: Any) -> Abilities:
    """Take what matters from the answer to `GET /v1/models/NAME`; whatever is missing or odd counts as unknown.

    Triage needs a decision, not an essay: thinking is paid as output, counts towards `max_tokens`, and most current
    models think unless told otherwise.
    """
    known = _at(document, "capabilities")
    strict = _at(known, "structured_outputs", "supported") is not False
    if _at(known, "thinking", "supported") is not True:
        return Abilities(strict=strict)
    thinking = next((name for name in _OFF if _at(known, "thinking", "types", name, "supported") is True), "")
    effort = "low" if not thinking and _at(known, "effort", "low", "supported") is True else ""
    return Abilities(thinking=thinking, effort=effort, strict=strict)


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
