"""Measures what confinement costs: reads, writes, proving, a search, a Python tool, each beside the bare driver.

`python -m benchmarks.tools [--calls N]`. PostgreSQL runs for it, on disk and durable. Calls and their floor take turns,
so that what else the machine does weighs on both; the figures are medians.
"""

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.fixtures.business import TOOLS, Business, bound, build, plain_url
from tests.fixtures.postgres import cluster, fresh_database
from tools import catalogue, knowledge
from tools.apply import apply
from tools.catalogue import Catalogue
from tools.confine import LEDGER, Database, Deadline
from tools.passages import Passage
from tools.read import read
from tools.stage import stage

_READ = """SELECT o.order_id, o.status, o.total, o.placed_on, o.note, c.name
FROM orders o JOIN customers c USING (customer_id) WHERE o.order_id = '1001' AND c.email = 'ana@example.com'"""
_GUARD = """SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM orders o JOIN customers c USING (customer_id)
                           WHERE o.order_id = '1001' AND c.email = 'ana@example.com')"""
_CHANGE = "UPDATE orders SET status = 'cancelled' WHERE order_id = '1001'"
_PYTHON = """
[[tool]]
kind = "python"
name = "lookup"
description = "One order."
database = "shop"
function = "lookup:lookup"
reads = ["orders.order_id", "orders.status", "orders.total", "orders.placed_on", "orders.note", "orders.customer_id",
         "customers.customer_id", "customers.email", "customers.name"]
returns = ["order_id"]
"""
_LOOKUP = '''
from tools.python import tool
SQL = """{sql}"""
@tool()
def lookup(arguments, bound, connection):
    return connection.fetch(SQL, limit=2)
'''
_WORDS = (
    *("return", "refund", "parcel", "voucher", "invoice", "warranty", "delivery"),
    *("customs", "battery", "colour", "size", "label", "carrier"),
)
_SEARCH = """
SELECT document, heading, text FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, 0, 3, 1) LIMIT 5"""
_MANY = 2_000
_PROVEN = 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200, help="calls for each figure")
    calls = parser.parse_args().calls
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before; milliseconds, medians of {calls} calls\n")
    print(f"{'':44}{'confined':>10}{'bare':>10}{'times':>8}{'more':>8}")
    for name in ("SQLite", "PostgreSQL"):
        with ExitStack() as stack:
            business, run = stack.enter_context(_business(name))
            tools = stack.enter_context(business.load(TOOLS + _PYTHON))
            for what, confined, bare in _calls(business, tools, run):
                _row(f"{name}: {what}", *_turns(confined, bare, calls))
            _row(f"{name}: {_PROVEN} tools proven", *_turns(*_proving(business, run), max(3, calls // 100)))
    _search(calls)


@contextmanager
def _business(name: str) -> Iterator[tuple[Business, Callable[..., Any]]]:
    """The shop on an engine, and a bare connection to it that stays open and commits each transaction."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triaged-bench-")))
        (folder / "lookup.py").write_text(_LOOKUP.format(sql=_READ))
        if name == "SQLite":
            path = folder / "shop.db"
            business = build(Database(name="shop", url=f"sqlite:///{path}"), folder)
            bare = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
            bare.execute("PRAGMA synchronous = FULL")
            yield business, lambda *statements: [bare.execute(each).fetchall() for each in statements]
            return
        port = stack.enter_context(cluster({"listen_addresses": "127.0.0.1", "shared_buffers": "32MB"}))
        url = stack.enter_context(fresh_database(port))
        business = build(Database(name="shop", url=url), folder)
        server = stack.enter_context(psycopg.connect(plain_url(url), autocommit=True))

        def run(*statements: str) -> list[Any]:
            cursors = [server.execute(each) for each in statements]
            return [cursor.fetchall() for cursor in cursors if cursor.description]

        yield business, run


def _calls(
    business: Business, tools: Catalogue, run: Callable[..., Any]
) -> Iterator[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    """What is measured, the confined call, and the same on the bare connection."""
    who, begin = bound(), "BEGIN" if business.postgresql else "BEGIN IMMEDIATE"
    yield "read", lambda: read(tools["find_order"], {"order_id": "1001"}, who, tools), lambda: run(_READ)
    yield "Python tool with one query", lambda: read(tools["lookup"], {}, who, tools), lambda: run(_READ)

    def staged() -> Any:
        return stage(tools["cancel_order"], {"order_id": "1001"}, who, tools)

    yield "write staged", staged, lambda: run(begin, _GUARD, _CHANGE, "ROLLBACK")
    write, keys = staged(), iter(range(10**9))
    undo = "UPDATE orders SET status = 'processing' WHERE order_id = '1001'"

    def entry(name: str) -> str:
        return f"INSERT INTO {LEDGER} VALUES ('{name}-{next(keys)}', 0, 'd', 'applied', 'now')"

    def applied() -> None:
        apply([write], tools, key=f"draft-{next(keys)}")
        run(undo)

    def plain() -> None:
        run(begin, _GUARD, _CHANGE, entry("bare"), "COMMIT")
        run(undo)

    yield "write applied and put back, durable", applied, plain


def _proving(business: Business, run: Callable[..., Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Loading a hundred tools: two reads to each two writes; the floor plans a query for each statement."""
    one = TOOLS.split("[[tool]]")[1:5]
    text = "".join(
        "[[tool]]" + each.replace('name = "', f'name = "n{number}_', 1)
        for number in range(_PROVEN // len(one))
        for each in one
    )
    folder = business.folder / "many"
    folder.mkdir()
    (folder / "many.toml").write_text(text)

    def load() -> None:
        catalogue.load(folder, {"shop": business.database}).close()

    return load, lambda: run(*[f"EXPLAIN {_READ}"] * (text.count("statement = ")))


def _search(calls: int) -> None:
    passages = [
        Passage(
            document=f"{number // 20}.md",
            heading=f"{_WORDS[number % 13]} {number}",
            text=" ".join(_WORDS[(number * step + step * step) % 13] + str(step % 7) for step in range(150)),
        )
        for number in range(_MANY)
    ]
    known = knowledge.Knowledge(passages)
    begun = time.perf_counter()
    known({"query": "parcel"}, bound(None), Deadline(60), 5)
    built = (time.perf_counter() - begun) * 1000
    index = known._index  # noqa: SLF001 - the floor is the same query on the same index
    assert index is not None
    wanted = knowledge.expression("how long can I return a parcel")

    def bare() -> Any:
        return index.execute(_SEARCH, (wanted,)).fetchall()

    def search() -> Any:
        return known({"query": "how long can I return a parcel"}, bound(None), Deadline(60), 5)

    size = sum(len(each.text) for each in passages) // _MANY
    _row(f"search in {_MANY:,} passages of {size} characters", *_turns(search, bare, calls))
    print(f"{'their index made, once a release':44}{built:10.2f}")
    known.close()


def _turns(confined: Callable[[], Any], bare: Callable[[], Any], calls: int) -> tuple[float, float]:
    """The median of each in milliseconds, called in turns."""
    taken: Mapping[str, list[float]] = {"confined": [], "bare": []}
    for _ in range(calls):
        for name, call in (("confined", confined), ("bare", bare)):
            begun = time.perf_counter()
            call()
            taken[name].append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken["confined"]), statistics.median(taken["bare"])


def _row(what: str, confined: float, bare: float) -> None:
    print(f"{what:44}{confined:10.2f}{bare:10.2f}{confined / bare:8.1f}{confined - bare:8.2f}", flush=True)


if __name__ == "__main__":
    main()
