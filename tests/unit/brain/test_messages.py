"""What a request becomes, and what an answer must be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.brain import messages
from daemon.brain.abilities import Abilities
from handlers.contract import BrainBusy, BrainFailed, Reply
from handlers.transcript import Rendered

TOOL = {"name": "find", "description": "Finds.", "input_schema": {"type": "object", "properties": {}}, "strict": True}


def body(**abilities: Any) -> dict[str, Any]:
    rendered = Rendered(system="static", messages=[{"role": "user", "content": "mail"}], tools=[TOOL])
    return messages.parameters(rendered, model="m", max_tokens=50, abilities=Abilities(**abilities))


def answer(*content: Any, **changed: Any) -> dict[str, Any]:
    return {"type": "message", "model": "m-1", "content": list(content), "stop_reason": "end_turn", **changed}


def read(document: Any) -> Reply:
    return messages.reply(document, model="m", sent={})


def test_the_cache_breakpoint_stands_behind_the_static_prefix() -> None:
    assert body()["system"] == [{"type": "text", "text": "static", "cache_control": {"type": "ephemeral"}}]


def test_a_strict_schema_forbids_further_keys() -> None:
    (tool,) = body()["tools"]
    assert tool["strict"] is True
    assert tool["input_schema"]["additionalProperties"] is False


def test_fields_that_a_model_may_refuse_are_left_out_unless_it_names_them() -> None:
    assert {"thinking", "output_config", "tool_choice", "temperature"}.isdisjoint(body())
    assert body(thinking="disabled")["thinking"] == {"type": "disabled"}
    assert body(effort="low")["output_config"] == {"effort": "low"}


def test_texts_are_joined_and_unknown_blocks_are_passed_over() -> None:
    reply = read(answer({"type": "text", "text": "one"}, {"type": "server_tool_use"}, {"type": "text", "text": "two"}))
    assert reply.text == "one\ntwo"
    assert reply.opaque == {}


def test_an_answer_without_stop_reason_says_so() -> None:
    assert read(answer(stop_reason=None)).stop == "missing"


def test_an_unknown_stop_reason_is_made_fit_for_a_log_line() -> None:
    assert read(answer(stop_reason="Out of\ntea! " + "x" * 99)).stop == ("out_of_tea_" + "x" * 99)[:64]


def test_a_server_that_names_no_model_leaves_the_one_that_was_asked() -> None:
    assert read(answer(model=None)).model == "m"


@pytest.mark.parametrize("count", [None, "7", -7, True, 1.5])
def test_a_count_that_is_no_count_is_zero(count: Any) -> None:
    assert read(answer(usage={"input_tokens": count})).usage.input_tokens == 0


def test_two_calls_under_one_id_are_refused() -> None:
    call = {"type": "tool_use", "id": "t1", "name": "find", "input": {}}
    with pytest.raises(BrainFailed, match="one id"):
        read(answer(call, call))


@pytest.mark.parametrize("kind", ["overloaded_error", "rate_limit_error", "api_error", "timeout_error"])
def test_an_error_that_passes_is_busy_even_with_status_200(kind: str) -> None:
    with pytest.raises(BrainBusy, match=kind):
        read({"type": "error", "error": {"type": kind}})


def test_another_error_with_status_200_is_failed() -> None:
    with pytest.raises(BrainFailed, match="invalid_request_error"):
        read({"type": "error", "error": {"type": "invalid_request_error"}})


KEYS = st.sampled_from(
    ["type", "content", "text", "id", "name", "input", "usage", "error", "stop_reason", "input_tokens"]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
BLOCKS = st.lists(
    st.dictionaries(KEYS, JSON | st.sampled_from(["text", "tool_use", "thinking"]), max_size=5), max_size=3
)


@given(JSON | st.builds(lambda content, stop: answer(*content, stop_reason=stop, usage=stop), BLOCKS, JSON))
def test_whatever_a_server_sends_is_a_reply_or_one_of_our_errors(document: Any) -> None:
    try:
        reply = read(document)
    except (BrainBusy, BrainFailed):
        return
    assert all(isinstance(call.arguments, dict) and call.id and call.name for call in reply.calls)
    assert reply.stop


@given(st.binary(max_size=40))
def test_whatever_bytes_a_server_sends_are_json_or_busy(content: bytes) -> None:
    try:
        messages.decode(content)
    except BrainBusy:
        return
