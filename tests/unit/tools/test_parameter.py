"""Arguments: what was declared passes, everything else is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.outcome import UNIFORM, Refused
from tools.parameter import Parameter, bindable

NUMBER = Parameter(type="string", pattern=r"^\d{4,10}$")

ACCEPTED = [
    (NUMBER, "1042"),
    (Parameter(type="string"), "Zoë\nsecond line"),
    (Parameter(type="string", required=False), None),
    (Parameter(type="integer", min=1, max=5), 5),
    (Parameter(type="number", max=2), 1.5),
    (Parameter(type="boolean"), False),
    (Parameter(type="date"), "2028-02-29"),
    (Parameter(type="enum", values=("a", "b")), "b"),
    (Parameter(type="list", items=NUMBER, max=2), ["1042", "1043"]),
]
REFUSED = [
    (NUMBER, "1042\n"),
    (NUMBER, "\uff11\uff10\uff14\uff12"),
    (NUMBER, "1042 OR 1=1"),
    (NUMBER, 1042),
    (NUMBER, None),
    (NUMBER, ["1042"]),
    (NUMBER, {"$ne": ""}),
    (Parameter(type="string", max_length=3), "abcd"),
    (Parameter(type="string"), "a\x00b"),
    (Parameter(type="string"), "\ud800"),
    (Parameter(type="integer"), True),
    (Parameter(type="integer"), 1.0),
    (Parameter(type="integer"), "1"),
    (Parameter(type="integer"), 2**63),
    (Parameter(type="integer", min=1), 0),
    (Parameter(type="number"), float("nan")),
    (Parameter(type="number"), float("inf")),
    (Parameter(type="number", max=2), 2.1),
    (Parameter(type="boolean"), 1),
    (Parameter(type="date"), "2026-02-29"),
    (Parameter(type="date"), "20260201"),
    (Parameter(type="date"), "2026-02-01T00:00"),
    (Parameter(type="enum", values=("a",)), "A"),
    (Parameter(type="enum", values=("a",)), ["a"]),
    (Parameter(type="list", items=NUMBER), "1042"),
    (Parameter(type="list", items=NUMBER), ["x"]),
    (Parameter(type="list", items=NUMBER, max=1), ["1042", "1043"]),
    (Parameter(type="list", items=NUMBER, min=1), []),
    (Parameter(type="list", items=NUMBER), ["1042"] * 21),
]


@pytest.mark.parametrize(("parameter", "value"), ACCEPTED)
def test_a_declared_value_passes_unchanged(parameter: Parameter, value: Any) -> None:
    assert parameter.check("x", value) == value


@pytest.mark.parametrize(("parameter", "value"), REFUSED)
def test_any_other_value_is_refused_and_the_model_learns_nothing(parameter: Parameter, value: Any) -> None:
    with pytest.raises(Refused) as refused:
        parameter.check("x", value)
    assert refused.value.told == UNIFORM
    assert "`x" in refused.value.detail


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(_VALUES)
def test_whatever_comes_in_is_refused_or_can_be_stored_and_bound(value: Any) -> None:
    for parameter, _ in ACCEPTED:
        try:
            checked = parameter.check("x", value)
        except Refused:
            continue
        json.dumps(checked, allow_nan=False).encode()
        assert isinstance(bindable({"x": checked})["x"], str | int | float | None)


def test_the_schema_is_strict_and_tells_bounds_in_words() -> None:
    assert Parameter(type="integer", min=1, max=5, description="How many.").schema() == {
        "type": "integer",
        "description": "How many. At least 1. At most 5.",
    }
    assert Parameter(type="enum", values=("a", "b"), required=False).schema() == {
        "type": ["string", "null"],
        "enum": ["a", "b", None],
    }
    assert Parameter(type="date").schema() == {"type": "string", "format": "date"}
    assert Parameter(type="list", items=NUMBER).schema() == {
        "type": "array",
        "items": {"type": "string", "pattern": r"^\d{4,10}$"},
    }


@pytest.mark.parametrize("pattern", [r"^(?!0)\d+$", r"\bx\b", r"(a)\1", r"a+?"])
def test_a_pattern_that_strict_schemas_do_not_take_is_left_out(pattern: str) -> None:
    assert "pattern" not in Parameter(type="string", pattern=pattern).schema()
