"""The declarations and the harness of `make conformance`, on a shop made by hand; both tell what is wrong."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import sample
from tests.conformance.__main__ import main
from tests.conformance.replay import Delivery, intrude, prove, replay
from tests.conformance.rows import COMPARED, differences, flat, of
from tests.conformance.sample import (
    ANA,
    AWAY,
    BLUE,
    BOBS,
    BY_GIFT,
    CARD,
    DELIVERED,
    GIFT,
    GREEN,
    HOME,
    LAMP,
    PAYPAL,
    PENDING,
    PROCESSED,
    RED,
    TALL_LAMP,
    item,
    methods,
    payment,
    task,
)
from tests.conformance.shops import Shop, postgres_shop, sqlite_shop
from tools.bound import Bound
from tools.catalogue import Catalogue
from tools.outcome import Refused
from tools.stage import stage

READS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("find_user_id_by_email", {"email": "ANA@example.com"}),
    ("find_user_id_by_email", {"email": "bob@example.com"}),
    ("find_user_id_by_name_zip", {"first_name": "ana", "last_name": "Doe", "zip": "53111"}),
    ("get_user_details", {"user_id": ANA}),
    ("get_order_details", {"order_id": PENDING}),
    ("get_order_details", {"order_id": DELIVERED}),
    ("get_order_details", {"order_id": "#0000001"}),
    ("get_product_details", {"product_id": "1000000001"}),
    ("get_item_details", {"item_id": GREEN}),
    ("list_all_product_types", {}),
)
ITEMS = {"item_ids": [LAMP, BLUE, BLUE], "new_item_ids": [LAMP, BLUE, RED]}
TASKS = (
    # Of the addresses, one is as it was before, and one is changed and changed back.
    task(
        *READS,
        ("modify_user_address", {"user_id": ANA, **AWAY}),
        ("modify_pending_order_address", {"order_id": PENDING, **HOME}),
        ("modify_user_address", {"user_id": ANA, **HOME}),
        ("exchange_delivered_order_items", {"order_id": DELIVERED, **ITEMS, "payment_method_id": GIFT}),
        ("return_delivered_order_items", {"order_id": DELIVERED, "item_ids": [LAMP], "payment_method_id": PAYPAL}),
        (
            "modify_pending_order_items",
            {"order_id": BY_GIFT, "item_ids": [RED], "new_item_ids": [BLUE], "payment_method_id": GIFT},
        ),
        refused=(1, 6, 14),
        orders={
            DELIVERED: {
                "status": "exchange requested",
                "exchange_items": [BLUE, BLUE, LAMP],
                "exchange_new_items": [BLUE, RED, LAMP],
                "exchange_payment_method_id": GIFT,
                "exchange_price_difference": 2.55,
            },
            BY_GIFT: {
                "status": "pending (item modified)",
                "items": [item(BLUE)],
                "payment_history": [payment(12.55, GIFT), payment(2.55, GIFT, "refund")],
            },
        },
        users={ANA: {"payment_methods": methods(5.55)}},
    ),
    task(
        ("cancel_pending_order", {"order_id": PENDING, "reason": "no longer needed"}),
        ("cancel_pending_order", {"order_id": BY_GIFT, "reason": "ordered by mistake"}),
        ("cancel_pending_order", {"order_id": BY_GIFT, "reason": "ordered by mistake"}),
        ("cancel_pending_order", {"order_id": PROCESSED, "reason": "no longer needed"}),
        ("return_delivered_order_items", {"order_id": DELIVERED, "item_ids": [LAMP, BLUE], "payment_method_id": GIFT}),
        refused=(2, 3),
        orders={
            PENDING: {
                "status": "cancelled",
                "cancel_reason": "no longer needed",
                "payment_history": [payment(49.9, PAYPAL), payment(49.9, PAYPAL, "refund")],
            },
            BY_GIFT: {
                "status": "cancelled",
                "cancel_reason": "ordered by mistake",
                "payment_history": [payment(12.55, GIFT), payment(12.55, GIFT, "refund")],
            },
            DELIVERED: {
                "status": "return requested",
                "return_items": [BLUE, LAMP],
                "return_payment_method_id": GIFT,
            },
        },
        users={ANA: {"payment_methods": methods(15.55)}},
    ),
    task(
        ("modify_pending_order_payment", {"order_id": BY_GIFT, "payment_method_id": CARD}),
        ("cancel_pending_order", {"order_id": BY_GIFT, "reason": "no longer needed"}),
        (
            "modify_pending_order_items",
            {
                "order_id": PENDING,
                "item_ids": [BLUE, LAMP],
                "new_item_ids": [RED, TALL_LAMP],
                "payment_method_id": CARD,
            },
        ),
        ("modify_pending_order_address", {"order_id": PENDING, **AWAY}),
        ("cancel_pending_order", {"order_id": PENDING, "reason": "no longer needed"}),
        refused=(4,),
        orders={
            BY_GIFT: {
                "status": "cancelled",
                "cancel_reason": "no longer needed",
                "payment_history": [
                    *(payment(12.55, GIFT), payment(12.55, CARD), payment(12.55, GIFT, "refund")),
                    payment(12.55, CARD, "refund"),
                ],
            },
            PENDING: {
                "status": "pending (item modified)",
                "address": AWAY,
                "items": [item(RED), item(TALL_LAMP), item(BLUE)],
                "payment_history": [payment(49.9, PAYPAL), payment(7.749999999, CARD)],
            },
        },
        users={ANA: {"payment_methods": methods(15.55)}},
    ),
)

BALANCE = "does not hold the price difference"
AVAILABLE = "not available, or not of the same product"
REFUSED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("cancel_pending_order", {"order_id": PENDING, "reason": "too expensive"}, "is none of"),
    ("cancel_pending_order", {"order_id": BOBS, "reason": "no longer needed"}, "no such order"),
    ("modify_pending_order_address", {"order_id": DELIVERED, **AWAY}, "not pending"),
    (
        "modify_pending_order_payment",
        {"order_id": PENDING, "payment_method_id": "gift_card_2222222"},
        "no such payment",
    ),
    ("modify_pending_order_payment", {"order_id": PENDING, "payment_method_id": PAYPAL}, "already"),
    ("modify_pending_order_payment", {"order_id": PENDING, "payment_method_id": GIFT}, "does not hold the total"),
    ("modify_pending_order_items", {"item_ids": [BLUE], "new_item_ids": [BLUE]}, "to itself"),
    ("modify_pending_order_items", {"item_ids": [BLUE], "new_item_ids": [GREEN]}, AVAILABLE),
    ("modify_pending_order_items", {"item_ids": [BLUE], "new_item_ids": [LAMP]}, AVAILABLE),
    ("modify_pending_order_items", {"item_ids": [BLUE], "new_item_ids": ["9999999999"]}, AVAILABLE),
    ("modify_pending_order_items", {"item_ids": [RED], "new_item_ids": [BLUE]}, "not so often"),
    ("modify_pending_order_items", {"item_ids": [BLUE] * 3, "new_item_ids": [RED] * 3}, "not so often"),
    ("modify_pending_order_items", {"item_ids": [BLUE], "new_item_ids": [RED, RED]}, "not one new item for each"),
    ("modify_pending_order_items", {"item_ids": [], "new_item_ids": []}, "below 1"),
    ("modify_pending_order_items", {"item_ids": [LAMP], "new_item_ids": [TALL_LAMP]}, BALANCE),
    ("exchange_delivered_order_items", {"item_ids": [LAMP], "new_item_ids": [TALL_LAMP]}, BALANCE),
    ("exchange_delivered_order_items", {"item_ids": [BLUE] * 3, "new_item_ids": [BLUE] * 3}, "not so often"),
    (
        "exchange_delivered_order_items",
        {"order_id": PENDING, "item_ids": [BLUE], "new_item_ids": [RED]},
        "not delivered",
    ),
    ("return_delivered_order_items", {"item_ids": [LAMP], "payment_method_id": CARD}, "original payment method"),
    ("return_delivered_order_items", {"item_ids": [RED]}, "not so often"),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop on each engine in turn."""
    rows = flat(sample.retail().state)
    if request.param == "sqlite":
        yield sqlite_shop(rows, tmp_path_factory.mktemp("retail"))
        return
    with postgres_shop(rows, request.getfixturevalue("postgres_cluster")) as found:
        yield found


