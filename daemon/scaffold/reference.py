"""The tables and keys of triaged.toml in words, taken from the models: for docs/configuration.md and for `init`."""

import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from json import dumps
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from daemon import config
from daemon.duration import seconds

_INTRODUCTION = """\
# triaged.toml

Every table and key, with its default. This page is written from the models in `daemon/config.py` by `make docs`.

`triaged init DIR` writes this file with the same explanations in it; `triaged check` tells every fault of it at once,
with file and line. Unknown keys are refused. Relative paths start at the folder that holds triaged.toml. Durations are
a number and `ms`, `s`, `m`, `h` or `d`: `"90s"`, `"5m"`, `"24h"`.

Secrets are never in this file: a key that ends in `_file` names a file that holds one. Where systemd passes a
credential of the same name (`$CREDENTIALS_DIRECTORY`), that one is taken. A secret that every user can read is refused.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a table."""

    name: str
    type: str
    """In words of TOML: `text`, `duration`, `list of text`, or the values it may have."""
    default: str | None
    """As it would be written in TOML; None: it has none, and `required` says whether it may be left out."""
    required: bool
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of triaged.toml."""

    path: tuple[str, ...]
    """`NAME` stands where the operator chooses a name."""
    array: bool
    meaning: str
    keys: tuple[Key, ...]

    @property
    def header(self) -> str:
        """The line that opens the table."""
        dotted = ".".join(self.path)
        return f"[[{dotted}]]" if self.array else f"[{dotted}]"


def tables(model: type[BaseModel] = config.Config) -> tuple[Table, ...]:
    """Every table, in the order of the models."""
    return tuple(_walk(model, (), array=False))


def markdown() -> str:
    """docs/configuration.md."""
    parts = [_INTRODUCTION]
    for table in tables():
        parts.append(f"\n## `{table.header}`\n\n{table.meaning}\n")
        if table.keys:
            parts.append("\n| key | value | default | meaning |\n|---|---|---|---|\n")
            parts.extend(_row(key) for key in table.keys)
    return "".join(parts)


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, int | float):
        return f"{value:_}" if isinstance(value, int) and value >= 10_000 else f"{value}"  # noqa: PLR2004 - reads better
    return dumps(str(value), ensure_ascii=False)


def duration(length: float) -> str:
    """Seconds as an operator writes them: `"5m"`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if length >= 2 * size and length % size == 0:
            return f"{int(length // size)}{unit}"
        if length == size:
            return f"1{unit}"
    return f"{length:g}s"


def _walk(model: type[BaseModel], path: tuple[str, ...], *, array: bool) -> Iterator[Table]:
    keys = tuple(_key(name, field) for name, field in model.model_fields.items() if _table_of(field) is None)
    if path:
        meaning = " ".join((model.__doc__ or "").split())
        yield Table(path=path, array=array, meaning=meaning, keys=keys)
    for name, field in model.model_fields.items():
        inner = _table_of(field)
        if inner is not None:
            named = get_origin(field.annotation) is dict
            yield from _walk(
                inner, (*path, name, *(("NAME",) if named else ())), array=get_origin(field.annotation) is tuple
            )


def _table_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a key that is a table itself."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _key(name: str, field: FieldInfo) -> Key:
    default: str | None = None
    if not field.is_required():
        value = field.get_default(call_default_factory=True)
        default = None if value is None else toml(duration(value) if _is_duration(field) else value)
    return Key(
        name=field.alias or name,
        type="duration" if _is_duration(field) else _type(field.annotation),
        default=default,
        required=field.is_required(),
        meaning=field.description or "",
    )


def _is_duration(field: FieldInfo) -> bool:
    return any(getattr(item, "func", None) is seconds for item in field.metadata)


def _type(annotation: Any) -> str:
    """The type in words of TOML."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{toml(value)}`" for value in args)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(arg) for arg in args if arg is not types.NoneType)
    if origin is tuple:
        return f"list of {_type(args[0])}"
    if origin is dict:
        return f"table of {_type(args[1])}"
    return {str: "text", int: "integer", float: "number", bool: "`true` or `false`", Path: "path", date: "date"}[
        annotation
    ]


def _row(key: Key) -> str:
    default = "required" if key.required else ("" if key.default is None else f"`{key.default}`")
    cells = (f"`{key.name}`", key.type, default, key.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    Path(sys.argv[1], "configuration.md").write_text(markdown(), encoding="utf-8")
