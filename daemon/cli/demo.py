"""`triaged demo`: shows what happens to the mails of a sample shop, with nothing to configure."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.output import JsonOption, emit, note, say
from daemon.errors import NotPossible

if TYPE_CHECKING:
    from rich.table import Table

    from daemon.demo import Demo, Ending

_PATIENCE = {"embedded": 60.0, "anthropic": 600.0}
"""Seconds until a mail that has not ended counts as failed."""
_COLOURS = {"sent": "green", "held": "yellow", "ignored": "bright_black", "waiting": "default"}


class Brain(StrEnum):
    """What plays the model."""

    EMBEDDED = "embedded"
    ANTHROPIC = "anthropic"


def command(
    seed: Annotated[int, typer.Option(help="Other customers, orders, words and languages.")] = 0,
    brain: Annotated[Brain, typer.Option(help="anthropic: Claude; ANTHROPIC_API_KEY must be set.")] = Brain.EMBEDDED,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="DIR",
            help="Keep everything there. An earlier demo goes on: what you approved leaves. Default: new, in /tmp.",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on until Ctrl-C: what you approve meanwhile leaves at once.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the whole thing on a sample shop: mails come in over LMTP, the real daemon works, a server keeps replies."""
    if brain is Brain.ANTHROPIC and not os.environ.get("ANTHROPIC_API_KEY"):
        raise NotPossible("There is no ANTHROPIC_API_KEY. Set it, or leave --brain out: the embedded brain needs none.")
    chosen = (directory or Path(tempfile.mkdtemp(prefix="triaged-demo-"))).absolute()
    if asyncio.run(_run(chosen, seed=seed, brain=brain, keep=keep, as_json=as_json)):
        raise typer.Exit(1)


async def _run(directory: Path, *, seed: int, brain: Brain, keep: bool, as_json: bool) -> int:
    """The number of mails that did not end as they must."""
    from daemon import demo

    began = time.monotonic()
    again = demo.begun(directory)
    note(f"Going on with {directory} …" if again else "Building a shop and starting the daemon …")
    failed = 0
    with _logged(directory / demo.LOG):
        async with demo.Demo(directory, seed=seed, brain=brain.value) as running:
            if again:
                gone, left = await running.leave(patience=_PATIENCE[brain])
                say(f"{gone} approved replies left{f', {left} did not' if left else ''}: {running.sent}/new")
                failed = left
            else:
                endings = await _watch(running, patience=_PATIENCE[brain], quiet=as_json)
                failed = sum(bool(ending.problems) for ending in endings)
                about = {"seconds": round(time.monotonic() - began, 1), "seed": seed, "brain": brain.value}
                _tell(endings, {**about, "directory": directory}, as_json=as_json)
            if keep:
                await _interrupted()
    return failed


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Send the log to a file: the terminal belongs to the display."""
    from daemon.config import WatchConfig
    from daemon.watch import logs

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        told = f"{path.parent} can't be written: {error.strerror}. Choose another directory for --dir."
        raise NotPossible(told) from error
    with file:
        logs.configure(WatchConfig(), stream=file)
        yield


async def _watch(running: "Demo", *, patience: float, quiet: bool) -> "tuple[Ending, ...]":
    """Deliver the mails and show what becomes of them."""
    endings: tuple[Ending, ...] = ()
    with _view(quiet=quiet) as show:
        delivery = asyncio.create_task(running.deliver())
        async for endings in running.settle(patience=patience):
            show(endings)
            if delivery.done():
                delivery.result()  # a mail that could not be handed over ends the demo at once
        await delivery
    return endings


class _Lines:
    """Off a terminal: a line for each mail as soon as it has ended."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._told: set[str] = set()

    def __call__(self, endings: "Sequence[Ending]") -> None:
        for ending in endings:
            if ending.outcome == "waiting" or ending.name in self._told or self._quiet:
                continue
            self._told.add(ending.name)
            say(f"{ending.outcome:<8} {ending.name:<28} {_why(ending)}")


class _Screen:
    """On a terminal: a table that changes in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.live = Live(console=Console(no_color="NO_COLOR" in os.environ), refresh_per_second=10)

    def __call__(self, endings: "Sequence[Ending]") -> None:
        self.live.update(_table(endings))


@contextmanager
def _view(*, quiet: bool) -> "Iterator[_Lines | _Screen]":
    if quiet or not sys.stdout.isatty():
        yield _Lines(quiet=quiet)
        return
    screen = _Screen()
    with screen.live:
        yield screen


def _table(endings: "Sequence[Ending]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("sample mail", no_wrap=True, width=27)
    table.add_column("outcome", no_wrap=True, width=7)
    for heading in ("subject", "why"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1)
    for ending in endings:
        colour = "red" if ending.problems and ending.outcome != "waiting" else _COLOURS[ending.outcome]
        outcome = "…" if ending.outcome == "waiting" else ending.outcome
        cells = (Text(ending.name), Text(outcome, style=colour), Text(ending.subject), Text(_why(ending)))
        table.add_row(*cells)
    return table


def _why(ending: "Ending") -> str:
    if ending.outcome == "waiting":
        return ""
    if ending.problems:
        return f"WRONG: {'; '.join(ending.problems)} ({', '.join(ending.reasons) or ending.sender})"
    if ending.outcome == "sent":
        return f"to {ending.sender}"
    return (
        f"{ending.reasons[0]} and {len(ending.reasons) - 1} more"
        if len(ending.reasons) > 1
        else "".join(ending.reasons)
    )


def _tell(endings: "Sequence[Ending]", about: Mapping[str, Any], *, as_json: bool) -> None:
    counts = Counter(ending.outcome for ending in endings)
    told = {
        "received": len(endings),
        **{outcome: counts[outcome] for outcome in ("sent", "held", "ignored")},
        "failed": sum(bool(ending.problems) for ending in endings),
    }
    if as_json:
        emit({**told, **about, "mails": list(endings)}, as_json=True)
        return
    say("\n" + ", ".join(f"{count} {name}" for name, count in told.items()) + f", in {about['seconds']} s.\n")
    directory = about["directory"]
    triaged = "triaged" if shutil.which("triaged") else sys.argv[0]
    held = next((ending.draft for ending in endings if ending.outcome == "held" and ending.draft), "ID")
    for what, how in (
        ("What was sent", f"{directory}/sent/new"),
        ("What is held", f"{triaged} drafts list --config {directory}"),
        ("One of them", f"{triaged} drafts show {held} --config {directory}"),
        ("Approve it", f"{triaged} drafts approve {held} --config {directory}"),
        ("and let it leave", f"{triaged} demo --dir {directory}"),
        ("What was ignored", f"{triaged} messages list --outcome ignored --config {directory}"),
        ("The log", f"{directory}/demo.log"),
    ):
        say(f"{what:<17} {how}")


async def _interrupted() -> None:
    note("Going on until Ctrl-C: what you approve in another terminal leaves at once.")
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
