"""Builds the sample shop: a SQLite database with some hundred customers and orders, the same for the same seed and day."""

import sqlite3
import tomllib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

_HERE = Path(__file__).parent
_CUSTOMERS = 300
_ORDERS = 900
_FIRST_ORDER = 8200
_RETURN_DAYS = 30
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """An order and what became of it."""

    order_id: str
    customer_id: int
    status: str
    placed: date
    shipped: date | None
    expected: date | None
    delivered: date | None
    cancelled: date | None
    items: Mapping[str, int]
    """Article number to quantity."""

    @property
    def returns_until(self) -> date | None:
        return self.delivered + timedelta(days=_RETURN_DAYS) if self.delivered else None


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
    stock = tomllib.loads((_HERE / "stock.toml").read_text(encoding="utf-8"))
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript((_HERE / "schema.sql").read_text(encoding="utf-8"))
        _insert_products(database, random, stock)
        _insert_customers(database, random, stock)
        prices = {product["sku"]: int(product["price"]) for product in stock["product"]}
        for order in _orders(random, today, list(prices)):
            _insert_order(database, order, prices)
            _insert_parcel(database, order, random, stock["carriers"])
            _insert_aftermath(database, order, random, today)


def _insert_products(database: sqlite3.Connection, random: Random, stock: Mapping[str, Any]) -> None:
    for product in stock["product"]:
        row = (product["sku"], product["name"], product["price"], random.choice([0, 4, 12, 35, 80, 150]))
        database.execute("INSERT INTO products VALUES (?, ?, ?, ?)", row)


def _insert_customers(database: sqlite3.Connection, random: Random, stock: Mapping[str, Any]) -> None:
    taken: set[str] = set()
    for number in range(1, _CUSTOMERS + 1):
        language = random.choices(["en", "de"], weights=[3, 2])[0]
        lists = stock[language]
        first, last, town = random.choice(lists["first"]), random.choice(lists["last"]), random.choice(lists["towns"])
        email = _address(random, first, last, random.choice(stock["domains"]), taken)
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
    return f"{local.title()}@{domain}" if random.random() < 0.15 else f"{local}@{domain}"  # noqa: PLR2004 - a share


def _orders(random: Random, today: date, skus: list[str]) -> list[_Order]:
    """Orders by day, oldest first; a third of them is of the last two weeks, so that every state is common."""
    ages = sorted((_age(random) for _ in range(_ORDERS)), reverse=True)
    number = _FIRST_ORDER
    orders = []
    for age in ages:
        number += random.randint(3, 225)
        customer = 1000 + random.randint(1, _CUSTOMERS)
        items = {sku: random.choices([1, 2, 3], weights=[7, 2, 1])[0] for sku in random.sample(skus, _lines(random))}
        orders.append(_order(random, str(number), customer, today, age, items))
    return orders


def _age(random: Random) -> int:
    return random.randint(0, 13) if random.random() < 1 / 3 else random.randint(14, 400)


def _lines(random: Random) -> int:
    return random.choices([1, 2, 3, 4], weights=[5, 3, 2, 1])[0]


def _order(random: Random, order_id: str, customer: int, today: date, age: int, items: Mapping[str, int]) -> _Order:
    placed = today - timedelta(days=age)
    shipped = placed + timedelta(days=random.randint(1, 3))
    expected = shipped + timedelta(days=random.randint(2, 5))
    delivered = expected + timedelta(days=random.choice([-1, 0, 0, 0, 1]))
    cancelled = placed if random.random() < 0.05 else None  # noqa: PLR2004 - a share
    if cancelled:
        status = "cancelled"
    elif delivered < today:
        status = "delivered"
    elif shipped < today:
        status = "shipped"
        # What is still on its way is never promised for a day that has passed.
        expected = max(expected, today + timedelta(days=1))
    else:
        status = "processing"
    return _Order(
        order_id=order_id,
        customer_id=customer,
        status=status,
        placed=placed,
        shipped=shipped if status in {"shipped", "delivered"} else None,
        expected=None if cancelled else expected,
        delivered=delivered if status == "delivered" else None,
        cancelled=cancelled,
        items=items,
    )


def _insert_order(database: sqlite3.Connection, order: _Order, prices: Mapping[str, int]) -> None:
    total = sum(prices[sku] * quantity for sku, quantity in order.items.items())
    database.execute(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            order.order_id,
            order.customer_id,
            order.status,
            order.placed.isoformat(),
            _iso(order.expected),
            _iso(order.delivered),
            _iso(order.returns_until),
            _iso(order.cancelled),
            total,
        ),
    )
    for sku, quantity in order.items.items():
        row = (order.order_id, sku, quantity, prices[sku])
        database.execute("INSERT INTO order_items VALUES (?, ?, ?, ?)", row)
    if order.shipped:
        row = (f"R{order.shipped.year}-{order.order_id}", order.order_id, _iso(order.shipped), total)
        database.execute("INSERT INTO invoices VALUES (?, ?, ?, ?)", row)


def _insert_parcel(database: sqlite3.Connection, order: _Order, random: Random, carriers: list[str]) -> None:
    if order.shipped is None:
        return
    tracking = f"{random.choice('JKPRX')}{random.choice('ABDGN')}{random.randint(10**9, 10**10 - 1)}"
    row = (tracking, order.order_id, random.choice(carriers), _iso(order.shipped))
    database.execute("INSERT INTO parcels VALUES (?, ?, ?, ?)", row)


def _insert_aftermath(database: sqlite3.Connection, order: _Order, random: Random, today: date) -> None:
    """Every fifth delivered order comes back; half of what came back, and of what was cancelled, is already refunded."""
    refundable = order.cancelled
    if order.delivered and order.delivered + timedelta(days=2) < today and random.random() < 1 / 5:
        opened = order.delivered + timedelta(days=random.randint(1, 2))
        received = opened + timedelta(days=random.randint(3, 9))
        refundable = received if received < today else None
        reason = random.choice(["damaged", "wrong_item", "not_as_described", "does_not_fit", "changed_mind", "not_stated"])
        row = (order.order_id, reason, "received" if refundable else "open", _iso(opened), _iso(refundable))
        sql = "INSERT INTO returns (order_id, reason, status, opened_on, received_on) VALUES (?, ?, ?, ?, ?)"
        database.execute(sql, row)
    if refundable and random.random() < 1 / 2:
        database.execute(
            "INSERT INTO refunds (order_id, amount, status, requested_on) SELECT order_id, total, 'paid', ? FROM orders WHERE order_id = ?",
            (_iso(refundable), order.order_id),
        )


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
