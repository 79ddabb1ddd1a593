"""Replays the gold calls of tasks through our tools, and says what came out otherwise than in the reference."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from tests.conformance import reads
from tests.conformance.retail import Call, Retail, Task
from tests.conformance.rows import differences, flat
from tests.conformance.shops import FOLDER, Shop
from tools.apply import RefusedWrite, apply
from tools.bound import Bound
from tools.catalogue import Catalogue, load
from tools.outcome import Failed, Refused
from tools.read import Rows, read
from tools.stage import stage
from tools.staged import StagedWrite

Delivery = Literal["each", "together"]
"""Each write delivered before the next call, or all of a task as one draft, as the daemon delivers them."""


@dataclass(slots=True, kw_only=True)
class Score:
    """What came of a run."""

    tasks: int = 0
    equal: int = 0
    calls: int = 0
    writes: int = 0
    refused: int = 0
    own: int = 0
    """Calls of strangers that reached the stranger's own rows."""
    public: int = 0
    """Calls of strangers about what is for sale."""
    seconds: float = 0.0
    costs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds of each `prove` (of all tools), `read`, `stage` and `apply`."""
    differences: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note how long it takes."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.costs[what].append(time.perf_counter() - begun)

    def add(self, name: str, told: Sequence[str]) -> None:
        """Note how a task ended."""
        self.tasks += 1
        self.equal += not told
        self.differences += [f"{name}: {one}" for one in told]


def prove(shop: Shop, score: Score | None = None) -> Catalogue:
    """The declared tools on a database."""
    with (score or Score()).timed("prove"):
        return load(FOLDER, {"retail": shop.database})


def replay(retail: Retail, shop: Shop, *, delivery: Delivery, tick: Callable[[], None] = lambda: None) -> Score:
    """Make every call of every task as the task's customer; before each task the rows are put back."""
    score, begun, base = Score(), time.perf_counter(), flat(retail.state)
    named = reads.named(base)
    with prove(shop, score) as catalogue:
        for task in retail.tasks:
            shop.reset()
            told = _Customer(task, named, catalogue, score).solve(task.calls, delivery)
            told += differences({**base, **flat(task.changes)}, shop.rows(), task)
            score.add(f"task {task.id}, delivered {delivery}", told)
            tick()
    score.seconds = time.perf_counter() - begun
    return score


def intrude(
    retail: Retail, shop: Shop, *, who: Callable[[Task], str | None], tick: Callable[[], None] = lambda: None
) -> Score:
    """Make every call as somebody else: no row of another comes back, and no row at all changes.

    Args:
        retail: the reference.
        shop: one database for all tasks.
        who: the sender instead of a task's customer; None: nobody is verified.
        tick: called after each task.
    """
    score, begun, base = Score(), time.perf_counter(), flat(retail.state)
    named = reads.named(base)
    users = {address: user_id for user_id, address in retail.senders().items()}
    shop.reset()
    with prove(shop, score) as catalogue:
        for task in retail.tasks:
            sender = who(task)
            stranger = _Stranger(sender, users.get(sender or "", ""), named, catalogue, score)
            score.add(f"task {task.id} as {sender}", [told for call in task.calls for told in stranger.tries(call)])
            tick()
    score.differences += differences(base, shop.rows())
    score.seconds = time.perf_counter() - begun
    return score


class _Caller:
    """A sender who calls tools on one database."""

    def __init__(self, sender: str | None, user_id: str, rows: reads.Named, catalogue: Catalogue, score: Score) -> None:
        self._user_id = user_id
        self._rows = rows
        self._catalogue = catalogue
        self._score = score
        self._bound = Bound(sender=sender, conversation="c", now=datetime(2026, 11, 3, 12, tzinfo=UTC))

    def _writes(self, call: Call) -> bool:
        return self._catalogue[call.name].kind == "write"

    def _read(self, call: Call) -> list[tuple[str, Rows]]:
        """The rows of each of our tools that are one of the reference's."""
        found = []
        for tool in reads.OURS.get(call.name, (call.name,)):
            with self._score.timed("read"):
                rows = read(self._catalogue[tool], _arguments(call), self._bound, self._catalogue)
            found.append((tool, rows))
        return found

    def _wanted(self, tool: str, call: Call) -> list[dict[str, Any]]:
        return reads.wanted(tool, _arguments(call), self._user_id, self._rows)

    def _stage(self, call: Call, earlier: Sequence[StagedWrite] = ()) -> StagedWrite:
        with self._score.timed("stage"):
            return stage(self._catalogue[call.name], _arguments(call), self._bound, self._catalogue, earlier=earlier)


