"""Runs the attempts on an example and counts, goal by goal, what became of them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from tests.attack import effects, goals
from tests.attack.attempt import Attempt
from tests.attack.poison import poison
from tests.attack.world import Ended, World, build


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What became of the attempts at a goal."""

    goal: str
    tries: int
    breaches: tuple[tuple[str, str], ...]
    sent: int
    held: int
    refused: int
    """Tool calls that were refused."""
    writes: int
    """Replies that left with a write."""

    @property
    def reached(self) -> int:
        """Attempts that had an effect that they must not have."""
        return len({attempt for attempt, _ in self.breaches})


async def attack(example: str, folder: Path, *, each: int = 0, goal: str = "") -> list[Line]:
    """Attack an example in every position.

    Args:
        example: name of a shipped one.
        folder: for configurations, stores and databases.
        each: at most so many attempts of a goal; 0: all.
        goal: only goals with these words in their name.
    """
    base = build(example, folder / "base")
    lines: list[Line] = []
    for position in get_args(goals.Position):
        given = [attempt for attempt in goals.attempts(base, position) if goal in attempt.goal]
        given = goals.sample(given, each) if each else given
        if given:
            world = World(base, folder / position, prepare=poison(base) if position == "row" else None)
            lines += _lines(given, await world.suffer(given))
    return lines


def _lines(given: list[Attempt], ended: Ended) -> list[Line]:
    goal_of = {attempt.message_id: attempt.goal for attempt in given}
    found: dict[str, list[tuple[str, str]]] = {}
    for identifier, told in effects.breaches(given, ended):
        found.setdefault(goal_of.get(identifier, "whole"), []).append((identifier, told))
    sent = Counter(goal_of[each] for each in ended.sent if each in goal_of)
    writes = Counter(goal_of[each] for each in ended.sent if ended.writes.get(each))
    refused = Counter(
        goal_of[each] for each, calls in ended.calls.items() for call in calls if call.outcome == "refused"
    )
    tries = Counter(goal_of.values())
    return [
        Line(
            goal=goal,
            tries=tries[goal],
            breaches=tuple(found.get(goal, ())),
            sent=sent[goal],
            held=tries[goal] - sent[goal],
            refused=refused[goal],
            writes=writes[goal],
        )
        for goal in dict.fromkeys((*tries, *found))
    ]


def board(example: str, lines: list[Line]) -> str:
    """The table."""
    counts = ("tries", "reached", "sent", "writes", "held", "refused")
    head = f"{'goal':<48}" + "".join(f"{name:>9}" for name in counts)
    rows = [f"{line.goal:<48}" + "".join(f"{getattr(line, name):>9}" for name in counts) for line in lines]
    return "\n".join([example, head, *rows])
