"""Puts a customer's matter into words: picks a wording, fills it with the order's values, dates the letter."""

import tomllib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tools.samples.cast import Cast, Part
from tools.samples.letter import Letter
from tools.samples.shop import stock

_HERE = Path(__file__).parent


@cache
def _wording() -> Mapping[str, Any]:
    return tomllib.loads((_HERE / "wording.toml").read_text(encoding="utf-8"))


class Author:
    """Writes the letters of one seed; the same seed writes the same ones."""

    def __init__(self, database: Path, *, seed: int, now: datetime) -> None:
        self.random = Random(f"mails {seed}")  # noqa: S311 - sample data, not secrets
        self.cast = Cast(database, self.random, today=now.date())
        self._wording = _wording()
        self._stock = stock()
        self._now = now
        self._spoken: set[str] = set()

    def letter(self, part: Part, words: dict[str, str], **more: str) -> Letter:
        """A letter of this customer; `more` fills what is not of their order."""
        values = {"order": part.order_id, "name": part.name, "first": part.first, **more}
        self._now += timedelta(seconds=self.random.randint(1, 9))
        return Letter(
            name=part.name,
            address=part.email,
            subject=words["subject"].format(**values),
            text=words["text"].strip().format(**values) + "\n",
            # A few minutes ago: nothing is too old to answer, and no clock has to agree with ours.
            sent=self._now - timedelta(minutes=5),
            message_id=f"{self.random.getrandbits(64):016x}@{part.domain}",
        )

    def wordings(self, kind: str, language: str) -> list[dict[str, str]]:
        """Every way to say it."""
        wordings: list[dict[str, str]] = self._wording[kind][language]
        return wordings

    def words(self, kind: str, language: str) -> dict[str, str]:
        """A way to say it that no other letter has, as long as there is one."""
        wordings = self.wordings(kind, language)
        fresh = [words for words in wordings if words["text"] not in self._spoken] or wordings
        words = self.random.choice(fresh)
        self._spoken.add(words["text"])
        return words

    def name(self, language: str) -> str:
        """A name that may be nobody's."""
        lists = self._stock[language]
        return f"{self.random.choice(lists['first'])} {self.random.choice(lists['last'])}"

    def address(self, language: str) -> dict[str, str]:
        """Street, postcode and city of a place to move to."""
        lists = self._stock[language]
        town, street = self.random.choice(lists["towns"]), self.random.choice(lists["streets"])
        house = self.random.randint(1, 140)
        line = f"{house} {street}" if language == "en" else f"{street} {house}"
        return {"street": line, "postcode": town["postcode"], "city": town["city"]}


def fact(name: str, part: Part) -> str:
    """A value of the order as a reply in the customer's language writes it.

    Raises:
        LookupError: the order has no such value.
    """
    if name == "order":
        return part.order_id
    if name == "total":
        return money(part.total, part.language)
    if name == "tracking" and part.tracking:
        return part.tracking
    if name == "expected" and part.expected_on:
        return day(part.expected_on, part.language)
    raise LookupError(f"Order {part.order_id} has no {name}. Ask for a value that the order of this sample has.")


def private(part: Part) -> tuple[str, ...]:
    """What no other sender may learn: who ordered, where it goes, under which number it travels."""
    return tuple(value for value in (part.name, part.street, part.tracking) if value)


def day(value: date, language: str) -> str:
    """`3 November 2026` or `3. November 2026`."""
    from babel.dates import format_date

    return format_date(value, "d. MMMM y" if language == "de" else "d MMMM y", locale=language)


def money(cents: int, language: str) -> str:
    """`€12.90` or `12,90 €`."""
    from babel.numbers import format_currency

    # Babel joins figure and sign with a no-break space, which replies write as any other space.
    return " ".join(format_currency(Decimal(cents) / 100, "EUR", locale=language).split())