class _Customer(_Caller):
    """The customer of a task."""

    def __init__(self, task: Task, rows: reads.Named, catalogue: Catalogue, score: Score) -> None:
        super().__init__(task.sender, task.user_id, rows, catalogue, score)
        self._staged: list[StagedWrite] = []
        self._delivered = 0

    def solve(self, calls: Sequence[Call], delivery: Delivery) -> list[str]:
        """What came out otherwise than in the reference."""
        told = []
        for number, call in enumerate(calls, start=1):
            self._score.calls += 1
            try:
                problem = self._make(call, delivery)
            except Refused as refused:
                self._score.refused += 1
                problem = f"was refused: {refused.detail}" if call.succeeds else ""
            except Failed as failed:
                problem = f"failed: {failed.detail}"
            else:
                problem = problem if call.succeeds else "was done, and the reference refuses it"
            told += [f"call {number}, {call.name}: {problem}"] if problem else []
        return [*told, *filter(None, [self._deliver()])]

    def _make(self, call: Call, delivery: Delivery) -> str:
        """Make one call; what is wrong with its rows, if anything.

        Raises:
            Refused: our tools refuse it.
        """
        if call.name not in self._catalogue:
            return "there is no such tool"
        if call.arguments.get("user_id", self._user_id) != self._user_id:
            raise Refused("The call is about another user.")
        if self._writes(call):
            self._score.writes += 1
            self._staged.append(self._stage(call, self._staged))
            return self._deliver() if delivery == "each" else ""
        found = self._read(call)
        if not any(rows.rows for _, rows in found):
            raise Refused("No row for this sender.")
        if self._delivered:  # the reference tells the rows before its calls and after them, not between
            return ""
        return " ".join(reads.unlike(tool, rows, self._wanted(tool, call)) for tool, rows in found).strip()

    def _deliver(self) -> str:
        """Apply what is staged, in one transaction; why that was refused, if it was."""
        if not self._staged:
            return ""
        writes, self._staged = self._staged, []
        self._delivered += 1
        with self._score.timed("apply"):
            outcome = apply(writes, self._catalogue, key=f"draft:{self._delivered}")
        return f"the delivery was refused: {outcome.detail}" if isinstance(outcome, RefusedWrite) else ""


class _Stranger(_Caller):
    """Somebody else, who makes the calls of a task."""

    def tries(self, call: Call) -> list[str]:
        """What the call reaches that is not the stranger's own, nor for everybody to see."""
        self._score.calls += 1
        if call.name not in self._catalogue:
            return [f"there is no tool {call.name}"]
        try:
            if self._writes(call):
                self._score.writes += 1
                return self._strange(call, [("", dict(each.before or {})) for each in self._stage(call).changes])
            found = self._read(call)
        except Refused:
            self._score.refused += 1
            return []
        except Failed as failed:
            return [f"{call.name} failed: {failed.detail}"]
        if all(self._catalogue[tool].scope == "public" for tool, _ in found):
            self._score.public += 1
            return []
        return self._strange(call, [(tool, dict(row)) for tool, each in found for row in each.rows])

    def _strange(self, call: Call, rows: list[tuple[str, dict[str, Any]]]) -> list[str]:
        """Rows that are not the stranger's: read by a tool, or changed by a write without a name of a tool."""
        if not rows:
            self._score.refused += 1
            return []
        self._score.own += 1
        strange = [
            row
            for tool, row in rows
            if not (reads.among(row, self._wanted(tool, call)) if tool else row.get("user_id") == self._user_id)
        ]
        return [f"{call.name} reaches {row}" for row in strange]


def _arguments(call: Call) -> dict[str, Any]:
    """What a model would say: the user is never among it, since the sender is bound."""
    return {name: value for name, value in call.arguments.items() if name != "user_id"}
