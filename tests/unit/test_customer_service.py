"""The shipped handler, driven by the embedded brain over the sample shop: its eval cases end as they say."""

import sqlite3
import tomllib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from daemon.brain.embedded import Embedded
from handlers import catalogue as handler_catalogue
from handlers.agent import Agent
from handlers.contract import Context, Handler, Message, Proposal, Sender, Turn, Usage
from handlers.toolbox import Toolbox
from tools import catalogue
from tools.bound import Bound
from tools.catalogue import Catalogue
from tools.confine import Database
from tools.samples import shop

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
EVALS = ROOT / "handlers" / "customer_service" / "evals"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
UNWRITTEN = "nobody@elsewhere.example"


def _cases() -> Iterator[Any]:
    for path in sorted(EVALS.glob("*.toml")):
        for case in tomllib.loads(path.read_text())["case"]:
            yield pytest.param(case, id=f"{path.stem}: {case['name']}")


CASES = list(_cases())


@dataclass
class Bench:
    """The handler with its tools and the orders that stand for the placeholders."""

    handler: Handler
    catalogue: Catalogue
    brain: Embedded
    orders: dict[str, tuple[str, str]]
    """Placeholder to order number and its customer's address."""
    several: str
    """Address of a customer with more than one order."""


class Memory:
    """A journal that forgets with the test."""

    def turns(self) -> Sequence[Turn]:
        return ()

    async def record(self, turn: Turn) -> None:
        del turn


class Plenty:
    """A budget without end."""

    max_turns = 8

    def spend(self, usage: Usage) -> str | None:
        del usage
        return None


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    shop.build(path, today=date(2026, 11, 23))
    folder = tmp_path_factory.mktemp("tools")
    (folder / "shop.toml").write_text((ROOT / "tools" / "shop.toml").read_text())
    loaded = catalogue.load(folder, {"shop": Database(name="shop", url=f"sqlite:///{path}")})
    handler = handler_catalogue.load(ROOT / "handlers", loaded.tools)["customer_service"]
    brain = Embedded()
    with sqlite3.connect(path) as connection:
        yield Bench(
            handler=handler,
            catalogue=loaded,
            brain=brain,
            orders=_orders(connection),
            several=connection.execute(
                "SELECT lower(email) FROM customers JOIN orders USING (customer_id) GROUP BY email HAVING count(*) > 1"
            ).fetchone()[0],
        )
    brain._thread.shutdown()


def _orders(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    def first(where: str) -> tuple[str, str]:
        joined = "SELECT order_id, lower(email) FROM orders JOIN customers USING (customer_id)"
        found = connection.execute(f"{joined} WHERE {where} ORDER BY order_id").fetchone()
        assert found, where
        return tuple(found)

    fresh = "status = 'delivered' AND returns_until >= '2026-11-23' AND order_id NOT IN (SELECT order_id FROM returns)"
    orders = {
        "processing": first("status = 'processing' AND expected_on IS NOT NULL"),
        "shipped": first("status = 'shipped'"),
        "delivered": first(f"{fresh} AND order_id IN (SELECT order_id FROM invoices)"),
        "cancelled": first("status = 'cancelled'"),
        "returned": first(
            "order_id IN (SELECT order_id FROM returns WHERE status = 'received')"
            " AND order_id NOT IN (SELECT order_id FROM refunds)"
        ),
    }
    orders["delivered2"] = first(f"{fresh} AND order_id > '{orders['delivered'][0]}'")
    orders["foreign"] = orders["shipped"]
    orders["sku"] = (connection.execute("SELECT sku FROM products WHERE stock > 0").fetchone()[0], "")
    return orders


def _message(case: dict[str, Any], bench: Bench) -> Message:
    numbers = {name: number for name, (number, _) in bench.orders.items()}
    owners = [owner for name, (_, owner) in bench.orders.items() if owner and f"{{{name}}}" in case["text"]]
    kind = case.get("sender", "")
    address = {"unknown": UNWRITTEN, "several": bench.several}.get(kind) or next(iter(owners), bench.several)
    if "{foreign}" in case["text"]:
        address = bench.several
    return Message(
        sender=Sender(address=address, verdict="unverified" if kind == "unverified" else "verified"),
        subject=case["subject"].format_map(numbers),
        text=case["text"].strip().format_map(numbers),
        language=case["language"],
        received_at=NOW,
    )


async def _propose(message: Message, bench: Bench) -> Proposal:
    async def hop(work: Callable[[], T]) -> T:
        return work()

    run: Callable[[Callable[[], Any]], Awaitable[Any]] = hop
    verified = message.sender.verdict == "verified"
    bound = Bound(sender=message.sender.address if verified else None, conversation="c1", now=NOW)
    box = Toolbox(handler=bench.handler, catalogue=bench.catalogue, bound=bound, sender=message.sender, run=run)
    columns = {name: tool.columns for name, tool in bench.catalogue.tools.items()}
    context = Context(brain=bench.brain, tools=box, journal=Memory(), budget=Plenty(), now=NOW, columns=columns)
    return await Agent().run(bench.handler, message, context)


def _sendable(proposal: Proposal, handler: Handler) -> bool:
    """What the handler and its brain leave to the gate as fit to be sent."""
    category = handler.category(proposal.category)
    whole = proposal.body and not (proposal.escalation or proposal.missing or proposal.faults)
    return bool(whole and category and category.auto == "on")


@pytest.mark.parametrize("case", CASES)
async def test_a_case_of_the_shipped_handler_ends_as_it_says(case: dict[str, Any], bench: Bench) -> None:
    proposal = await _propose(_message(case, bench), bench)
    expected = case["expect"]
    said = (proposal.category, proposal.escalation, proposal.missing, proposal.fault_details)
    assert _sendable(proposal, bench.handler) == (expected["outcome"] == "send"), said
    if expected["outcome"] == "send" or expected["tools"]:
        assert proposal.category == expected["category"], said
        succeeded = {result.call.name for result in proposal.results if result.outcome == "ok"}
        assert succeeded.issuperset(expected["tools"]), said