@pytest.fixture(scope="module")
def catalogue(shop: Shop) -> Iterator[Catalogue]:
    """The declared tools."""
    with prove(shop) as found:
        yield found


@pytest.mark.parametrize("delivery", ["each", "together"])
def test_the_calls_of_the_tasks_leave_the_rows_as_the_reference_does(shop: Shop, delivery: Delivery) -> None:
    tasks = TASKS if delivery == "together" else TASKS[2:]
    score = replay(sample.retail(*tasks), shop, delivery=delivery)
    assert not score.differences
    assert (score.equal, score.tasks) == (len(tasks), len(tasks))


def test_the_calls_of_another_sender_reach_no_row(shop: Shop) -> None:
    tasks = [replace(each, id=str(number)) for number, each in enumerate(TASKS)]
    senders = {"0": "bob@example.com", "1": "eve@example.com", "2": None}
    score = intrude(sample.retail(*tasks), shop, who=lambda each: senders[each.id])
    assert not score.differences
    # Bob is told that his address is his, and who he is; and he may change his own address.
    assert (score.own, score.public) == (3, 3)
    assert score.refused == score.calls - 6


def test_what_is_not_as_in_the_reference_is_told(tmp_path: Path) -> None:
    wrong = task(
        ("cancel_pending_order", {"order_id": PENDING, "reason": "no longer needed"}),
        ("get_order_details", {"order_id": "#W9999999"}),
        ("open_account", {}),
        refused=(0,),
        orders={PENDING: {"status": "cancelled"}},
    )
    retail = sample.retail(wrong)
    score = replay(retail, sqlite_shop(flat(retail.state), tmp_path), delivery="together")
    told = "\n".join(score.differences)
    assert "call 1, cancel_pending_order: was done, and the reference refuses it" in told
    assert "call 2, get_order_details: was refused: No row for this sender." in told
    assert "call 3, open_account: there is no such tool" in told
    assert "orders: #W0000001, ana_doe_1111, cancelled" in told
    assert f"payments: {PENDING}, 2, refund, 4990, {PAYPAL} should not be there." in told
    assert score.equal == 0


