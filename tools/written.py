"""Finds a value in what somebody wrote: as a whole word, in the forms in which people write numbers and dates."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache

LANGUAGES = ("en", "de", "fr", "es")
"""Whose names of months are known."""

_SPACES = re.compile(r"\s+")
_NUMBER = re.compile(r"(?<![\w.,])[-\u2212]?\d+(?:[.,'\u2019\u00a0\u202f ]\d+)*(?![\w])")
_GROUPED = re.compile(r"\d{1,3}(?:(?P<mark>[.,'\u2019\u00a0\u202f ])\d{3})(?:(?P=mark)\d{3})*")
_DECIMAL = re.compile(r"(?P<whole>.*)[.,](?P<part>\d+)")
_ISO = re.compile(r"(?<!\d)(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)")
_FIGURES = re.compile(r"(?<![\d./-])(\d{1,2})[./-]\s?(\d{1,2})(?:[./-]\s?(\d{4}|\d{2})?)?(?![\d/-]|\.\d)")
_NEAR = timedelta(days=366)
"""How far from today a day lies at most that was written without its year."""


def normal(text: str) -> str:
    """A text as it is compared: composed (NFC), without case, each run of white space one space."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text).casefold()).strip()


def says(text: str, value: str) -> bool:
    """Whether a text holds the value as words of its own: `5` is not in `1500`, `5.50` or `item-5x`.

    Args:
        text: `normal`.
        value: as the model gave it.
    """
    wanted = normal(value)
    if not wanted:
        return False
    if "@" in wanted:
        # RFC 5322 section 3.2.3: what may stand in an address, so that `b@x.example` is not in `a.b@x.example`.
        before, after = r"(?<![\w.!#$%&*+/=?^`{|}~-])", r"(?![\w@-]|\.\w)"
    else:
        before = r"(?<![\w@])" + (r"(?<!\d[.,:/-])" if wanted[0].isdigit() else "")
        after = r"(?![\w@])" + (r"(?![.,:/-]\d)" if wanted[-1].isdigit() else "")
    return re.search(before + re.escape(wanted) + after, text) is not None


def numbers(text: str) -> Iterator[Decimal]:
    """The numbers of a text in every reading: `1.250` is 1.25 for some and 1250 for others."""
    for match in _NUMBER.finditer(text):
        written = match.group().replace("\u2212", "-")
        sign, digits = ("-", written[1:]) if written.startswith("-") else ("", written)
        for reading in {digits, *_readings(digits)}:
            try:
                yield Decimal(sign + reading)
            except InvalidOperation:
                continue


def _readings(digits: str) -> Iterator[str]:
    if _GROUPED.fullmatch(digits):
        yield re.sub(r"\D", "", digits)
    if split := _DECIMAL.fullmatch(digits):
        whole = split["whole"]
        if whole.isdigit() or _GROUPED.fullmatch(whole):
            yield f"{re.sub(r'[^0-9]', '', whole)}.{split['part']}"
    yield from digits.split(" ")


def dates(text: str, today: date) -> Iterator[date]:
    """The days that a text names, in every reading: `3/11` is in March for some and in November for others.

    Args:
        text: `normal`.
        today: decides the year of a day that is written without one.
    """
    for match in _ISO.finditer(text):
        yield from _days(match["year"], match["month"], match["day"], today)
    for match in _FIGURES.finditer(text):
        one, two, year = match.groups()
        yield from _days(year, two, one, today)
        yield from _days(year, one, two, today)
    for match in _named().finditer(text):
        name = match["month"] or match["first"]
        yield from _days(match["year"] or match["last"], str(_months()[name]), match["day"] or match["second"], today)


def _days(year: str | None, month: str, day: str, today: date) -> Iterator[date]:
    years = [today.year - 1, today.year, today.year + 1]
    if year:
        years = [int(year) if len(year) > 2 else 2000 + int(year)]  # noqa: PLR2004 - digits of a short year
    for each in years:
        try:
            found = date(each, int(month), int(day))
        except ValueError:
            continue
        if year or abs(found - today) <= _NEAR:
            yield found


@cache
def _months() -> Mapping[str, int]:
    """Name of a month, whole or short, to its number."""
    from babel.dates import get_month_names

    return {
        normal(name).rstrip("."): number
        for language in LANGUAGES
        for width in ("wide", "abbreviated")
        for context in ("format", "stand-alone")
        for number, name in get_month_names(width, context, language).items()
    }


@cache
def _named() -> re.Pattern[str]:
    """`3rd of November 2026`, `3. November`, `3 de noviembre de 2026`, `November 3, 2026`."""
    month = "|".join(re.escape(name) for name in sorted(_months(), key=len, reverse=True))
    return re.compile(
        rf"(?<![\w.,])(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)? ?(?:of |de )?(?P<month>{month})\.?(?!\w)"
        rf"(?:,? (?:de )?(?P<year>\d{{4}})(?!\d))?"
        rf"|(?<!\w)(?P<first>{month})\.? (?P<second>\d{{1,2}})(?:st|nd|rd|th)?(?!\w)(?:,? (?P<last>\d{{4}})(?!\d))?"
    )
