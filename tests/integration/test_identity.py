"""Which customer a verified address is, on both engines; and what a statement has to prove before it may say so."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from handlers.contract import Handler, Sender
from handlers.toolbox import Toolbox
from tests.fixtures.business import Business, bound
from tests.fixtures.desk import call, hop
from tools.catalogue import Catalogue
from tools.identity import Found, Identity, Unproven, find, prove
from tools.outcome import Failed, Refused
from tools.read import read
from tools.stage import stage
from tools.statement import parse

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
ALIASES = (
    "CREATE TABLE aliases (address TEXT NOT NULL, customer_id INTEGER NOT NULL)",
    """INSERT INTO aliases VALUES ('Ana@Example.com', 1), ('ana@work.example', 1), ('shared@example.com', 1),
        ('shared@example.com', 2), ('nobody@example.com', 0)""",
)
STATEMENT = "SELECT customer_id FROM aliases WHERE lower(address) = :sender"
TOOLS = """
[[tool]]
name = "list_orders"
kind = "read"
description = "All orders."
database = "shop"
returns = ["order_id"]
statement = "SELECT order_id FROM orders WHERE customer_id = :customer ORDER BY order_id"

[[tool]]
name = "move_house"
kind = "write"
description = "Change the town."
database = "shop"
[tool.params.city]
type = "string"
[[tool.step]]
statement = "UPDATE customers SET city = :city WHERE customer_id = CAST(:customer AS INTEGER)"

[[tool]]
name = "find_customer"
kind = "read"
description = "Who writes."
database = "shop"
returns = ["name"]
statement = "SELECT name FROM customers WHERE email = :sender"
"""


def proven(business: Business, statement: str = STATEMENT) -> tuple[Identity, Catalogue]:
    business.run(*ALIASES)
    catalogue = business.load(TOOLS)
    try:
        return prove("shop", "shop", statement, catalogue), catalogue
    except Unproven:
        catalogue.close()
        raise


def test_an_address_an_alias_and_capitals_in_the_database_lead_to_the_customer(business: Business) -> None:
    identity, catalogue = proven(business)
    with catalogue:
        for address in ("ana@example.com", "ana@work.example"):
            assert find(identity, address, NOW, catalogue) == Found(customer="1")


def test_who_is_not_there_is_unknown_and_who_is_there_twice_is_ambiguous(business: Business) -> None:
    identity, catalogue = proven(business)
    with catalogue:
        assert find(identity, "eve@example.com", NOW, catalogue) == Found(problem="unknown")
        assert find(identity, "ana+x@example.com", NOW, catalogue) == Found(problem="unknown"), "a tag is not folded"
        assert find(identity, "shared@example.com", NOW, catalogue) == Found(problem="ambiguous")
        assert find(identity, "' OR '1'='1", NOW, catalogue) == Found(problem="unknown")


def test_a_row_without_a_value_names_nobody(business: Business) -> None:
    identity, catalogue = proven(
        business, "SELECT NULLIF(customer_id, 0) AS customer FROM aliases WHERE address = :sender"
    )
    with catalogue:
        assert find(identity, "nobody@example.com", NOW, catalogue) == Found(problem="unknown")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT customer_id FROM aliases", "does not use `:sender`"),
        (
            "SELECT customer_id FROM aliases WHERE address = :sender OR :conversation = 'x'",
            "`:conversation` is not known",
        ),
        ("DELETE FROM aliases WHERE address = :sender", "changes rows"),
        ("SELECT customer_id FROM aliases WHERE address = :sender; SELECT 1", "several statements"),
        ("SELECT customer_id FROM aliases WHERE address = ':sender'", "inside quotes"),
        ("SELECT draft FROM triaged_ledger WHERE draft = :sender", "triaged_ledger"),
    ],
)
def test_what_is_no_question_about_the_sender_is_refused(sqlite_business: Business, statement: str, told: str) -> None:
    with pytest.raises(Unproven, match=told):
        proven(sqlite_business, statement)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT customer_id, address FROM aliases WHERE address = :sender", "returns 2 columns"),
        ("SELECT customer_id FROM alias WHERE address = :sender", "alias"),
        ("SELECT 1 AS customer WHERE :sender <> ''", "nobody has"),
        ("SELECT customer_id FROM aliases WHERE address <> :sender", "nobody has"),
        ("SELECT customer_id FROM aliases WHERE lower(address) LIKE :sender", "nobody has"),
    ],
)
def test_a_statement_that_can_t_tell_customers_apart_is_refused(business: Business, statement: str, told: str) -> None:
    with pytest.raises(Unproven, match=told):
        proven(business, statement)


def test_a_database_that_takes_too_long_names_nobody(
    sqlite_business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, catalogue = proven(sqlite_business)
    many = ", ".join(f"items i{number}" for number in range(18))
    endless = parse(f"SELECT count(*) FROM {many} WHERE i0.sku = :sender || i1.sku", "sqlite")
    touched = catalogue.engine("shop").prove(endless, writes=False)
    monkeypatch.setattr("tools.identity.SECONDS", 0.05)
    with catalogue, pytest.raises(Failed):
        find(replace(identity, statement=endless, touched=touched), "ana@example.com", NOW, catalogue)


def test_a_tool_that_asks_for_the_customer_gets_that_customer_s_rows_only(business: Business) -> None:
    catalogue = business.load(TOOLS)
    with catalogue:
        ana, bob = replace(bound(), customer="1"), replace(bound(), customer="2")
        assert [row["order_id"] for row in read(catalogue["list_orders"], {}, ana, catalogue).rows] == ["1001", "1002"]
        assert [row["order_id"] for row in read(catalogue["list_orders"], {}, bob, catalogue).rows] == ["2001"]
        staged = stage(catalogue["move_house"], {"city": "Ulm"}, bob, catalogue)
        assert [change.table for change in staged.changes] == ["customers"]
        with pytest.raises(Refused, match="known customer"):
            read(catalogue["list_orders"], {}, bound(), catalogue)
        with pytest.raises(Refused, match="known customer"):
            stage(catalogue["move_house"], {"city": "Ulm"}, bound(), catalogue)
        with pytest.raises(Refused):
            read(catalogue["list_orders"], {"customer": "2"}, ana, catalogue)


async def test_for_a_sender_who_is_no_customer_the_customer_s_tools_are_absent(sqlite_business: Business) -> None:
    handler = Handler(name="desk", tools=("list_orders", "move_house", "find_customer"), prefetch=("list_orders",))
    sender = Sender(address="ana@example.com", verdict="verified")
    with sqlite_business.load(TOOLS) as catalogue:
        stranger = Toolbox(handler=handler, catalogue=catalogue, bound=bound(), sender=sender, run=hop)
        assert [spec.name for spec in stranger.specs()] == ["find_customer"]
        assert (await stranger.call(call("list_orders"))).outcome == "refused"
        known = Toolbox(
            handler=handler, catalogue=catalogue, bound=replace(bound(), customer="1"), sender=sender, run=hop
        )
        assert {spec.name for spec in known.specs()} == {"move_house", "find_customer"}
        assert (await known.call(call("list_orders"))).outcome == "ok"
