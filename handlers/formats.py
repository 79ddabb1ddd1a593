"""Writes a column's value as people of a language write it: money, dates, numbers, links, words for states."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import urlsplit

from handlers import untrusted
from tools.errors import Permanent
from tools.tool import Column

_LOCALES: Final = {"en": "en_GB", "de": "de_DE", "fr": "fr_FR", "es": "es_ES"}
"""The region whose habits a language gets; another language keeps its own default."""
_TEXT = 500
_NARROW_SPACES = str.maketrans("\u00a0\u202f\u2009", "   ")
_LINK_LIKE = re.compile(r"://|\bwww\.|\bmailto:", re.IGNORECASE)
_ADDRESS_LIKE = re.compile(r"@|\w\.[a-z]{2,}\b", re.IGNORECASE)
"""What mail programs turn into a link although no scheme stands before it."""
_CURRENCY = re.compile(r"[A-Z]{3}")


class SlotError(Permanent):
    """A slot can't be filled, so the reply can't be written."""


def show(value: Any, column: Column, row: Mapping[str, Any], language: str) -> str:
    """Write one value: a single line, or a passage's paragraphs, without a character that readers don't see.

    Args:
        value: the JSON value that the database returned.
        column: how the operator declared it.
        row: its whole row, for `currency_column`.
        language: ISO 639-1.

    Raises:
        SlotError: the value is NULL, is not of the declared type, has no word in this language, or would bring a link
            into the reply from a column that is not declared as one.
    """
    if value is None:
        raise SlotError("is empty in the database")
    if isinstance(value, bool | dict | list):
        raise SlotError("is not a single value that a reply can show")
    try:
        shown = _FORMATS[column.type](value, column, row, language)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise SlotError(f"is declared as {column.type} but holds something else") from error
    if not shown:
        raise SlotError("is empty")
    return shown


def amount(value: Any, column: Column, row: Mapping[str, Any]) -> str:
    """Money as a model is shown it, the same in every language: `19.99 EUR`."""
    try:
        number, currency = _sum(value, column, row)
    except (SlotError, ValueError, InvalidOperation):
        return json.dumps(str(value))
    return f"{number} {currency}"


def _text(value: Any, column: Column, _row: Mapping[str, Any], _language: str) -> str:
    text = untrusted.line(str(value), limit=_TEXT)
    if _LINK_LIKE.search(text) or (column.untrusted and _ADDRESS_LIKE.search(text)):
        raise SlotError("holds a link, and its column is not declared as one")
    return text


def _passage(value: Any, column: Column, _row: Mapping[str, Any], _language: str) -> str:
    return untrusted.clean(str(value), limit=column.max_length).strip()


def _link(value: Any, _column: Column, _row: Mapping[str, Any], _language: str) -> str:
    text = str(value)
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise SlotError("is not a web address")
    if not text.isascii() or not text.isprintable() or any(character in text for character in " <>\"'`\\"):
        raise SlotError("is a web address with characters that don't belong there")
    return text


def _state(value: Any, column: Column, _row: Mapping[str, Any], language: str) -> str:
    words = (column.words or {}).get(str(value))
    if words is None or language not in words:
        raise SlotError(f"is a state without a word in `{language}`")
    return str(words[language])


def _money(value: Any, column: Column, row: Mapping[str, Any], language: str) -> str:
    from babel.numbers import format_currency

    number, currency = _sum(value, column, row)
    return _spaces(format_currency(number, currency, locale=_locale(language)))


def _sum(value: Any, column: Column, row: Mapping[str, Any]) -> tuple[Decimal, str]:
    """An amount in whole units, and its currency."""
    from babel.numbers import get_currency_precision

    currency = column.currency or str(row.get(column.currency_column or "") or "")
    if not _CURRENCY.fullmatch(currency):
        raise SlotError("is money without a currency")
    number = _finite(value)
    return (number.scaleb(-get_currency_precision(currency)) if column.unit == "minor" else number), currency


def _integer(value: Any, _column: Column, _row: Mapping[str, Any], language: str) -> str:
    from babel.numbers import format_decimal

    number = _finite(value)
    if number != number.to_integral_value():
        raise ValueError(value)
    return _spaces(format_decimal(number, locale=_locale(language)))


def _decimal(value: Any, _column: Column, _row: Mapping[str, Any], language: str) -> str:
    from babel.numbers import format_decimal

    return _spaces(format_decimal(_finite(value), locale=_locale(language), decimal_quantization=False))


def _date(value: Any, _column: Column, _row: Mapping[str, Any], language: str) -> str:
    return _day(date.fromisoformat(str(value)[:10]), language)


def _datetime(value: Any, _column: Column, _row: Mapping[str, Any], language: str) -> str:
    """In the zone that the database gave; a value without one is the operator's local time."""
    at = datetime.fromisoformat(str(value))
    return f"{_day(at.date(), language)}, {at:%H:%M %Z}".rstrip()


def _day(day: date, language: str) -> str:
    from babel.dates import format_date

    return _spaces(format_date(day, format="long", locale=_locale(language)))


def _finite(value: Any) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(value)
    return number


def _locale(language: str) -> str:
    from babel import UnknownLocaleError
    from babel.core import Locale

    try:
        return str(Locale.parse(_LOCALES.get(language, language)))
    except (UnknownLocaleError, ValueError) as error:
        raise SlotError(f"can't be written in the unknown language `{language}`") from error


def _spaces(text: str) -> str:
    """Plain spaces for the narrow and unbreakable ones: a plain-text mail is read, searched and quoted as typed."""
    return text.translate(_NARROW_SPACES)


_Format = Callable[[Any, Column, Mapping[str, Any], str], str]
_FORMATS: Final[Mapping[str, _Format]] = {
    "text": _text,
    "passage": _passage,
    "link": _link,
    "state": _state,
    "money": _money,
    "integer": _integer,
    "decimal": _decimal,
    "date": _date,
    "datetime": _datetime,
}
