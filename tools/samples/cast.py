"""Chooses who writes the sample mails, and about which order, out of the shop's rows."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Literal

Need = Literal["shipped", "processing", "delivered", "returnable", "small refund", "large refund"]
"""What an order must be for a mail to make sense."""

SMALL_REFUND = 4000
"""Cents; a shop would pay so much back without a second look."""
LARGE_REFUND = 20000
"""Cents; from here on a person should look."""

_REFUNDABLE = """
    (o.status = 'cancelled' OR EXISTS (SELECT 1 FROM returns r WHERE r.order_id = o.order_id AND r.status = 'received'))
    AND NOT EXISTS (SELECT 1 FROM refunds f WHERE f.order_id = o.order_id)
"""
_CONDITIONS: dict[Need, str] = {
    "shipped": "o.status = 'shipped'",
    "processing": "o.status = 'processing'",
    "delivered": "o.status = 'delivered'",
    "returnable": "o.status = 'delivered' AND o.returns_until > :today"
    " AND NOT EXISTS (SELECT 1 FROM returns r WHERE r.order_id = o.order_id)",
    "small refund": f"{_REFUNDABLE} AND o.total <= {SMALL_REFUND}",
    "large refund": f"{_REFUNDABLE} AND o.total >= {LARGE_REFUND}",
}
_SELECT = """
SELECT c.customer_id, c.name, c.email, c.street, c.postcode, c.city, c.language,
       o.order_id, o.placed_on, o.expected_on, o.total, p.tracking
FROM orders o JOIN customers c USING (customer_id) LEFT JOIN parcels p USING (order_id)
WHERE {condition} AND (:language IS NULL OR c.language = :language)
ORDER BY o.order_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One customer and one order of theirs."""

    customer_id: int
    name: str
    email: str
    """As the shop has it, capitals included."""
    street: str
    postcode: str
    city: str
    language: str
    order_id: str
    placed_on: date
    expected_on: date | None
    total: int
    """Cents."""
    tracking: str | None

    @property
    def first(self) -> str:
        """The first name."""
        return self.name.partition(" ")[0]

    @property
    def domain(self) -> str:
        """The domain of the mail address."""
        return self.email.partition("@")[2]


class Cast:
    """Hands out parts, no customer twice: two mails of one address would meet each other's limits and conversations."""

    def __init__(self, database: Path, random: Random, *, today: date) -> None:
        self._database = database
        self._random = random
        self._today = today
        self._taken: set[int] = set()

    def pick(self, need: Need, *, language: str | None = None) -> Part:
        """A customer who has not written yet, with an order of that kind.

        Args:
            need: What the order must be.
            language: Only customers of this language (ISO 639-1); None: of any, rather of English.

        Raises:
            LookupError: the shop has no such order left.
        """
        rather = language or self._random.choices(["en", "de"], weights=[2, 1])[0]
        rows = self._free(need, rather) or self._free(need, language)
        if not rows:
            raise LookupError(f"No order is left for {need!r}. Build a larger shop, or take another seed.")
        row = self._random.choice(rows)
        self._taken.add(row["customer_id"])
        days = {key: date.fromisoformat(row[key]) if row[key] else None for key in ("placed_on", "expected_on")}
        return Part(**{**dict(row), **days})

    def _free(self, need: Need, language: str | None) -> list[sqlite3.Row]:
        sql = _SELECT.format(condition=_CONDITIONS[need])
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(sql, {"today": self._today.isoformat(), "language": language}).fetchall()
        return [row for row in rows if row["customer_id"] not in self._taken]
