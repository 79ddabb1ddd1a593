from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.written import dates, normal, numbers, says

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Please cancel order 1042.", "1042"),
        ("order #1042, please", "1042"),
        ("I moved to Main St  5,\nBerlin", "main st 5"),
        ("Cafe\u0301 Roma", "Caf\u00e9 Roma"),
        ("STRASSE 5", "straße 5"),
        ("write to <b@x.example>.", "b@x.example"),
        ("a 5", "5"),
    ],
)
def test_whole_words_are_found_however_they_are_spaced_and_written(text: str, value: str) -> None:
    assert says(normal(text), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("it cost 1500", "5"),
        ("it cost 5.50", "5"),
        ("it cost 1,5", "5"),
        ("on 5/6", "5"),
        ("since 2024-1042", "1042"),
        ("A42 is not", "42"),
        ("cat", "a"),
        ("a.b@x.example", "b@x.example"),
        ("b@x.example.org", "b@x.example"),
        ("ana@example.com", "ana"),
        ("anything", ""),
        ("anything", "   "),
    ],
)
def test_a_part_of_a_word_a_number_or_an_address_is_not_said(text: str, value: str) -> None:
    assert not says(normal(text), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("19.99 EUR", "19.99"),
        ("19,99 €", "19.99"),
        ("€1.234,50", "1234.50"),
        ("$1,234.50", "1234.50"),
        ("1.250", "1250"),
        ("1.250", "1.25"),
        ("1 250", "1250"),
        ("minus -5 degrees", "-5"),
        ("2 3 4", "3"),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, value: str) -> None:
    assert Decimal(value) in set(numbers(normal(text)))


@pytest.mark.parametrize(("text", "value"), [("1500", "5"), ("15.00", "5"), ("order5", "5"), ("-5", "5"), ("1.5", "5")])
def test_a_part_of_a_number_is_no_number(text: str, value: str) -> None:
    assert Decimal(value) not in set(numbers(normal(text)))


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-03",
        "2026/12/3",
        "3.12.2026",
        "03/12/26",
        "12/3/2026",
        "3.12.",
        "on 3/12",
        "3. Dezember",
        "December 3rd, 2026",
        "the 3rd of December",
        "le 3 décembre 2026",
        "3 de diciembre de 2026",
        "Dec 3",
    ],
)
def test_dates_are_read_as_people_write_them(text: str) -> None:
    assert date(2026, 12, 3) in set(dates(normal(text), TODAY))


@pytest.mark.parametrize("text", ["tomorrow", "31.2.2026", "1.2.3.4.5", "20261203", "2025-12-03", "version 3.12.1"])
def test_what_is_no_date_or_another_one_is_not_taken_for_it(text: str) -> None:
    assert date(2026, 12, 3) not in set(dates(normal(text), TODAY))


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    list(numbers(normal(text)))
    list(dates(normal(text), TODAY))


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_value_inside_a_longer_word_is_never_said(value: str, more: str) -> None:
    inside = f"x{normal(value)}x"
    assert not says(inside, value) or not normal(value)[:1].isalnum()


@given(st.integers(0, 10**9))
def test_a_number_is_found_as_it_is_printed(value: int) -> None:
    assert Decimal(value) in set(numbers(f"pay {value} now"))
    assert Decimal(value) in set(numbers(f"pay {value:,}."))
