"""`triaged demo`: shows what happens to the mails of a sample shop, with nothing to configure."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.output import JsonOption, emit, note, say
from daemon.errors import NotPossible

if TYPE_CHECKING:
    from rich.table import Table

    from daemon.demo import Ending

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
        Path | None, typer.Option("--dir", metavar="DIR", help="Keep everything there. Default: a new one in /tmp.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on until Ctrl-C: what you approve meanwhile leaves at once.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the whole thing on a sample shop: mails come in over LMTP, the real daemon works, a server keeps replies."""
    if brain is Brain.ANTHROPIC and not os.environ.get("ANTHROPIC_API_KEY"):
        raise NotPossible("There is no ANTHROPIC_API_KEY. Set it, or leave --brain out: the embedded brain needs none.")
    chosen = directory or Path(tempfile.mkdtemp(prefix="triaged-demo-"))
    if asyncio.run(_run(chosen, seed=seed, brain=brain, keep=keep, as_json=as_json)):
        raise typer.Exit(1)


async def _run(directory: Path, *, seed: int, brain: Brain, keep: bool, as_json: bool) -> int:
    """The number of mails that did not end as they must."""
    from daemon import demo
    from daemon.config import WatchConfig
    from daemon.watch import logs

    began = time.monotonic()
    note("Building a shop and starting the daemon …")
    with open(demo.empty(directory) / "demo.log", "w", encoding="utf-8") as log:  # noqa: ASYNC230, PTH123 - nothing else runs yet
        logs.configure(WatchConfig(), stream=log)
        async with demo.Demo(directory, seed=seed, brain=brain.value) as running:
            endings: tuple[Ending, ...] = ()
            with _view(quiet=as_json) as show:
                delivery = asyncio.create_task(running.deliver())
                async for endings in running.settle(patience=_PATIENCE[brain]):
                    show(endings)
                    if delivery.done():
                        delivery.result()  # a mail that could not be handed over ends the demo at once
                await delivery
            _tell(endings, directory, seed=seed, brain=brain, seconds=time.monotonic() - began, as_json=as_json)
            if keep:
                await _interrupted()
    return sum(bool(ending.problems) for ending in endings)


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

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("sample mail", "subject", "outcome", "why"):
        table.add_column(heading, no_wrap=heading != "why", overflow="ellipsis")
    for ending in endings:
        colour = "red" if ending.problems and ending.outcome != "waiting" else _COLOURS[ending.outcome]
        outcome = "…" if ending.outcome == "waiting" else ending.outcome
        cells = (Text(ending.name), Text(ending.subject), Text(outcome, style=colour), Text(_why(ending)))
        table.add_row(*cells)
    return table


def _why(ending: "Ending") -> str:
    if ending.outcome == "waiting":
        return ""
    if ending.problems:
        return f"WRONG: {'; '.join(ending.problems)} {', '.join(ending.reasons)}".rstrip()
    return f"to {ending.sender}" if ending.outcome == "sent" else ", ".join(ending.reasons)


def _tell(
    endings: "Sequence[Ending]", directory: Path, *, seed: int, brain: Brain, seconds: float, as_json: bool
) -> None:
    counts = Counter(ending.outcome for ending in endings)
    failed = sum(bool(ending.problems) for ending in endings)
    told = {
        "received": len(endings),
        **{outcome: counts[outcome] for outcome in ("sent", "held", "ignored")},
        "failed": failed,
    }
    if as_json:
        more = {"seconds": round(seconds, 1), "seed": seed, "brain": brain.value, "directory": directory.absolute()}
        emit({**told, **more, "mails": list(endings)}, as_json=True)
        return
    say("\n" + ", ".join(f"{count} {name}" for name, count in told.items()) + f", in {seconds:.1f} s.\n")
    triaged = "triaged" if shutil.which("triaged") else sys.argv[0]
    held = next((ending.draft for ending in endings if ending.outcome == "held" and ending.draft), None)
    say(f"What was sent   {directory}/sent/new")
    say(f"What is held    {triaged} drafts list --config {directory}")
    if held:
        say(f"One of them     {triaged} drafts show {held} --config {directory}")
        say(f"Approve it      {triaged} drafts approve {held} --config {directory}")
        say("                It leaves while the daemon runs: `triaged demo --keep` goes on until Ctrl-C.")
    say(f"What was ignored {triaged} messages list --outcome ignored --config {directory}")
    say(f"The log         {directory}/demo.log")


async def _interrupted() -> None:
    note("Going on until Ctrl-C: what you approve in another terminal leaves at once.")
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
