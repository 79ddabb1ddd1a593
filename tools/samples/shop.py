"""Builds the sample shop: a SQLite database with some hundred customers and orders, the same for a seed and a day."""

import sqlite3
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tools import ledger

_HERE = Path(__file__).parent
_CUSTOMERS = 300
_ORDERS = 900
_FIRST_ORDER = 8200
_RETURN_DAYS = 30
# Shares of the orders.
_RECENT, _CANCELLED, _RETURNED, _REFUNDED = 1 / 3, 0.05, 0.2, 0.5
_CAPITALS = 0.15
"""Share of the addresses that are kept as the customer typed them."""
_REASONS = ("damaged", "wrong_item", "not_as_described", "does_not_fit", "changed_mind", "not_stated")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """What became of an order, day by day."""

    status: str
    placed: date
    shipped: date | None = None
    expected: date | None = None
    delivered: date | None = None
    cancelled: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """An order and what became of it."""

    order_id: str
    customer_id: int
    course: _Course
    items: Mapping[str, int]
    """Article number to quantity."""


@cache
def stock() -> Mapping[str, Any]:
    """Names, places, products and carriers that a shop is built from."""
    return tomllib.loads((_HERE / "stock.toml").read_text(encoding="utf-8"))


def build(path: Path, *, seed: int = 0, today: date) -> None:
    """Write the shop's database to `path`.

    Args:
        path: A file that does not exist yet.
        seed: Which shop; the same seed and day give the same rows.
        today: The day on which orders are new, on their way or delivered.

    Raises:
        FileExistsError: there is something at `path`; it is left alone.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists. Choose another path, or delete it first.")
    random = Random(seed)  # noqa: S311 - sample data, not secrets
    with closing(sqlite3.connect(path)) as database, database:
        # In one transaction with the rows: by itself a script would wait for the disk after every statement.
        database.executescript("BEGIN;" + (_HERE / "schema.sql").read_text(encoding="utf-8"))
        _insert_products(database, random)
        _insert_customers(database, random)
        prices = {product["sku"]: int(product["price"]) for product in stock()["product"]}
        for order in _orders(random, today, list(prices)):
            _insert_order(database, order, prices)
            _insert_parcel(database, order, random)
            _insert_aftermath(database, order, random, today)
        database.execute(ledger.DDL)


def _insert_products(database: sqlite3.Connection, random: Random) -> None:
    for product in stock()["product"]:
        row = (product["sku"], product["name"], product["price"], random.choice([0, 4, 12, 35, 80, 150]))
        database.execute("INSERT INTO products VALUES (?, ?, ?, ?)", row)


def _insert_customers(database: sqlite3.Connection, random: Random) -> None:
    taken: set[str] = set()
    for number in range(1, _CUSTOMERS + 1):
        language = random.choices(["en", "de"], weights=[3, 2])[0]
        lists = stock()[language]
        first, last, town = random.choice(lists["first"]), random.choice(lists["last"]), random.choice(lists["towns"])
        email = _address(random, first, last, random.choice(stock()["domains"]), taken)
        house, street = random.randint(1, 140), random.choice(lists["streets"])
        line = f"{house} {street}" if language == "en" else f"{street} {house}"
        row = (1000 + number, f"{first} {last}", email, line, town["postcode"], town["city"], town["country"], language)
        database.execute("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def _address(random: Random, first: str, last: str, domain: str, taken: set[str]) -> str:
    """An address nobody has yet; some are kept in capitals, as customers type them."""
    plain_first, plain_last = first.lower().translate(_UMLAUTS), last.lower().translate(_UMLAUTS)
    forms = [f"{plain_first}.{plain_last}", f"{plain_first[0]}.{plain_last}", f"{plain_first}{random.randint(60, 99)}"]
    local = random.choice(forms)
    while f"{local}@{domain}" in taken:
        local = f"{plain_first}.{plain_last}{random.randint(2, 999)}"
    taken.add(f"{local}@{domain}")
    return f"{local.title()}@{domain}" if random.random() < _CAPITALS else f"{local}@{domain}"


def _orders(random: Random, today: date, skus: list[str]) -> Iterator[_Order]:
    """Orders by day, oldest first; a third of them is of the last two weeks, so that every state is common."""
    ages = sorted((_age(random) for _ in range(_ORDERS)), reverse=True)
    number = _FIRST_ORDER
    for age in ages:
        number += random.randint(3, 225)
        yield _Order(
            order_id=str(number),
            customer_id=1000 + random.randint(1, _CUSTOMERS),
            course=_course(random, today - timedelta(days=age), today),
            items={sku: random.choices([1, 2, 3], weights=[7, 2, 1])[0] for sku in random.sample(skus, _lines(random))},
        )


def _age(random: Random) -> int:
    return random.randint(0, 13) if random.random() < _RECENT else random.randint(14, 400)


def _lines(random: Random) -> int:
    return random.choices([1, 2, 3, 4], weights=[5, 3, 2, 1])[0]


def _course(random: Random, placed: date, today: date) -> _Course:
    shipped = placed + timedelta(days=random.randint(1, 3))
    expected = shipped + timedelta(days=random.randint(2, 5))
    delivered = expected + timedelta(days=random.choice([-1, 0, 0, 0, 1]))
    if random.random() < _CANCELLED:
        return _Course(status="cancelled", placed=placed, cancelled=placed)
    if delivered < today:
        return _Course(status="delivered", placed=placed, shipped=shipped, expected=expected, delivered=delivered)
    if shipped < today:
        # What is still on its way is never promised for a day that has passed.
        promised = max(expected, today + timedelta(days=1))
        return _Course(status="shipped", placed=placed, shipped=shipped, expected=promised)
    return _Course(status="processing", placed=placed, expected=expected)


def _insert_order(database: sqlite3.Connection, order: _Order, prices: Mapping[str, int]) -> None:
    total = sum(prices[sku] * quantity for sku, quantity in order.items.items())
    course = order.course
    until = course.delivered + timedelta(days=_RETURN_DAYS) if course.delivered else None
    days = [_iso(day) for day in (course.placed, course.expected, course.delivered, until, course.cancelled)]
    row = (order.order_id, order.customer_id, course.status, *days, total)
    database.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    lines = [(order.order_id, sku, quantity, prices[sku]) for sku, quantity in order.items.items()]
    database.executemany("INSERT INTO order_items VALUES (?, ?, ?, ?)", lines)
    if course.shipped:
        invoice = (f"R{course.shipped.year}-{order.order_id}", order.order_id, _iso(course.shipped), total)
        database.execute("INSERT INTO invoices VALUES (?, ?, ?, ?)", invoice)


def _insert_parcel(database: sqlite3.Connection, order: _Order, random: Random) -> None:
    if order.course.shipped is None:
        return
    tracking = f"{random.choice('JKPRX')}{random.choice('ABDGN')}{random.randint(10**9, 10**10 - 1)}"
    row = (tracking, order.order_id, random.choice(stock()["carriers"]), _iso(order.course.shipped))
    database.execute("INSERT INTO parcels VALUES (?, ?, ?, ?)", row)


def _insert_aftermath(database: sqlite3.Connection, order: _Order, random: Random, today: date) -> None:
    """Every fifth delivered order comes back; half of what came back or was cancelled is already refunded."""
    delivered, due = order.course.delivered, order.course.cancelled
    if delivered and delivered + timedelta(days=2) < today and random.random() < _RETURNED:
        opened = delivered + timedelta(days=random.randint(1, 2))
        received = opened + timedelta(days=random.randint(3, 9))
        due = received if received < today else None
        row = (order.order_id, random.choice(_REASONS), "received" if due else "open", _iso(opened), _iso(due))
        sql = "INSERT INTO returns (order_id, reason, status, opened_on, received_on) VALUES (?, ?, ?, ?, ?)"
        database.execute(sql, row)
    if due and random.random() < _REFUNDED:
        sql = """
            INSERT INTO refunds (order_id, amount, status, requested_on)
            SELECT order_id, total, 'paid', ? FROM orders WHERE order_id = ?
        """
        database.execute(sql, (_iso(due), order.order_id))


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
