from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import formats
from handlers.formats import SlotError
from tools.tool import Column

EUR = Column(type="money", currency="EUR")


@pytest.mark.parametrize(
    ("column", "value", "language", "shown"),
    [
        (EUR, 125050, "en", "€1,250.50"),
        (EUR, 125050, "de", "1.250,50 €"),
        (EUR, 125050, "fr", "1 250,50 €"),
        (EUR, 125050, "es", "1.250,50 €"),
        (EUR, -499, "en", "-€4.99"),
        (Column(type="money", currency="JPY"), 1200, "en", "JP¥1,200"),
        (Column(type="money", currency="EUR", unit="major"), "12.5", "de", "12,50 €"),
        (Column(type="date"), "2026-11-03", "en", "3 November 2026"),
        (Column(type="date"), "2026-11-03", "de", "3. November 2026"),
        (Column(type="date"), "2026-11-03T14:05:00", "fr", "3 novembre 2026"),
        (Column(type="date"), "2026-11-03", "es", "3 de noviembre de 2026"),
        (Column(type="datetime"), "2026-11-03T14:05:00+00:00", "en", "3 November 2026, 14:05 UTC"),
        (Column(type="datetime"), "2026-11-03 14:05:00", "de", "3. November 2026, 14:05"),
        (Column(type="integer"), 12345, "en", "12,345"),
        (Column(type="integer"), 12345, "de", "12.345"),
        (Column(type="decimal"), "2.125", "de", "2,125"),
        (Column(type="decimal"), 0.5, "en", "0.5"),
        (Column(type="link"), "https://shop.example/t?a=1&b=2", "en", "https://shop.example/t?a=1&b=2"),
        (Column(type="state", words={"sent": {"en": "on its way"}}), "sent", "en", "on its way"),
        (Column(), "1 pc. Kettle, blue", "en", "1 pc. Kettle, blue"),
        (Column(), 4711, "de", "4711"),
    ],
)
def test_a_value_is_written_as_people_of_the_language_write_it(
    column: Column, value: Any, language: str, shown: str
) -> None:
    assert formats.show(value, column, {}, language) == shown


def test_the_currency_may_stand_in_another_column() -> None:
    column = Column(type="money", currency_column="currency")
    assert formats.show(1999, column, {"currency": "GBP"}, "en") == "£19.99"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column(), None),
        (Column(), ""),
        (Column(), "\u200b"),
        (Column(), True),
        (Column(), ["a"]),
        (EUR, "twelve"),
        (EUR, float("nan")),
        (Column(type="money", currency_column="currency"), 1),
        (Column(type="date"), "3.11.2026"),
        (Column(type="datetime"), "soon"),
        (Column(type="integer"), "1.5"),
        (Column(type="state", words={"sent": {"de": "unterwegs"}}), "sent"),
        (Column(type="state", words={"sent": {"en": "on its way"}}), "lost"),
    ],
)
def test_a_value_that_can_not_be_written_is_refused(column: Column, value: Any) -> None:
    with pytest.raises(SlotError):
        formats.show(value, column, {}, "en")


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "http://user@evil.example/",
        "https://",
        "//evil.example",
        "https://a.example/ b",
        "https://a.example/\nb",
        'https://a.example/">',
        "https://\u0430pple.example/",
        "https://[::1",
    ],
)
def test_a_link_column_brings_only_plain_web_addresses(value: str) -> None:
    with pytest.raises(SlotError):
        formats.show(value, Column(type="link"), {}, "en")


@pytest.mark.parametrize("value", ["see https://evil.example", "www.evil.example", "mailto:me", "HTTP://x"])
def test_a_text_column_never_brings_a_link(value: str) -> None:
    with pytest.raises(SlotError):
        formats.show(value, Column(), {}, "en")


@pytest.mark.parametrize("value", ["evil.example", "me@evil.example"])
def test_what_customers_write_brings_nothing_that_becomes_a_link(value: str) -> None:
    with pytest.raises(SlotError):
        formats.show(value, Column(untrusted=True), {}, "en")


@given(st.text())
def test_a_written_text_is_one_line_of_visible_characters(value: str) -> None:
    try:
        shown = formats.show(value, Column(untrusted=True), {}, "en")
    except SlotError:
        return
    assert shown.isprintable()


@given(st.integers(min_value=-(10**12), max_value=10**12), st.sampled_from(["en", "de", "fr", "es"]))
def test_money_keeps_every_digit(minor: int, language: str) -> None:
    shown = formats.show(minor, EUR, {}, language)
    assert int("".join(letter for letter in shown if letter.isdigit())) == abs(minor)


def test_a_model_sees_money_the_same_in_every_language() -> None:
    assert formats.amount(1999, EUR, {}) == "19.99 EUR"
    assert formats.amount(Decimal(1999), EUR, {}) == "19.99 EUR"
    assert formats.amount("1\norder2: x=1", EUR, {}) == '"1\\norder2: x=1"'
