"""The reference data of the retail domain: rows, tasks and the calls that solve them, as τ²-bench publishes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
State = Mapping[tuple[str, str], Row]
"""Every product, user and order by table and id, in the reference's shape."""

_KEYS = {"products": "product_id", "users": "user_id", "orders": "order_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One gold call."""

    name: str
    arguments: Row
    succeeds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one customer wants, the calls that do it, and the rows that they change."""

    id: str
    user_id: str
    sender: str
    calls: Sequence[Call]
    changes: State
    """The changed rows as they must be at the end."""
    quirk: bool = False
    """The reference gives every changed item the last one's price and options: these two are not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retail:
    """A folder of reference data."""

    state: State
    tasks: Sequence[Task]

    def senders(self) -> dict[str, str]:
        """The address of each user."""
        return {key: row["email"] for (table, key), row in sorted(self.state.items()) if table == "users"}


def load(folder: Path) -> Retail:
    """Read `db.json`, `tools.json` and `tasks.json`; calls of generic tools, which touch no row, are left out.

    Raises:
        OSError: a file is missing.
    """
    rows, tools, tasks = (json.loads((folder / f"{name}.json").read_text()) for name in ("db", "tools", "tasks"))
    generic = {tool["name"] for tool in tools["tools"] if tool["type"] == "GENERIC"}
    return Retail(state=state(rows), tasks=[_task(task, generic) for task in tasks])


def state(rows: Mapping[str, Mapping[str, Row]]) -> State:
    """The rows of `db.json` or of a task's `expected_changes`."""
    return {(table, row[_KEYS[table]]): row for table, found in rows.items() for row in found.values()}


def _task(task: Row, generic: set[str]) -> Task:
    return Task(
        id=task["id"],
        user_id=task["sender_user_id"],
        sender=task["sender_email"],
        calls=[
            Call(name=call["name"], arguments=call["arguments"], succeeds=call["outcome"] == "ok")
            for call in task["actions"]
            if call["name"] not in generic
        ],
        changes=state(task["expected_changes"]),
        quirk="quirk" in task,
    )
