"""What the reads of the reference are in our tools, and which rows they must return."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.conformance.rows import LOADED, Flat, of
from tools.read import Rows
from tools.values import canonical

OURS = {
    "get_user_details": ("get_user_details", "list_user_payment_methods", "list_user_orders"),
    "get_order_details": ("get_order_details", "list_order_items", "list_order_payments"),
}
"""What the reference returns nested in one answer, our reads return as rows of several."""
_ITEM = (*LOADED["order_items"], "product_id", "name", "options")

Row = dict[str, Any]
Named = Mapping[str, Sequence[Row]]
"""The rows of each table, their values by column."""


def named(flat: Flat) -> Named:
    """The rows of the reference as reads return them: an item with its product and parcel, a variant with its name."""
    found: dict[str, list[Row]] = {
        table: [dict(zip(columns, row, strict=False)) for row in of(table, flat)] for table, columns in LOADED.items()
    }
    parcels = {(row["order_id"], row["item_id"]): row["tracking_id"] for row in found["parcel_items"]}
    names = {row["product_id"]: row["name"] for row in found["products"]}
    items = [dict(zip(_ITEM, row, strict=True)) for row in of("order_items", flat)]
    found["order_items"] = [{**row, "tracking_id": parcels.get((row["order_id"], row["item_id"]))} for row in items]
    found["variants"] = [{**row, "name": names[row["product_id"]]} for row in found["variants"]]
    return found


def wanted(tool: str, arguments: Row, user_id: str, rows: Named) -> list[Row]:
    """The rows of the reference that a read must return to a user."""
    table, key = _ASKED[tool]
    found = [row for row in rows[table] if key is None or row[key] == arguments.get(key, user_id)]
    if key != "order_id":
        return found
    mine = {row["order_id"] for row in rows["orders"] if row["user_id"] == user_id}
    return [row for row in found if row["order_id"] in mine]


def unlike(tool: str, found: Rows, wanted: Sequence[Row]) -> str:
    """How the rows that a read returned are not those of the reference; empty when they are."""
    one, other = (
        sorted((_kept(row, found.columns) for row in rows), key=canonical) for rows in (wanted, map(dict, found.rows))
    )
    return "" if one == other else f"{tool} returns {other}, not {one}"


def among(row: Row, rows: Sequence[Row]) -> bool:
    """Whether a row that a read returned is one of these."""
    return any(all(each.get(name) == value for name, value in row.items()) for each in rows)


_ASKED: dict[str, tuple[str, str | None]] = {
    "find_user_id_by_email": ("users", "user_id"),
    "find_user_id_by_name_zip": ("users", "user_id"),
    "get_user_details": ("users", "user_id"),
    "list_user_payment_methods": ("payment_methods", "user_id"),
    "list_user_orders": ("orders", "user_id"),
    "get_order_details": ("orders", "order_id"),
    "list_order_items": ("order_items", "order_id"),
    "list_order_payments": ("payments", "order_id"),
    "get_product_details": ("variants", "product_id"),
    "get_item_details": ("variants", "item_id"),
    "list_all_product_types": ("products", None),
}
"""The table of each read, and the column that says which of its rows; a user is never an argument."""


def _kept(row: Row, columns: tuple[str, ...]) -> Row:
    """SQLite has no boolean of its own."""
    return {name: bool(row[name]) if name == "available" else row[name] for name in columns}
