"""Values of drivers become JSON that loses nothing, and equal values hash alike."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

from tools.values import canonical, digest, plain


def test_values_become_json_that_loses_nothing() -> None:
    row = {
        "a": Decimal("19.90"),
        "b": date(2026, 11, 3),
        "c": datetime(2026, 11, 3, 9, 5, tzinfo=UTC),
        "d": time(9, 5),
        "e": b"\x00\xff",
        "f": [1, None, True],
        "g": UUID(int=1),
        "h": float("nan"),
        "i": {"x": Decimal(1)},
    }
    told = plain(row)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["a"] == "19.90"
    assert told["b"] == "2026-11-03"
    assert told["c"] == "2026-11-03T09:05:00+00:00"
    assert told["e"] == "00ff"


def test_the_order_of_keys_does_not_change_the_digest() -> None:
    assert digest({"a": 1, "b": "ü"}) == digest({"b": "ü", "a": 1})
    assert canonical({"b": "ü", "a": 1}) == '{"a":1,"b":"ü"}'.encode()
