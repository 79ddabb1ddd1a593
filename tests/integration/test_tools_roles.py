"""The roles that docs/tools.md recommends are enough for a read, a staged write and its delivery on PostgreSQL."""

from collections.abc import Iterator

import pytest

from tests.fixtures.business import TOOLS, Business, bound, staging
from tools.apply import Applied, apply
from tools.catalogue import Catalogue, load
from tools.confine import Database
from tools.located import Faults
from tools.outcome import Refused
from tools.read import read

GRANTS = (
    "GRANT SELECT (order_id, customer_id, status, total, placed_on, note) ON orders TO triaged_reader",
    "GRANT SELECT ON customers TO triaged_reader",
    "ALTER TABLE customers ENABLE ROW LEVEL SECURITY",
    """CREATE POLICY own ON customers TO triaged_reader, triaged_writer
       USING (email = current_setting('app.sender', true))""",
    "GRANT SELECT ON orders, customers, refunds TO triaged_writer",
    "GRANT UPDATE (status) ON orders TO triaged_writer",
    "GRANT UPDATE (city) ON customers TO triaged_writer",
    "GRANT DELETE ON orders TO triaged_writer",
    "GRANT SELECT, INSERT ON refunds, triaged_ledger TO triaged_writer",
)


@pytest.fixture
def restricted(postgres_business: Business) -> Iterator[Business]:
    """The shop with a reader and a writer that may no more than their tools need."""
    for role in ("triaged_reader", "triaged_writer"):
        postgres_business.run(f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS")
    postgres_business.run(*GRANTS)
    yield postgres_business
    postgres_business.run("DROP OWNED BY triaged_reader, triaged_writer")


def _load(business: Business, tools: str = TOOLS) -> Catalogue:
    (business.folder / "shop.toml").write_text(tools)
    url = business.database.url
    database = Database(
        name="shop",
        url=url.replace("postgres@", "triaged_reader@"),
        write_url=url.replace("postgres@", "triaged_writer@"),
    )
    return load(business.folder, {"shop": database})


def test_reads_and_writes_work_with_the_documented_grants(restricted: Business) -> None:
    with _load(restricted) as catalogue:
        assert read(catalogue["find_order"], {"order_id": "1001"}, bound(), catalogue).rows
        put = staging(catalogue)
        writes = [put("cancel_order", order_id="1001"), put("refund_order", order_id="1002")]
        assert apply(writes, catalogue, key="d:1") == Applied(key="d:1")
        assert put("move_house", city="Rome").protected == ("customers.city",)
    assert restricted.run("SELECT order_id, amount FROM refunds") == [("1002", 5000)]


def test_a_cascade_into_a_table_that_the_writer_can_not_read_refuses_the_diff(restricted: Business) -> None:
    with _load(restricted) as catalogue, pytest.raises(Refused, match=r"GRANT SELECT \(order_id, line\) ON items"):
        staging(catalogue)("forget_order", order_id="1001")
    assert restricted.run("SELECT count(*) FROM items") == [(4,)]


def test_a_writer_that_may_change_what_it_can_not_read_is_a_fault(restricted: Business) -> None:
    restricted.run(
        "REVOKE SELECT ON customers FROM triaged_writer",
        "GRANT SELECT (email, customer_id) ON customers TO triaged_writer",
    )
    with pytest.raises(Faults, match=r"GRANT SELECT \(city\) ON customers"):
        _load(restricted)


def test_a_writer_without_the_ledger_is_a_fault(restricted: Business) -> None:
    restricted.run("REVOKE ALL ON triaged_ledger FROM triaged_writer")
    with pytest.raises(Faults, match="permission denied for table triaged_ledger"):
        _load(restricted)


def test_a_list_is_opened_in_the_database(restricted: Business) -> None:
    tools = '''
[[tool]]
name = "find_orders"
kind = "read"
description = "Several orders."
database = "shop"
returns = ["order_id"]
statement = """
SELECT o.order_id FROM orders o JOIN customers c USING (customer_id)
WHERE c.email = :sender AND o.placed_on > :day AND o.total < :most AND (:late IS NOT TRUE OR o.total > 0)
  AND o.order_id IN (SELECT jsonb_array_elements_text(:numbers)) ORDER BY 1
"""
[tool.params.numbers]
type = "list"
items = { type = "string" }
[tool.params.day]
type = "date"
[tool.params.most]
type = "integer"
[tool.params.late]
type = "boolean"
'''
    arguments = {"numbers": ["1001", "1002", "2001"], "day": "2026-10-01", "most": 6000, "late": True}
    with _load(restricted, tools) as catalogue:
        rows = read(catalogue["find_orders"], arguments, bound(), catalogue).rows
    assert [row["order_id"] for row in rows] == ["1002"]
