"""The reference's rows as rows of our tables: what is loaded, and what must be there in the end."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.conformance.retail import Row, State, Task

Values = tuple[Any, ...]
Rows = Mapping[str, Sequence[Values]]
Flat = Mapping[tuple[str, str], Sequence[tuple[str, Values]]]
"""Each row of the reference as rows by the names of COMPARED."""

_ADDRESS = ("address1", "address2", "city", "state", "country", "zip")
LOADED = {
    "users": ("user_id", "email", "first_name", "last_name", *_ADDRESS),
    "payment_methods": ("payment_method_id", "user_id", "source", "brand", "last_four", "balance"),
    "products": ("product_id", "name"),
    "variants": ("item_id", "product_id", "options", "available", "price"),
    "orders": (
        *("order_id", "user_id", "status", *_ADDRESS, "cancel_reason"),
        *("exchange_payment_method_id", "exchange_price_difference", "return_payment_method_id"),
    ),
    "order_items": ("order_id", "line", "item_id", "price"),
    "parcel_items": ("order_id", "parcel", "place", "tracking_id", "item_id"),
    "payments": ("order_id", "entry", "transaction_type", "amount", "payment_method_id"),
}
"""Tables and columns, in the order in which they can be filled."""
COMPARED = {table: f"SELECT {', '.join(columns)} FROM {table}" for table, columns in LOADED.items()} | {
    "order_items": "SELECT i.order_id, i.line, i.item_id, i.price, v.product_id, p.name, v.options FROM order_items i "
    "JOIN variants v ON v.item_id = i.item_id JOIN products p ON p.product_id = v.product_id",
    # The reference sorts both lists, so that the pairs are lost.
    "exchange_items": "SELECT order_id, item_id FROM exchanged_items",
    "exchange_new_items": "SELECT order_id, new_item_id FROM exchanged_items",
    "return_items": "SELECT order_id, item_id FROM returned_items",
}
"""How our tables are asked for the rows of the reference."""
_LISTS = ("exchange_items", "exchange_new_items", "return_items")
_QUIRK = ("order_items", (3, 6))
"""The columns of `order_items` that a task with a quirk leaves out: price and options."""


def flat(state: State) -> Flat:
    """The rows of the reference as rows of ours."""
    return {key: tuple(_FLAT[key[0]](row)) for key, row in state.items()}


def of(table: str, flat: Flat) -> list[Values]:
    """The rows of one table."""
    return [values for rows in flat.values() for name, values in rows if name == table]


def cents(value: float | None) -> int | None:
    """An amount of the reference, which carries the dust of binary fractions."""
    return None if value is None else round(Decimal(str(value)) * 100)


def options(value: Row) -> str:
    """The options of an item as our tables hold them."""
    return json.dumps(value, sort_keys=True)


def differences(wanted: Flat, found: Rows, task: Task | None = None) -> list[str]:
    """One sentence for each row that is missing or that should not be there."""
    blurred = task.changes.keys() if task and task.quirk else frozenset()
    one = Counter((table, _blurred(table, row, blurred)) for rows in wanted.values() for table, row in rows)
    other = Counter((table, _blurred(table, row, blurred)) for table, rows in found.items() for row in rows)
    if dict(one) == dict(other):  # many times quicker than the comparison of counters
        return []
    told = [f"{table}: {_shown(row)} is missing." for table, row in (one - other).elements()]
    return told + [f"{table}: {_shown(row)} should not be there." for table, row in (other - one).elements()]


def _blurred(table: str, row: Values, keys: Any) -> Values:
    if table != _QUIRK[0] or ("orders", row[0]) not in keys:
        return tuple(row)
    return tuple(None if place in _QUIRK[1] else value for place, value in enumerate(row))


def _shown(row: Values) -> str:
    return ", ".join(str(value) for value in row)


def _product(row: Row) -> Iterator[tuple[str, Values]]:
    key = row["product_id"]
    yield "products", (key, row["name"])
    for item in row["variants"].values():
        values = (item["item_id"], key, options(item["options"]), item["available"], cents(item["price"]))
        yield "variants", values


def _user(row: Row) -> Iterator[tuple[str, Values]]:
    key, name = row["user_id"], row["name"]
    yield "users", (key, row["email"], name["first_name"], name["last_name"], *_address(row))
    for method in row["payment_methods"].values():
        card = (method.get("brand"), method.get("last_four"), cents(method.get("balance")))
        yield "payment_methods", (method["id"], key, method["source"], *card)


def _order(row: Row) -> Iterator[tuple[str, Values]]:
    key = row["order_id"]
    asked = (
        *(row.get("cancel_reason"), row.get("exchange_payment_method_id")),
        *(cents(row.get("exchange_price_difference")), row.get("return_payment_method_id")),
    )
    yield "orders", (key, row["user_id"], row["status"], *_address(row), *asked)
    for line, item in enumerate(row["items"], start=1):
        of = (item["product_id"], item["name"], options(item["options"]))
        yield "order_items", (key, line, item["item_id"], cents(item["price"]), *of)
    for number, parcel in enumerate(row["fulfillments"], start=1):
        (tracking_id,) = parcel["tracking_id"]
        for place, item_id in enumerate(parcel["item_ids"], start=1):
            yield "parcel_items", (key, number, place, tracking_id, item_id)
    for entry, payment in enumerate(row["payment_history"], start=1):
        what = (payment["transaction_type"], cents(payment["amount"]), payment["payment_method_id"])
        yield "payments", (key, entry, *what)
    for name in _LISTS:
        for item_id in row.get(name) or ():
            yield name, (key, item_id)


def _address(row: Row) -> Values:
    return tuple(row["address"][name] for name in _ADDRESS)


_FLAT: dict[str, Callable[[Row], Iterator[tuple[str, Values]]]] = {
    "products": _product,
    "users": _user,
    "orders": _order,
}
