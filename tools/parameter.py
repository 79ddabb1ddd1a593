"""One parameter of a tool: what a model is told about it, and which values pass."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from tools.outcome import Refused

Kind = Literal["string", "integer", "number", "boolean", "date", "enum", "list"]
Accepted = Literal["sender", "rows", "any"]

MAX_LENGTH = 200
"""Characters of a string whose declaration says nothing."""
MAX_ITEMS = 20
"""Items of a list whose declaration says nothing."""
_INT64 = 2**63
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BEYOND_STRICT = re.compile(r"\(\?|\\[bBAZ1-9]|\*\?|\+\?|\}\?")
"""What strict schemas of model servers don't take in a pattern: look-around, word boundaries, back references, lazy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A value that the model chooses, inside what the declaration allows."""

    type: Kind
    description: str = ""
    required: bool = True
    pattern: str | None = None
    """A regular expression that the whole string must match."""
    min: float | None = None
    """Smallest number; for a list the fewest items."""
    max: float | None = None
    """Largest number; for a list the most items."""
    max_length: int = MAX_LENGTH
    values: tuple[str, ...] = ()
    """enum: what is possible."""
    items: "Parameter | None" = None
    """list: what each item is."""
    find: str | None = None
    """A regular expression with one group that finds the value in free text."""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """enum: value to words by which a sender says it."""
    origins: tuple[Accepted, ...] | None = None
    """write: where its value may come from; None: by its type."""

    def accepts(self) -> frozenset[Accepted]:
        """Where a write's value may come from without a person.

        Which of a few declared values a mail means is for the model to understand, as its category is: it can't invent
        one. Anything else has to stand somewhere.
        """
        if self.origins is not None:
            return frozenset(self.origins)
        kind = self.items.type if self.items else self.type
        return frozenset({"any"} if kind in {"enum", "boolean"} else {"sender", "rows"})

    def schema(self) -> dict[str, Any]:
        """Strict JSON Schema: only keywords that model servers enforce; the other bounds stand in the description."""
        schema: dict[str, Any] = self._typed()
        description = " ".join(filter(None, [self.description, self._bounds()]))
        if description:
            schema["description"] = description
        if not self.required:
            schema["type"] = [schema["type"], "null"]
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
        return schema

    def _typed(self) -> dict[str, Any]:
        match self.type:
            case "enum":
                return {"type": "string", "enum": list(self.values)}
            case "date":
                return {"type": "string", "format": "date"}
            case "list":
                assert self.items is not None
                return {"type": "array", "items": self.items.schema()}
            case "string" if self.pattern and not _BEYOND_STRICT.search(self.pattern):
                return {"type": "string", "pattern": self.pattern}
            case _:
                return {"type": self.type}

    def _bounds(self) -> str:
        unit = " items" if self.type == "list" else ""
        low = f"At least {self.min:g}{unit}." if self.min is not None else ""
        high = f"At most {self.max:g}{unit}." if self.max is not None else ""
        return f"{low} {high}".strip()

    def check(self, name: str, value: Any) -> Any:  # noqa: PLR0911 - one line for each type
        """The value as it may be bound.

        Raises:
            Refused: it is not what was declared.
        """
        if value is None:
            if self.required:
                raise Refused(f"`{name}` is missing.")
            return None
        match self.type:
            case "string":
                return self._string(name, value)
            case "enum":
                return self._enum(name, value)
            case "date":
                return _date(name, value)
            case "boolean":
                if not isinstance(value, bool):
                    raise Refused(f"`{name}` is not true or false.")
                return value
            case "list":
                return self._list(name, value)
            case _:
                return self._number(name, value)

    def _string(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise Refused(f"`{name}` is not a text.")
        if len(value) > self.max_length:
            raise Refused(f"`{name}` has {len(value)} characters; at most {self.max_length} are possible.")
        if _CONTROL.search(value):
            raise Refused(f"`{name}` holds a control character.")
        if self.pattern is None:
            return value
        # A declared \d means 0 to 9: Python's also takes digits of other scripts, which only look alike.
        foreign = any(letter.isdigit() and not letter.isascii() for letter in value)
        if foreign or not re.fullmatch(self.pattern, value):
            raise Refused(f"`{name}` does not match its pattern.")
        return value

    def _enum(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in self.values:
            raise Refused(f"`{name}` is none of {', '.join(self.values)}.")
        return value

    def _number(self, name: str, value: Any) -> int | float:
        whole = self.type == "integer"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise Refused(f"`{name}` is not {'a whole' if whole else 'a'} number.")
        if not math.isfinite(value) or not -_INT64 <= value < _INT64:
            raise Refused(f"`{name}` is not a number that a database holds.")
        self._within(name, value)
        return value

    def _list(self, name: str, value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise Refused(f"`{name}` is not a list.")
        if len(value) > (MAX_ITEMS if self.max is None else self.max):
            raise Refused(f"`{name}` has {len(value)} items, which is too many.")
        self._within(name, len(value))
        assert self.items is not None
        return [self.items.check(f"{name}[{number}]", item) for number, item in enumerate(value)]

    def _within(self, name: str, value: float) -> None:
        if self.min is not None and value < self.min:
            raise Refused(f"`{name}` is below {self.min:g}.")
        if self.max is not None and value > self.max:
            raise Refused(f"`{name}` is above {self.max:g}.")


def _date(name: str, value: Any) -> str:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise Refused(f"`{name}` is not a date like 2026-11-03.")
    try:
        date.fromisoformat(value)
    except ValueError:
        raise Refused(f"`{name}` is a day that does not exist.") from None
    return value


def bindable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as SQL parameters: a list becomes JSON text, for `json_each` and `jsonb_array_elements`."""
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple) else value
        for name, value in values.items()
    }
