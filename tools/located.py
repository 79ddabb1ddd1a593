"""Reads the operator's TOML and tells every fault with its file and line."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tools.errors import Permanent

Model = TypeVar("Model", bound=BaseModel)
Key = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(
    r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_PART = re.compile(r"[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'")
_LINE = re.compile(r"at line (\d+)")
# What decides whether a line begins inside a value: comments and strings, which may hold anything, brackets, line ends.
_TOKEN = re.compile(
    r"""\#[^\n]* | "{3}(?:\\.|[^\\])*?"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*' | [\[\]{}\n]""",
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a file of the operator."""

    path: Path
    line: int | None = None
    """Counted from 1; None when the fault is the file itself."""
    message: str
    """What is wrong and what to do, as a sentence."""

    def __str__(self) -> str:
        """Written as compilers do, so that editors jump to it."""
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"


class Faults(Permanent):
    """The configuration has faults: all of them, so that one run of `triaged check` shows the whole work."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A TOML file and where each of its keys stands."""

    path: Path
    data: dict[str, Any]
    lines: dict[Key, int] = field(default_factory=dict)

    def line(self, key: Sequence[str | int]) -> int | None:
        """The line of a key, or of the nearest table around it."""
        at = tuple(key)
        while at:
            if at in self.lines:
                return self.lines[at]
            at = at[:-1]
        return None

    def fault(self, key: Sequence[str | int], message: str) -> Fault:
        """A fault at a key."""
        return Fault(path=self.path, line=self.line(key), message=message)


def load(path: Path) -> Document:
    """Read a TOML file.

    Raises:
        Faults: the file is missing, unreadable, not UTF-8 or not TOML; the message names the line.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise Faults(
            [Fault(path=path, message="The file does not exist. Write it, or run `triaged init DIR`.")]
        ) from None
    except OSError as error:
        raise Faults(
            [Fault(path=path, message=f"The file can't be read: {error.strerror}. Check its owner and mode.")]
        ) from error
    except UnicodeDecodeError as error:
        raise Faults([Fault(path=path, message="The file is not UTF-8. Save it as UTF-8.")]) from error
    return parse(text, path)


def parse(text: str, path: Path) -> Document:
    """Read TOML text that came from `path`.

    Raises:
        Faults: the text is not TOML.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        line = int(found.group(1)) if found else text.count("\n") + 1
        message = f"This is not valid TOML: {_LINE.sub('here', str(error))}. Correct the line."
        raise Faults([Fault(path=path, line=line, message=message)]) from error
    return Document(path=path, data=data, lines=_locate(text))


def _locate(text: str) -> dict[Key, int]:
    """Map each key path to its line (from 1), with an index for each element of an array of tables."""
    lines: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    continued = _continued(text)
    for number, line in enumerate(text.split("\n"), start=1):
        if number in continued:
            continue
        if header := _HEADER.match(line):
            table = _enter(_parts(header.group(2)), counts, array=header.group(1) == "[[")
            lines[table] = number
        elif assignment := _ASSIGNMENT.match(line):
            lines.setdefault(table + _parts(assignment.group(1)), number)
    return lines


def _continued(text: str) -> set[int]:
    """The lines that begin inside a value: a string or an array of several lines. The text is valid TOML."""
    inside: set[int] = set()
    line, depth = 1, 0
    for token in _TOKEN.finditer(text):
        breaks = token.group().count("\n")
        if token.group() in ("[", "{"):
            depth += 1
        elif token.group() in ("]", "}"):
            depth -= 1
        elif depth or token.group() != "\n":
            inside.update(range(line + 1, line + breaks + 1))
        line += breaks
    return inside


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _enter(parts: tuple[str, ...], counts: dict[Key, int], *, array: bool) -> Key:
    """The key path that a header opens; each array of tables on the way contributes its current index."""
    path: Key = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        if array and position == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def validate(document: Document, model: type[Model], *, at: Key = ()) -> Model:
    """Check a part of the document against a model.

    Raises:
        Faults: one fault for each thing that is wrong, with the line of the key and, for an unknown key, the
            nearest known one.
    """
    data: Any = document.data
    for part in at:
        data = data[part]
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Faults(_fault(document, model, at, detail) for detail in error.errors(include_url=False)) from error


def _fault(document: Document, model: type[BaseModel], at: Key, detail: ErrorDetails) -> Fault:
    key = (*at, *detail["loc"])
    name = ".".join(str(part) for part in detail["loc"]) or "the table"
    if detail["type"] == "extra_forbidden":
        known = _fields(model, detail["loc"][:-1])
        return document.fault(key, unknown(str(detail["loc"][-1]), known, "key"))
    if detail["type"] == "missing":
        return document.fault(key, f"`{name}` is missing. Add it.")
    told = detail["msg"].removeprefix("Value error, ").rstrip(".")
    return document.fault(key, f"`{name}`: {told}.")


def unknown(name: str, known: Iterable[str], kind: str) -> str:
    """The sentence for a name that we don't know, with the nearest one that we do."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"Unknown {kind} `{name}`. Did you mean `{near[0]}`?"
    return f"Unknown {kind} `{name}`. Known: {', '.join(names) or 'none'}."


def _fields(model: type[BaseModel], loc: Key) -> set[str]:
    """The keys that the table at `loc` may have, followed through nested models, dicts and lists."""
    current: Any = model
    for part in loc:
        fields = _model_fields(current)
        if isinstance(part, str) and part in fields:
            current = fields[part]
        else:
            current = next((arg for arg in get_args(current) if _is_table(arg)), current)
    return set(_model_fields(current))


def _model_fields(annotation: Any) -> dict[str, Any]:
    candidates = [annotation, *get_args(annotation)]
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return {info.alias or name: info.annotation for name, info in candidate.model_fields.items()}
    return {}


def _is_table(annotation: Any) -> bool:
    return bool(_model_fields(annotation))
