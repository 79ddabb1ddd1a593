"""Staging and applying on both engines: nothing happens before delivery, then exactly what was shown, once."""

import json

import pytest

from tests.fixtures.business import Business, bound, staging
from tools.apply import Applied, RefusedWrite, apply, ledger_state
from tools.outcome import Refused
from tools.read import read
from tools.staged import Change


def test_a_staged_write_shows_the_row_before_and_after_and_changes_nothing(business: Business) -> None:
    with business.load() as catalogue:
        write = staging(catalogue)("cancel_order", order_id="1001")
    before = {"order_id": "1001", "customer_id": 1, "status": "processing", "total": 1999, "note": None}
    before |= {"placed_on": "2026-10-01"}
    assert write.changes == (Change(table="orders", before=before, after={**before, "status": "cancelled"}),)
    assert business.run("SELECT status FROM orders WHERE order_id = '1001'") == [("processing",)]
    assert write.arguments == {"order_id": "1001"}
    json.dumps(write.changes[0].before)


def test_applying_does_once_what_was_shown(business: Business) -> None:
    with business.load() as catalogue:
        write = staging(catalogue)("cancel_order", order_id="1001")
        assert apply([write], catalogue, key="d1:1") == Applied(key="d1:1")
        assert business.run("SELECT status FROM orders WHERE order_id = '1001'") == [("cancelled",)]
        assert apply([write], catalogue, key="d1:1") == Applied(key="d1:1", earlier=True)
        assert ledger_state("d1:1", catalogue, "shop") == "applied"


def test_reads_return_the_senders_row_and_the_declared_columns_only(business: Business) -> None:
    with business.load() as catalogue:
        rows = read(catalogue["find_order"], {"order_id": "1002"}, bound(), catalogue)
        assert rows.rows == (
            {"order_id": "1002", "status": "delivered", "total": 5000, "placed_on": "2026-10-02", "note": "ring twice"},
        )
        assert read(catalogue["find_order"], {"order_id": "2001"}, bound(), catalogue).rows == ()
        many = read(catalogue["list_orders"], {}, bound(), catalogue)
        assert len(many.rows) == 2
        assert not many.truncated


def test_a_cascade_is_shown_row_by_row(business: Business) -> None:
    with business.load() as catalogue:
        write = staging(catalogue)("forget_order", order_id="1001")
        changed = sorted((change.table, change.after) for change in write.changes)
        assert changed == [("items", None), ("items", None), ("orders", None)]
        assert isinstance(apply([write], catalogue, key="d1:1"), Applied)
    assert business.run("SELECT count(*) FROM items") == [(2,)]


def test_a_guard_refuses_with_its_message(business: Business) -> None:
    with business.load() as catalogue, pytest.raises(Refused, match="The order has left"):
        staging(catalogue)("cancel_order", order_id="1002")


def test_a_row_that_changed_meanwhile_is_not_written_over(business: Business) -> None:
    with business.load() as catalogue:
        write = staging(catalogue)("cancel_order", order_id="1001")
        business.run("UPDATE orders SET total = 2500 WHERE order_id = '1001'")
        outcome = apply([write], catalogue, key="d1:1")
        assert isinstance(outcome, RefusedWrite)
        assert "total was 1999 and is 2500" in outcome.detail
        assert ledger_state("d1:1", catalogue, "shop") == "refused"
        business.run("UPDATE orders SET total = 1999 WHERE order_id = '1001'")
        assert isinstance(apply([write], catalogue, key="d1:1"), RefusedWrite)
    assert business.run("SELECT status FROM orders WHERE order_id = '1001'") == [("processing",)]


LISTS = '''
[[tool]]
name = "drop_lines"
kind = "write"
description = "Take lines out of an order."
database = "shop"
[tool.params.order_id]
type = "string"
[tool.params.lines]
type = "list"
items = { type = "integer" }
[tool.params.skus]
type = "list"
items = { type = "string" }
[[tool.guard]]
statement = """
SELECT 1 FROM :lines AS line JOIN :skus AS sku ON sku.position = line.position
WHERE NOT EXISTS (SELECT 1 FROM items i JOIN orders o USING (order_id) JOIN customers c USING (customer_id)
                  WHERE i.order_id = :order_id AND i.line = line.value AND i.sku = sku.value AND c.email = :sender)
"""
message = "The sender's order has no such line."
[[tool.step]]
statement = "DELETE FROM items WHERE order_id = :order_id AND line IN (SELECT value FROM :lines AS line)"
'''


def test_lists_are_tables_whose_items_are_paired_by_position(business: Business) -> None:
    with business.load(LISTS) as catalogue:
        put = staging(catalogue)
        with pytest.raises(Refused, match="no such line"):
            put("drop_lines", order_id="1001", lines=[1, 2], skus=["PAN-2", "MUG-1"])
        write = put("drop_lines", order_id="1001", lines=[2, 1], skus=["PAN-2", "MUG-1"])
        assert [(change.before or {})["line"] for change in write.changes] in ([1, 2], [2, 1])
