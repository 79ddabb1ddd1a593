from typing import Any

import pytest

from handlers import propose
from tests.fixtures import desk

GOOD: dict[str, Any] = {
    "category": "order_status",
    "use_template": True,
    "body": "",
    "language": "en",
    "missing": [],
    "escalate": "",
}


def test_the_schema_is_strict_and_names_the_categories_and_languages() -> None:
    spec = propose.spec(desk.handler())
    assert spec.kind == "final"
    assert spec.schema["additionalProperties"] is False
    assert set(spec.schema["required"]) == set(spec.schema["properties"]) == set(GOOD)
    assert spec.schema["properties"]["category"]["enum"] == ["order_status", "refund", "question", "other"]
    assert spec.schema["properties"]["language"]["enum"] == ["en", "de"]


def test_what_keeps_to_the_schema_passes() -> None:
    assert propose.parse(GOOD).category == "order_status"


@pytest.mark.parametrize(
    "wrong",
    [
        {"use_template": "yes"},
        {"body": None},
        {"body": "x" * 20_001},
        {"missing": "order number"},
        {"missing": [1]},
        {"missing": ["x"] * 21},
        {"escalate": 0},
        {"recipient": "eve@example.com"},
        {"body": "\ud800"},
    ],
)
def test_what_does_not_is_refused_with_the_key_that_is_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}"):
        propose.parse(GOOD | wrong)


@pytest.mark.parametrize("key", sorted(GOOD))
def test_every_key_must_be_there(key: str) -> None:
    with pytest.raises(ValueError, match=f"`{key}`"):
        propose.parse({name: value for name, value in GOOD.items() if name != key})