def test_price_and_options_of_a_task_with_a_quirk_are_not_compared() -> None:
    rows = flat(sample.retail().state)
    found = {table: of(table, rows) for table in COMPARED}
    items = [item(BLUE) | {"price": 1.0, "options": {}}, item(LAMP), item(BLUE)]
    strange = task(orders={PENDING: {"items": items}})
    wanted = {**rows, **flat(strange.changes)}
    assert not differences(wanted, found, replace(strange, quirk=True))
    assert len(differences(wanted, found, strange)) == 2


@pytest.mark.parametrize(("tool", "given", "told"), REFUSED)
def test_what_the_policy_forbids_is_refused(
    shop: Shop, catalogue: Catalogue, tool: str, given: dict[str, Any], told: str
) -> None:
    shop.reset()
    order = PENDING if "pending" in tool else DELIVERED
    arguments = {"order_id": order, "payment_method_id": GIFT, **given}
    arguments = {name: value for name, value in arguments.items() if name in catalogue[tool].params}
    bound = Bound(sender="ana@example.com", conversation="c", now=datetime(2026, 11, 3, 12, tzinfo=UTC))
    with pytest.raises(Refused, match=told):
        stage(catalogue[tool], arguments, bound, catalogue)


def test_no_tool_lets_a_model_name_a_user(catalogue: Catalogue) -> None:
    names = {name for tool in catalogue.values() for name in tool.schema()["properties"]}
    assert not names & {"user_id", "sender", "customer"}


def test_without_the_reference_data_the_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIAGED_CONFORMANCE", str(tmp_path))
    assert main() == 2
    assert "Set TRIAGED_CONFORMANCE" in capsys.readouterr().err
