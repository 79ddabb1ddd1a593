"""A write happens once: under racing workers, and when a worker is killed around its commit (promise P2)."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.fixtures.business import Business, staging
from tools.apply import Applied, RefusedWrite, apply, ledger_state
from tools.staged import StagedWrite

PAIR = """
[[tool]]
name = "count_up"
kind = "write"
description = "One entry an order."
database = "shop"
scope = "public"
[tool.params.entry]
type = "integer"
[[tool.guard]]
statement = "SELECT 1 FROM history"
message = "There is an entry."
[[tool.step]]
statement = "INSERT INTO history (entry, order_id) VALUES (:entry, '1001')"
"""

VICTIM = """
import os, signal, sys
from pathlib import Path
from tests.fixtures.business import staging
from tools import apply, catalogue, confine, postgres, sqlite

folder, url, moment = sys.argv[1:]
tools = catalogue.load(Path(folder), {"shop": confine.Database(name="shop", url=url)})
write = staging(tools)("refund_order", order_id="1001")
for kind in (postgres._Transaction, sqlite._Transaction):
    def commit(self, real=kind.commit):
        if moment == "after":
            real(self)
        os.kill(os.getpid(), signal.SIGKILL)
    kind.commit = commit
apply.apply([write], tools, key="d:1")
"""

Outcome = Applied | RefusedWrite


def race(*calls: Callable[[], Outcome]) -> list[Outcome]:
    """Run calls at the same time."""
    barrier = threading.Barrier(len(calls))
    outcomes: list[Outcome] = []

    def run(call: Callable[[], Outcome]) -> None:
        barrier.wait()
        outcomes.append(call())

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(outcomes) == len(calls)
    return outcomes


def test_of_racing_workers_exactly_one_applies(business: Business) -> None:
    with business.load() as catalogue:
        write = staging(catalogue)("refund_order", order_id="1001")
        outcomes = race(*[lambda: apply([write], catalogue, key="d:1")] * 4)
    assert sorted(outcome == Applied(key="d:1") for outcome in outcomes) == [False, False, False, True]
    assert all(isinstance(outcome, Applied) for outcome in outcomes)
    assert business.run("SELECT count(*) FROM refunds") == [(1,)]
    assert business.run("SELECT count(*) FROM triaged_ledger") == [(1,)]


def test_two_drafts_do_not_both_pass_a_guard_that_one_of_them_makes_refuse(business: Business) -> None:
    with business.load(PAIR) as catalogue:
        put = staging(catalogue)
        one, two = put("count_up", entry=1), put("count_up", entry=2)
        outcomes = race(lambda: apply([one], catalogue, key="a"), lambda: apply([two], catalogue, key="b"))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Applied", "RefusedWrite"]
    assert business.run("SELECT count(*) FROM history") == [(1,)]


def test_a_worker_that_wakes_up_late_finds_the_refusal(business: Business) -> None:
    with business.load() as catalogue:
        write = staging(catalogue)("cancel_order", order_id="1001")
        business.run("UPDATE orders SET total = 1 WHERE order_id = '1001'")
        assert isinstance(apply([write], catalogue, key="d:1"), RefusedWrite)
        business.run("UPDATE orders SET total = 1999 WHERE order_id = '1001'")
        outcomes = race(*[lambda: apply([write], catalogue, key="d:1")] * 2)
        assert all(isinstance(outcome, RefusedWrite) for outcome in outcomes)
    assert business.run("SELECT status FROM orders WHERE order_id = '1001'") == [("processing",)]


def test_another_write_under_the_same_key_is_refused(business: Business) -> None:
    with business.load() as catalogue:
        put = staging(catalogue)
        one, other = put("cancel_order", order_id="1001"), put("refund_order", order_id="1001")
        assert isinstance(apply([one], catalogue, key="d:1"), Applied)
        outcome = apply([other], catalogue, key="d:1")
    assert isinstance(outcome, RefusedWrite)
    assert "other writes" in outcome.detail
    assert business.run("SELECT count(*) FROM refunds") == [(0,)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_killed_around_its_commit_leaves_one_effect(business: Business, moment: str) -> None:
    business.load().close()
    run = [sys.executable, "-c", VICTIM, str(business.folder), business.database.url, moment]
    root = Path(__file__).parents[2]
    killed = subprocess.run(run, cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    with business.load() as catalogue:
        assert ledger_state("d:1", catalogue, "shop") == ("applied" if moment == "after" else None)
        if moment == "before":
            write = staging(catalogue)("refund_order", order_id="1001")
            assert apply([write], catalogue, key="d:1") == Applied(key="d:1")
    assert business.run("SELECT count(*) FROM refunds") == [(1,)]


def test_a_write_that_went_through_the_store_as_json_is_the_same_write(business: Business) -> None:
    with business.load() as catalogue:
        write = staging(catalogue)("refund_order", order_id="1001")
        stored = json.loads(json.dumps(asdict(write)))
        loaded = StagedWrite(**{**stored, "changes": write.changes, "protected": tuple(stored["protected"])})
        assert apply([loaded], catalogue, key="d:1") == Applied(key="d:1")
        assert apply([write], catalogue, key="d:1") == Applied(key="d:1", earlier=True)
