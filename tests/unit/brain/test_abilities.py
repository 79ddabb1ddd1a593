"""What a model says that it accepts."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from daemon.brain import abilities
from daemon.brain.abilities import Abilities


def said(*off: str, effort: bool = False, strict: bool = True, thinks: bool = True) -> dict[str, Any]:
    types = {name: {"supported": name in off} for name in ("between_tools", "disabled", "adaptive")}
    known = {
        "thinking": {"supported": thinks, "types": types},
        "effort": {"supported": effort, "low": {"supported": effort}},
        "structured_outputs": {"supported": strict},
    }
    return {"id": "m", "capabilities": known}


def test_a_model_that_says_nothing_gets_the_plain_request() -> None:
    assert abilities.read(None) == abilities.read({}) == Abilities()


def test_the_newer_way_to_turn_thinking_off_wins() -> None:
    assert abilities.read(said("disabled", "between_tools")).thinking == "between_tools"
    assert abilities.read(said("disabled", effort=True)) == Abilities(thinking="disabled")


def test_a_model_that_always_thinks_gets_the_lowest_effort() -> None:
    assert abilities.read(said(effort=True)) == Abilities(effort="low")
    assert abilities.read(said()) == Abilities()


def test_a_model_that_never_thinks_is_not_told_to_stop() -> None:
    assert abilities.read(said("disabled", effort=True, thinks=False)) == Abilities()


def test_a_model_without_structured_outputs_gets_no_strict_tools() -> None:
    assert abilities.read(said("disabled", strict=False)) == Abilities(thinking="disabled", strict=False)


KEYS = st.sampled_from(["capabilities", "thinking", "types", "supported", "effort", "low"])
JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3), lambda inner: st.dictionaries(KEYS, inner, max_size=3)
)


@given(JSON)
def test_whatever_a_server_sends_is_read(document: Any) -> None:
    assert isinstance(abilities.read(document), Abilities)
