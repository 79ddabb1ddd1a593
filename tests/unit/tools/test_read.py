"""Reading: arguments are checked and the sender is bound before the database is asked."""

import pytest

from tests.fixtures.business import Business, bound
from tools.outcome import Failed, Refused
from tools.read import read
from tools.stage import stage


@pytest.mark.parametrize("name", ["sender", "customer", "conversation", "now", "unknown", "order_id; --"])
def test_a_caller_can_not_choose_what_is_bound_or_unknown(sqlite_business: Business, name: str) -> None:
    catalogue = sqlite_business.load()
    with pytest.raises(Refused):
        read(catalogue["find_order"], {"order_id": "1001", name: "bob@example.com"}, bound(), catalogue)


def test_without_a_verified_sender_a_senders_tool_refuses(sqlite_business: Business) -> None:
    catalogue = sqlite_business.load()
    with pytest.raises(Refused, match="verified sender"):
        read(catalogue["find_order"], {"order_id": "1001"}, bound(None), catalogue)
    with pytest.raises(Refused, match="verified sender"):
        stage(catalogue["cancel_order"], {"order_id": "1001"}, bound(None), catalogue)


def test_a_read_is_not_staged_and_a_write_is_not_read(sqlite_business: Business) -> None:
    catalogue = sqlite_business.load()
    with pytest.raises(Refused, match="is a write"):
        read(catalogue["cancel_order"], {"order_id": "1001"}, bound(), catalogue)
    with pytest.raises(Refused, match="is a read"):
        stage(catalogue["find_order"], {"order_id": "1001"}, bound(), catalogue)


def test_columns_that_are_not_declared_do_not_leave_the_tool(sqlite_business: Business) -> None:
    catalogue = sqlite_business.load()
    (row,) = read(catalogue["find_order"], {"order_id": "1001"}, bound(), catalogue).rows
    assert list(row) == ["order_id", "status", "total", "placed_on", "note"]


def test_lists_are_opened_in_the_database(sqlite_business: Business) -> None:
    tools = '''
[[tool]]
name = "find_orders"
kind = "read"
description = "Several orders."
database = "shop"
scope = "public"
returns = ["order_id"]
statement = """SELECT order_id FROM orders WHERE order_id IN (SELECT value FROM json_each(:numbers))"""
[tool.params.numbers]
type = "list"
items = { type = "string", pattern = '^\\d{4}$' }
'''
    catalogue = sqlite_business.load(tools)
    rows = read(catalogue["find_orders"], {"numbers": ["1001", "2001", "9999"]}, bound(), catalogue).rows
    assert [row["order_id"] for row in rows] == ["1001", "2001"]


def test_a_schema_that_changed_since_the_proof_fails_closed(sqlite_business: Business) -> None:
    catalogue = sqlite_business.load()
    sqlite_business.run("ALTER TABLE orders RENAME COLUMN note TO remark")
    with pytest.raises(Failed, match="could not answer"):
        read(catalogue["find_order"], {"order_id": "1001"}, bound(), catalogue)
