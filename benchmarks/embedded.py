"""Measures the embedded brain on mails that were written without sight of its examples: precision, coverage, time.

`python -m benchmarks.embedded [--show]` drives the shipped handler through the agent. Every order and article that a
mail names exists and belongs to its sender, and every write is possible: what a real database refuses holds more mails,
it never sends one. A mail is answered when nothing but the operator's own rules would keep its reply from being sent.
"""

import argparse
import asyncio
import math
import os
import statistics
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from daemon.brain.embedded import Embedded
from handlers import catalogue as handler_catalogue
from handlers import finding
from handlers.agent import Agent
from handlers.contract import (
    Context,
    Handler,
    Message,
    Proposal,
    Row,
    Sender,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
    Usage,
)
from handlers.toolbox import Toolbox
from tools import catalogue
from tools.bound import Bound
from tools.catalogue import Catalogue
from tools.confine import Database
from tools.samples import shop
from tools.tool import Column, Tool

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "tests" / "mails" / "independent"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
_SHOWN: Mapping[str, Any] = {
    "money": 1999,
    "date": "2026-11-20",
    "datetime": "2026-11-20T10:00:00+00:00",
    "integer": 3,
    "decimal": "1.5",
    "link": "https://shop.example/x",
    "text": "x",
}


class Obliging:
    """Tools that find whatever they are asked for; two orders where nobody says which."""

    def __init__(self, handler: Handler, tools: Catalogue) -> None:
        """Take the specifications of a verified sender's tools."""
        bound = Bound(sender="someone@customer.example", conversation="c", now=NOW)
        sender = Sender(address="someone@customer.example", verdict="verified")
        self._specs = Toolbox(handler=handler, catalogue=tools, bound=bound, sender=sender, run=_never).specs()
        self._handler = handler
        self._tools = tools

    def specs(self) -> tuple[ToolSpec, ...]:
        """As the toolbox gives them."""
        return self._specs

    async def prefetch(self, message: Message) -> tuple[ToolResult, ...]:
        """The prefetched reads, for what the mail names."""
        text = f"{message.subject}\n{message.text}"
        return tuple(
            self._found(ToolCall(id=f"{name}{number}", name=name, arguments=arguments))
            for name in self._handler.prefetch
            for number, arguments in enumerate(finding.arguments(self._tools[name], text))
        )

    async def call(self, call: ToolCall) -> ToolResult:
        """Any call succeeds."""
        return self._found(call)

    def restore(self, results: Sequence[ToolResult]) -> None:
        """Nothing is ever taken up here."""

    def _found(self, call: ToolCall) -> ToolResult:
        tool = self._tools[call.name]
        count = 0 if tool.kind == "write" else 2 if tool.rows > 1 and not tool.params else 1
        rows = tuple(_row(tool, number, call.arguments) for number in range(count))
        return ToolResult(call=call, outcome="ok", content="", rows=rows)


def _row(tool: Tool, number: int, arguments: Mapping[str, Any]) -> Row:
    values = {name: arguments.get(name) or _value(column, number) for name, column in tool.columns.items()}
    return Row(reference=f"{tool.result}{number + 1}" if number else tool.result, tool=tool.name, values=values)


def _value(column: Column, number: int) -> Any:
    if column.type == "state":
        return next(iter(column.words), "x")
    return f"{_SHOWN['text']}{number}" if column.type == "text" else _SHOWN[column.type]


def _never(_work: Any) -> Any:
    raise AssertionError("No database is asked here.")


class _Journal:
    def turns(self) -> Sequence[Turn]:
        return ()

    async def record(self, turn: Turn) -> None:
        del turn


