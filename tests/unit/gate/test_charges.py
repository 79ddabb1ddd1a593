"""What a reply spends of which limit."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import Config
from daemon.gate.charges import charges, declared, longest, money
from daemon.store.limits import CAPS, Charge, exceeds
from handlers.contract import Handler, Limit, Message, Proposal, Sender
from tools.staged import StagedWrite

MAIL = Message(id="m1", mailbox="support", sender=Sender(address="ana@example.com", verdict="verified"))
WRITE = StagedWrite(
    tool="refund", database="shop", arguments={}, bound={}, changes=(), preimage="", amount=1999, currency="EUR"
)


def config(*limits: dict[str, Any]) -> Config:
    return Config.model_validate(
        {
            "store": {"url": "sqlite:///x.db"},
            "mailbox": {"support": {"kind": "lmtp", "address": "support@shop.example", "listen": "127.0.0.1:0"}},
            "limits": {"limit": limits},
        }
    )


def spent(limit: Limit, *writes: StagedWrite, conversation: str = "c1") -> tuple[Charge, ...]:
    handler = Handler(name="h", limits=(limit,))
    found = charges(
        config(), handler, MAIL, Proposal(writes=writes), conversation, scope=lambda *parts: "|".join(parts)
    )
    return tuple(each for each in found if each.name not in CAPS)


def limit(**changes: Any) -> Limit:
    return Limit(
        **{
            "name": "refunds",
            "per": "sender",
            "window": 86400,
            "tool": "refund",
            "amount": 5000,
            "currency": "EUR",
            **changes,
        }
    )


def test_every_reply_counts_against_the_caps() -> None:
    found = charges(config(), None, MAIL, Proposal(), "c1", scope=lambda *parts: "|".join(parts))
    assert [(each.name, each.scope, each.count, each.most_count) for each in found] == [
        ("replies-per-sender", "replies-per-sender|sender|ana@example.com", 1, 10),
        ("replies-per-conversation", "replies-per-conversation|conversation|c1", 1, 5),
        ("replies-per-mailbox", "replies-per-mailbox|mailbox|support", 1, 300),
        ("replies-per-hour", "replies-per-hour|total|*", 1, 500),
    ]


@pytest.mark.parametrize(
    ("per", "scope"),
    [
        ("sender", "h/refunds|sender|ana@example.com"),
        ("conversation", "h/refunds|conversation|c1"),
        ("handler", "h/refunds|handler|h"),
        ("mailbox", "h/refunds|mailbox|support"),
        ("total", "h/refunds|total|*"),
    ],
)
def test_what_is_counted_together_has_one_scope(per: Any, scope: str) -> None:
    (found,) = spent(limit(per=per), WRITE, replace(WRITE, amount=1))
    assert (found.scope, found.count, found.amount, found.most_amount, found.window) == (scope, 2, 2000, 5000, 86400)


def test_a_limit_of_a_single_action_never_adds_up() -> None:
    first, second = spent(limit(per="action"), WRITE, WRITE)
    assert first.scope != second.scope
    assert (first.amount, first.window) == (1999, 1)


def test_a_limit_of_another_tool_is_not_touched() -> None:
    assert spent(limit(tool="cancel"), WRITE) == ()
    assert spent(limit()) == ()


def test_a_limit_without_a_tool_counts_replies_and_all_money() -> None:
    (found,) = spent(limit(tool=None), WRITE, replace(WRITE, tool="cancel", amount=None, currency=None))
    assert (found.count, found.amount) == (1, 1999)


@pytest.mark.parametrize(
    "write", [replace(WRITE, currency="USD"), replace(WRITE, amount=None), replace(WRITE, amount=-9000)]
)
def test_money_that_can_not_be_compared_is_more_than_the_limit(write: StagedWrite) -> None:
    (found,) = spent(limit(), write)
    assert exceeds(found, 0, 0)


def test_the_operators_own_limits_count_too() -> None:
    settings = config({"name": "all", "per": "total", "window": "1h", "amount": "50 EUR"})
    found = charges(settings, Handler(name="h"), MAIL, Proposal(writes=(WRITE,)), "c1", scope=lambda *parts: parts[0])
    (own,) = (each for each in found if each.name not in CAPS)
    assert (own.name, own.amount, own.most_amount, own.window) == (
        "all",
        1999,
        5000,
        3600,
    )
    assert declared(settings.limits.limit[0]).currency == "EUR"


def test_a_window_of_part_of_a_second_is_never_cut_short() -> None:
    settings = config({"name": "all", "window": "1500ms", "count": 1})
    assert declared(settings.limits.limit[0]).window == 2


def test_what_is_older_than_the_longest_window_counts_nowhere() -> None:
    week = config({"name": "all", "window": "7d", "count": 1})
    assert longest(config(), ()) == 86400
    assert longest(week, ()) == 7 * 86400
    assert longest(week, [Handler(name="h", limits=(limit(window=30 * 86400),))]) == 30 * 86400


def test_amounts_are_read_as_minor_units() -> None:
    assert money("50.00 EUR") == (5000, "EUR")
    assert money(" 50 EUR ") == (5000, "EUR")
    assert money("5000 JPY") == (5000, "JPY")
    for text in ("5.00 JPY", "50", "50,00 EUR", "-5 EUR", "5.0 EUR", "EUR 5"):
        with pytest.raises(ValueError, match="Write it as"):
            money(text)


@given(st.lists(st.integers(min_value=1, max_value=2000), min_size=1, max_size=20))
def test_many_small_sums_are_one_big_one(amounts: list[int]) -> None:
    (found,) = spent(limit(), *(replace(WRITE, amount=amount) for amount in amounts))
    assert exceeds(found, 0, 0) == (sum(amounts) > 5000)
