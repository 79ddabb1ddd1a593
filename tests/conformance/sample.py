"""A tiny shop of the reference's shape, made by hand: what the default suite replays."""

from typing import Any

from tests.conformance.retail import Call, Retail, Task, state

ANA, BOB = "ana_doe_1111", "bob_roe_2222"
GIFT, PAYPAL, CARD = "gift_card_1111111", "paypal_1111111", "credit_card_1111111"
BLUE, RED, GREEN, LAMP, TALL_LAMP = "1000000011", "1000000012", "1000000013", "1000000021", "1000000022"
PENDING, DELIVERED, BY_GIFT, PROCESSED, BOBS = "#W0000001", "#W0000002", "#W0000003", "#W0000004", "#W0000005"
HOME = {"address1": "1 Elm", "address2": "", "city": "Bonn", "state": "NW", "country": "Germany", "zip": "53111"}
AWAY = HOME | {"address1": "2 Oak", "address2": "Apt 3"}

Row = dict[str, Any]


def retail(*tasks: Task) -> Retail:
    """The shop, with these tasks."""
    return Retail(state=state({"products": PRODUCTS, "users": USERS, "orders": ORDERS}), tasks=tasks)


def task(*calls: tuple[str, Row], refused: tuple[int, ...] = (), **changes: dict[str, Row]) -> Task:
    """A task of Ana's.

    Args:
        calls: name and arguments.
        refused: which of them the reference refuses, from 0.
        changes: by table and id, the columns that are new.
    """
    tables = {"users": USERS, "orders": ORDERS}
    rows = {table: {key: tables[table][key] | new for key, new in each.items()} for table, each in changes.items()}
    made = [Call(name=name, arguments=given, succeeds=n not in refused) for n, (name, given) in enumerate(calls)]
    return Task(id="1", user_id=ANA, sender="ana@example.com", calls=made, changes=state(rows))


def payment(amount: float, method: str, kind: str = "payment") -> Row:
    """An entry of a payment history."""
    return {"transaction_type": kind, "amount": amount, "payment_method_id": method}


def item(item_id: str) -> Row:
    """An ordered item."""
    product = next(each for each in PRODUCTS.values() if item_id in each["variants"])
    variant = product["variants"][item_id]
    kept = {name: variant[name] for name in ("item_id", "price", "options")}
    return {"name": product["name"], "product_id": product["product_id"], **kept}


def methods(balance: float) -> Row:
    """Ana's payment methods."""
    return {
        GIFT: {"source": "gift_card", "id": GIFT, "balance": balance},
        PAYPAL: {"source": "paypal", "id": PAYPAL},
        CARD: {"source": "credit_card", "id": CARD, "brand": "visa", "last_four": "1234"},
    }


def _product(product_id: str, name: str, *variants: tuple[str, str, float, bool]) -> Row:
    return {
        "name": name,
        "product_id": product_id,
        "variants": {
            item_id: {"item_id": item_id, "options": {"kind": kind}, "available": available, "price": price}
            for item_id, kind, price, available in variants
        },
    }


def _user(user_id: str, payment_methods: Row, *orders: str) -> Row:
    first, last, _ = user_id.split("_")
    return {
        "user_id": user_id,
        "name": {"first_name": first.title(), "last_name": last.title()},
        "address": HOME,
        "email": f"{first}@example.com",
        "payment_methods": payment_methods,
        "orders": list(orders),
    }


def _order(order_id: str, status: str, items: list[str], method: str, user_id: str = ANA) -> Row:
    found = [item(item_id) for item_id in items]
    return {
        "order_id": order_id,
        "user_id": user_id,
        "address": HOME,
        "items": found,
        "status": status,
        "fulfillments": [{"tracking_id": [f"9{order_id[2:]}"], "item_ids": items}] if status == "delivered" else [],
        "payment_history": [payment(sum(each["price"] for each in found), method)],
    }


PRODUCTS = {
    "1000000001": _product(
        "1000000001", "Mug", (BLUE, "blue", 10.0, True), (RED, "red", 12.55, True), (GREEN, "green", 9.0, False)
    ),
    "1000000002": _product("1000000002", "Lamp", (LAMP, "small", 29.9, True), (TALL_LAMP, "tall", 35.1, True)),
}
_BOBS_GIFT = "gift_card_2222222"
USERS = {
    ANA: _user(ANA, methods(3.0), PENDING, DELIVERED, BY_GIFT, PROCESSED),
    BOB: _user(BOB, {_BOBS_GIFT: {"source": "gift_card", "id": _BOBS_GIFT, "balance": 500.0}}, BOBS),
}
ORDERS = {
    PENDING: _order(PENDING, "pending", [BLUE, LAMP, BLUE], PAYPAL),
    DELIVERED: _order(DELIVERED, "delivered", [BLUE, LAMP, BLUE], PAYPAL),
    BY_GIFT: _order(BY_GIFT, "pending", [RED], GIFT),
    PROCESSED: _order(PROCESSED, "processed", [BLUE], CARD),
    BOBS: _order(BOBS, "pending", [BLUE], _BOBS_GIFT, BOB),
}