class _Budget:
    max_turns = 8

    def spend(self, usage: Usage) -> str | None:
        del usage
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one mail."""

    expected: str
    got: str
    """Category of the reply that would be sent; empty: none would."""
    parameters: bool
    """The order looked up is the one that the corpus names."""
    held: str
    """Why it would be held, in a word or two."""
    milliseconds: float
    mail: str

    @property
    def right(self) -> bool:
        """Sent, and rightly so."""
        return self.got == self.expected and self.parameters


def corpus() -> Iterator[dict[str, Any]]:
    """The independent mails, in the order of their files."""
    for path in sorted(CORPUS.glob("*.toml")):
        yield from tomllib.loads(path.read_text(encoding="utf-8"))["mail"]


async def triage(mail: Mapping[str, Any], handler: Handler, tools: Catalogue, brain: Embedded) -> Result:
    """Run one mail through the agent."""
    message = Message(
        sender=Sender(address="someone@customer.example", verdict="verified"),
        subject=mail["subject"],
        text=mail["text"].strip(),
        language=mail["language"],
    )
    columns = {name: tool.columns for name, tool in tools.tools.items()}
    context = Context(
        brain=brain, tools=Obliging(handler, tools), journal=_Journal(), budget=_Budget(), now=NOW, columns=columns
    )
    began = time.perf_counter()
    proposal = await Agent().run(handler, message, context)
    elapsed = (time.perf_counter() - began) * 1000
    looked_up = {
        str(value) for result in proposal.results for name, value in result.call.arguments.items() if name == "order_id"
    }
    named = {str(mail["order_id"])} if mail.get("order_id") else looked_up
    return Result(
        expected=mail["category"],
        got=proposal.category if _sent(proposal, handler) else "",
        parameters=looked_up <= named,
        held=_held(proposal, handler),
        milliseconds=elapsed,
        mail=f"{mail['subject']} | {' '.join(mail['text'].split())[:150]}",
    )


def _sent(proposal: Proposal, handler: Handler) -> bool:
    category = handler.category(proposal.category)
    held = proposal.escalation or proposal.missing or proposal.faults or not proposal.body
    return bool(category and category.auto == "on" and not held)


def _held(proposal: Proposal, handler: Handler) -> str:
    category = handler.category(proposal.category)
    if category is None:
        return "not sure" if "not sure enough" in proposal.escalation else "something else"
    if category.auto != "on":
        return "filed for a person"
    if proposal.missing:
        return "something missing"
    return "ambiguous or conditional" if proposal.escalation else "no reply" if proposal.faults else ""


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not total:
        return 0.0, 1.0
    share = hits / total
    middle, spread = share + z * z / (2 * total), z * math.sqrt(share * (1 - share) / total + z * z / (4 * total**2))
    return (middle - spread) / (1 + z * z / total), (middle + spread) / (1 + z * z / total)


def report(results: Sequence[Result], automatic: Collection[str]) -> None:
    """Print a line a category, and the sum."""
    print(f"{'category':18}{'mails':>6}{'right':>7}{'wrong':>7}{'held':>6}{'coverage':>10}")
    for name in dict.fromkeys(result.expected for result in results):
        mine = [result for result in results if result.expected == name]
        right, sent = sum(result.right for result in mine), sum(bool(result.got) for result in mine)
        print(f"{name:18}{len(mine):6}{right:7}{sent - right:7}{len(mine) - sent:6}{right / len(mine):10.1%}")
    sent = sum(bool(result.got) for result in results)
    right = sum(result.right for result in results)
    low, high = wilson(right, sent)
    print(
        f"\nprecision of what would be sent: {right}/{sent} = {right / max(sent, 1):.1%} (95 %: {low:.1%}-{high:.1%})"
    )
    answerable = sum(result.expected in automatic for result in results)
    print(f"coverage of the automatic categories: {right / answerable:.1%}; of all mails: {right / len(results):.1%}")
    times = sorted(result.milliseconds for result in results)
    print(f"ms per mail: median {statistics.median(times):.1f}, p95 {times[int(len(times) * 0.95)]:.1f}")
    for name, count in Counter(result.held for result in results if not result.got).most_common():
        print(f"held: {count} {name}")
    wrong = Counter((result.expected, result.got) for result in results if result.got and not result.right)
    for (expected, got), count in wrong.most_common():
        print(f"wrong: {count} of {expected} answered as {got}")


async def _started(handler: Handler) -> tuple[float, Embedded]:
    began = time.perf_counter()
    brain = Embedded()
    await brain.start(handler)
    return time.perf_counter() - began, brain


async def measure(*, show: bool) -> None:
    """Fit, run every mail, print."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "shop.db"
        shop.build(database, today=date(2026, 11, 23))
        declared = Path(folder) / "tools"
        declared.mkdir()
        (declared / "shop.toml").write_bytes((ROOT / "tools" / "shop.toml").read_bytes())
        tools = catalogue.load(declared, {"shop": Database(name="shop", url=f"sqlite:///{database}")})
        handler = handler_catalogue.load(ROOT / "handlers", tools.tools)["customer_service"]
        os.environ["CACHE_DIRECTORY"] = folder
        first, _ = await _started(handler)
        later, brain = await _started(handler)
        print(f"first start: {first * 1000:.0f} ms to import and learn; later ones: {later * 1000:.0f} ms\n")
        results = [await triage(mail, handler, tools, brain) for mail in corpus()]
        report(results, {category.name for category in handler.categories if category.auto == "on"})
        for result in results:
            if show and result.got and not result.right:
                print(f"\n{result.expected} -> {result.got}: {result.mail}")
        await brain.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the mails that were answered wrongly")
    asyncio.run(measure(show=parser.parse_args().show))
