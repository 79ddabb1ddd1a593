"""Amounts are whole minor units, or they are refused."""

from decimal import Decimal
from typing import Any, Literal

import pytest

from tools import money


@pytest.mark.parametrize(
    ("value", "unit", "currency", "minor"),
    [
        (1999, "minor", "EUR", 1999),
        (Decimal("19.99"), "major", "EUR", 1999),
        ("19.99", "major", "EUR", 1999),
        (19.99, "major", "EUR", 1999),
        (19, "major", "JPY", 19),
        ("1.234", "major", "KWD", 1234),
        (0, "minor", "EUR", 0),
    ],
)
def test_amounts_become_minor_units(value: Any, unit: Literal["minor", "major"], currency: str, minor: int) -> None:
    assert money.minor(value, unit, currency) == minor


@pytest.mark.parametrize("value", [-1, "x", None, float("nan"), float("inf"), "0.001", Decimal("NaN")])
def test_what_is_no_amount_is_told(value: Any) -> None:
    with pytest.raises(ValueError, match="amount"):
        money.minor(value, "major", "EUR")


def test_a_currency_code_is_three_capitals() -> None:
    assert money.is_code("EUR")
    assert not any(money.is_code(text) for text in ("eur", "EURO", "", "currency"))


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [(5000, "EUR", "50.00 EUR"), (1, "EUR", "0.01 EUR"), (5000, "JPY", "5000 JPY"), (1234, "KWD", "1.234 KWD")],
)
def test_amounts_are_shown_as_people_write_them(amount: int, currency: str, words: str) -> None:
    assert money.shown(amount, currency) == words
