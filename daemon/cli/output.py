"""What commands print: tables on a terminal, tab-separated text elsewhere, JSON with stable keys where asked for."""

import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from json import dumps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from daemon import config
from tools.located import Fault, Faults

Item = TypeVar("Item")
Columns = Mapping[str, str]
"""Key of a row to the heading of its column, in order."""
Brief = Callable[[dict[str, Any]], Mapping[str, Any]]

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="DIR",
        envvar="TRIAGED_CONFIG",
        help="Configuration. Default: this directory if it holds triaged.toml, else /etc/triaged.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_SYSTEM = Path("/etc/triaged")
# C0 and C1 controls, and what turns the direction of text: a mail must not write on the reviewer's screen.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_STEPS = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (float("inf"), 86_400, "d"))


def resolve_config(directory: Path | None) -> Path:
    """The configuration directory that a command works on.

    Raises:
        Faults: there is no triaged.toml in it.
    """
    here = Path()
    if directory is not None and directory.name == config.FILE:
        directory = directory.parent
    chosen = directory or (here if (here / config.FILE).exists() else _SYSTEM)
    if not (chosen / config.FILE).exists():
        message = "The file does not exist. Name the configuration with --config DIR, or write one: triaged init DIR"
        raise Faults([Fault(path=chosen / config.FILE, message=message)])
    return chosen


def naming(directory: Path | None) -> str:
    """How the next command must name the configuration, where this one had to."""
    return f" --config {shlex.quote(str(directory))}" if directory is not None else ""


def emit(
    value: Any,
    *,
    as_json: bool,
    columns: Columns | None = None,
    empty: str = "Nothing.",
    cut: Collection[str] = (),
    brief: Brief = dict,
) -> None:
    """Print a value: a list as a table, a mapping as `key: value` lines, anything else as text.

    Args:
        value: mappings, dataclasses, and lists of them.
        as_json: print the value as JSON with every key it has, whatever `columns` says.
        columns: which keys a table shows, and their headings; default: all keys.
        empty: printed for an empty list.
        cut: keys of a table whose cells are cut to what fits on one line of a terminal; none: cells take more lines.
        brief: what a person at a terminal needs of a row; columns that are empty in every row are left out there.
    """
    plain = to_plain(value)
    if as_json:
        typer.echo(dumps(plain, indent=2, ensure_ascii=False))
    elif isinstance(plain, list):
        rows = [row if isinstance(row, dict) else {"": row} for row in _shallow(value)]
        if not rows:
            note(empty)
        elif sys.stdout.isatty():
            _table([brief(row) for row in rows], columns, cut)
        else:
            _tabbed(rows, columns)
    elif isinstance(plain, dict):
        _pairs(_shallow([value])[0], columns)
    else:
        say(str(plain))


def say(text: str) -> None:
    """Print text that may hold words of a mail."""
    typer.echo(printable(text))


def note(text: str) -> None:
    """Tell a person something beside the output: on standard error."""
    typer.echo(printable(text), err=True)


def printable(text: str) -> str:
    """The text without what could steer a terminal; line breaks and tabs stay."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def age(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, in the largest unit: `3 min`, `2 d`; `in 5 min` for what is to come."""
    passed = ((now or datetime.now(UTC)) - moment).total_seconds()
    size, unit = next((size, unit) for below, size, unit in _STEPS if abs(passed) < below)
    words = f"{int(abs(passed) // size)} {unit}"
    return f"in {words}" if passed < 0 else words


def to_plain(value: Any) -> Any:
    """The value as JSON types: moments in ISO 8601, enumerations as their value, paths and decimals as text."""
    if isinstance(value, str | int | float | bool | None) and not isinstance(value, Enum):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [to_plain(item) for item in value]
    return str(value)


@contextmanager
def progress(items: Sequence[Item], label: str) -> Iterator[Iterator[Item]]:
    """Go through items with a bar on a terminal, and a line each tenth elsewhere; both on standard error."""
    if not sys.stderr.isatty():
        yield _counted(items, label)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield iter(bar.track(items, description=label))


def _counted(items: Sequence[Item], label: str) -> Iterator[Item]:
    every = max(1, len(items) // 10)
    for number, item in enumerate(items, start=1):
        yield item
        if number % every == 0 or number == len(items):
            note(f"{label}: {number} of {len(items)}")


def _shallow(rows: Iterable[Any]) -> list[Any]:
    return [asdict(row) if is_dataclass(row) and not isinstance(row, type) else row for row in rows]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return age(value) if sys.stdout.isatty() else value.isoformat(timespec="seconds")
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_cell(item) for item in value)
    return printable(str(to_plain(value)))


def _tabbed(rows: Sequence[Mapping[str, Any]], columns: Columns | None) -> None:
    shown = columns or {key: key.replace("_", " ") for key in rows[0]}
    cells = [[_cell(row.get(key)) for key in shown] for row in rows]
    for line in ([*shown.values()], *cells):
        typer.echo("\t".join(" ".join(cell.split()) for cell in line))


def _table(rows: Sequence[Mapping[str, Any]], columns: Columns | None, cut: Collection[str]) -> None:
    named = columns or {key: key.replace("_", " ") for key in rows[0]}
    shown = {key: heading for key, heading in named.items() if any(_cell(row.get(key)) for row in rows)}
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, heading in shown.items():
        fixed = key not in cut if cut else key == next(iter(shown))
        table.add_column(heading, overflow="fold", no_wrap=fixed)
    for row in rows:
        cells = {key: _cell(row.get(key)) for key in shown}
        # a subject may hold line breaks; a cell that is cut is one line
        table.add_row(
            *(
                Text(" ".join(cell.split()), no_wrap=True, overflow="ellipsis") if key in cut else Text(cell)
                for key, cell in cells.items()
            )
        )
    Console(no_color="NO_COLOR" in os.environ).print(table)


def _pairs(row: Mapping[str, Any], columns: Columns | None) -> None:
    shown = columns or {key: key.replace("_", " ") for key in row}
    width = max((len(heading) for heading in shown.values()), default=0)
    for key, heading in shown.items():
        line = f"{heading:<{width}}  {_cell(row.get(key))}"
        typer.echo(_wrapped(line, width + 2) if sys.stdout.isatty() else line)


def _wrapped(line: str, indent: int) -> str:
    columns = shutil.get_terminal_size().columns
    return textwrap.fill(line, columns, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
