"""`make conformance`: the tasks of τ²-bench's retail domain through our tools, on SQLite and on PostgreSQL."""

import os
import statistics
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from tests.conformance.replay import Score, intrude, replay
from tests.conformance.retail import Retail, Task, load
from tests.conformance.rows import flat
from tests.conformance.shops import FOLDER, Shop, postgres_shop, sqlite_shop
from tests.fixtures.postgres import QUICK, cluster

_DATA = Path(__file__).parents[3] / "shared" / "data" / "tau2-retail"
_SHOWN = 50
_WIDTH = 110
_UNKNOWN = "nobody@nowhere.example"


def main() -> int:
    """0: all equal; 1: not, with the differences; 2: there is no data."""
    folder = Path(os.environ.get("TRIAGED_CONFORMANCE") or _DATA)
    try:
        retail = load(folder)
    except OSError as error:
        sys.stderr.write(
            f"The reference data can't be read: {error}. Set TRIAGED_CONFORMANCE to the folder with db.json, "
            "tools.json and tasks.json of the retail domain.\n"
        )
        return 2
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    runs = [(engine, name, score) for engine, shop in _engines(retail) for name, score in _runs(retail, engine, shop)]
    console.print(_outcomes(runs), _costs(runs), _statements())
    told = [f"{engine}: {one}" for engine, _, score in runs for one in score.differences]
    more = [f"… and {len(told) - _SHOWN} more differences."] if len(told) > _SHOWN else []
    sys.stdout.writelines(f"{line}\n" for line in [*told[:_SHOWN], *more])
    return 1 if told else 0


def _engines(retail: Retail) -> Iterator[tuple[str, Shop]]:
    with tempfile.TemporaryDirectory() as folder:
        yield "sqlite", sqlite_shop(flat(retail.state), Path(folder))
    with cluster(QUICK) as port, postgres_shop(flat(retail.state), port) as shop:
        yield "postgresql", shop


def _runs(retail: Retail, engine: str, shop: Shop) -> Iterator[tuple[str, Score]]:
    senders = sorted(retail.senders().values())

    def another(task: Task) -> str:
        return senders[(senders.index(task.sender) + 1) % len(senders)]

    runs: dict[str, Callable[[Callable[[], None]], Score]] = {
        "customer, each write": lambda tick: replay(retail, shop, delivery="each", tick=tick),
        "customer, one draft": lambda tick: replay(retail, shop, delivery="together", tick=tick),
        "another customer": lambda tick: intrude(retail, shop, who=another, tick=tick),
        "unknown address": lambda tick: intrude(retail, shop, who=lambda _: _UNKNOWN, tick=tick),
        "nobody verified": lambda tick: intrude(retail, shop, who=lambda _: None, tick=tick),
    }
    for name, run in runs.items():
        with _progress(f"{engine}: {name}", len(retail.tasks)) as tick:
            score = run(tick)
        yield name, score


@contextmanager
def _progress(name: str, total: int) -> Iterator[Callable[[], None]]:
    if not sys.stderr.isatty():
        sys.stderr.write(f"{name}\n")
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=total)
        yield lambda: progress.advance(task)


def _outcomes(runs: list[tuple[str, str, Score]]) -> Table:
    table = Table(title="Replayed", title_justify="left")
    for heading in ("engine", "sender"):
        table.add_column(heading)
    for heading in ("tasks", "equal", "calls", "writes", "refused", "own rows", "public", "seconds"):
        table.add_column(heading, justify="right")
    for engine, name, score in runs:
        counts = (score.tasks, score.equal, score.calls, score.writes, score.refused, score.own, score.public)
        table.add_row(engine, name, *map(str, counts), f"{score.seconds:.1f}")
    return table


def _costs(runs: list[tuple[str, str, Score]]) -> Table:
    table = Table(title="Median milliseconds", title_justify="left")
    table.add_column("engine")
    for heading in ("prove all tools", "read", "stage", "apply"):
        table.add_column(heading, justify="right")
    for engine in dict.fromkeys(engine for engine, _, _ in runs):
        of = [score.costs for each, _, score in runs if each == engine]
        cells = [[second for costs in of for second in costs[what]] for what in ("prove", "read", "stage", "apply")]
        table.add_row(engine, *(f"{statistics.median(cell) * 1000:.1f}" if cell else "" for cell in cells))
    return table


def _statements() -> str:
    tools = tomllib.loads((FOLDER / "tools.toml").read_text())["tool"]
    statements: list[Any] = []
    for tool in tools:
        statements += [tool[key] for key in ("statement", "amount_statement") if key in tool]
        statements += [part["statement"] for key in ("guard", "step") for part in tool.get(key, ())]
    twice = sum(isinstance(statement, dict) for statement in statements)
    return (
        f"{len(tools)} tools of {len(statements)} statements; {twice} are written for each engine, the rest once.\n"
        "own rows: the call names no user, so that a stranger is told of themselves. PostgreSQL runs without fsync."
    )


if __name__ == "__main__":
    sys.exit(main())
