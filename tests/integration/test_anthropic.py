"""The anthropic brain against a real HTTP server that speaks the Messages API."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from daemon.brain.anthropic import Anthropic
from daemon.brain.connection import Connection
from daemon.brain.limited import Limited
from handlers.contract import (
    BrainBusy,
    BrainFailed,
    Handler,
    Message,
    Reply,
    Request,
    Sender,
    ToolResult,
    ToolSpec,
    Turn,
)
from tests.fixtures.messages_api import Answer, MessagesApi, calls, drop, error, half, hang, message, raw, says, use

SCHEMA = {
    "type": "object",
    "properties": {"order_id": {"type": "string", "pattern": r"^\d{4,10}$", "maxLength": 10}},
    "required": ["order_id"],
    "additionalProperties": False,
}
FIND = ToolSpec(name="find_order", description="One of the sender's orders.", kind="read", schema=SCHEMA)
MODEL = "claude-sonnet-5-5"


def request(text: str = "Where is order 10423?", **changed: Any) -> Request:
    mail = Message(
        id=f"m-{text}", sender=Sender(address="ada@example.org", verdict="verified"), subject="Order", text=text
    )
    known: dict[str, Any] = {"handler": Handler(name="shop", prompt="We sell tea."), "message": mail, "tools": (FIND,)}
    return Request(**{**known, **changed})


@pytest.fixture
async def brain(messages_api: MessagesApi) -> AsyncIterator[Anthropic]:
    connection = Connection(api_key="sk-test", base_url=messages_api.url, timeout=5)
    yield Anthropic(connection, model=MODEL, key=b"k" * 16)
    await connection.close()


async def test_a_tool_call_comes_back_with_its_arguments_its_usage_and_its_stop_reason(
    messages_api: MessagesApi, brain: Anthropic
) -> None:
    usage = {"input_tokens": 7, "output_tokens": 5, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 11}
    messages_api.script(
        [message({"type": "text", "text": "Let me look."}, use("find_order", order_id="10423"), usage=usage)]
    )
    reply = await brain.answer(request())
    assert [(call.name, call.arguments) for call in reply.calls] == [("find_order", {"order_id": "10423"})]
    assert (reply.text, reply.stop, reply.model) == ("Let me look.", "tool_use", "claude-test-1")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (7, 5)
    assert (reply.usage.cache_read_tokens, reply.usage.cache_write_tokens) == (900, 11)


async def test_a_request_has_strict_tools_one_cache_breakpoint_and_nothing_that_current_models_refuse(
    messages_api: MessagesApi, brain: Anthropic
) -> None:
    messages_api.script([says("hello")])
    await brain.answer(request())
    (sent,) = messages_api.requests
    assert set(sent.body) == {"model", "max_tokens", "tools", "system", "messages"}
    assert sent.body["model"] == MODEL
    assert all(tool["strict"] for tool in sent.body["tools"])
    assert sent.body["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert sent.raw.count(b"cache_control") == 1
    order_id = sent.body["tools"][0]["input_schema"]["properties"]["order_id"]
    assert "pattern" not in order_id
    assert r"\d{4,10}" in order_id["description"]
    assert sent.headers["authorization"] == "Bearer sk-test"


async def test_the_static_prefix_of_two_mails_has_the_same_bytes(messages_api: MessagesApi, brain: Anthropic) -> None:
    messages_api.script([says("one"), says("two")])
    await brain.answer(request("Where is my tea?"))
    await brain.answer(request("Something else entirely, from another day."))
    first, second = (received.raw for received in messages_api.requests)
    # A cache compares tools, then system, then messages: the first two must not differ in a single byte.
    for part in (b'"tools":', b'"system":'):
        assert (
            first[first.index(part) :].split(b'"messages":')[0] == second[second.index(part) :].split(b'"messages":')[0]
        )
    assert first != second


async def test_a_second_turn_answers_the_calls_of_the_first(messages_api: MessagesApi, brain: Anthropic) -> None:
    messages_api.script([calls("find_order", order_id="10423"), says("done")])
    first = request()
    reply = await brain.answer(first)
    await brain.answer(after(first, reply))
    roles = [one["role"] for one in messages_api.requests[1].body["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert messages_api.requests[1].body["messages"][2]["content"][0]["tool_use_id"] == reply.calls[0].id


def after(first: Request, reply: Reply) -> Request:
    results = tuple(ToolResult(call=call, outcome="ok", content="order: status=shipped") for call in reply.calls)
    return request(turns=(Turn(number=1, results=(), reply=reply),), results=results, message=first.message)


THOUGHT = {"type": "thinking", "thinking": "", "signature": "c2lnbmVk"}


async def test_signed_thinking_goes_back_unchanged_with_the_results(
    messages_api: MessagesApi, brain: Anthropic
) -> None:
    called = use("find_order", order_id="10423")
    messages_api.script([message(THOUGHT, called), says("done")])
    first = request()
    await brain.answer(after(first, await brain.answer(first)))
    assert messages_api.requests[1].body["messages"][1]["content"] == [THOUGHT, called]


async def test_thinking_of_another_model_or_after_another_prefix_is_left_out(
    messages_api: MessagesApi, brain: Anthropic
) -> None:
    called = use("find_order", order_id="10423")
    messages_api.script([message(THOUGHT, called), says("other model"), says("other prefix")])
    first = request()
    reply = await brain.answer(first)
    other = Anthropic(brain._connection, model="claude-haiku-5-5", key=b"k" * 16)
    await other.answer(after(first, reply))
    changed = after(request("Another text, so the signature no longer fits."), reply)
    await brain.answer(changed)
    for received in messages_api.requests[1:]:
        assert [block["type"] for block in received.body["messages"][1]["content"]] == ["tool_use"]


BUSY = [
    pytest.param(error(429, "rate_limit_error", retry_after="7"), 7.0, id="429"),
    pytest.param(error(429, "rate_limit_error", retry_after="86400"), 3600.0, id="429-a-day"),
    pytest.param(error(529, "overloaded_error"), None, id="529"),
    pytest.param(error(500), None, id="500"),
    pytest.param(error(503, retry_after="2"), 2.0, id="503"),
    pytest.param(error(408), None, id="408"),
    pytest.param(error(409), None, id="409"),
    pytest.param(drop(), None, id="dropped"),
    pytest.param(half(), None, id="half-a-body"),
    pytest.param(raw(b"<html>502 Bad Gateway</html>", content_type="text/html"), None, id="not-json"),
    pytest.param(raw(b'{"id": "msg_1", "content": [{"type'), None, id="cut-json"),
    pytest.param(raw(b"\x1f\x8b broken"), None, id="binary"),
    pytest.param(Answer(body=error(529, "overloaded_error").body), None, id="error-with-status-200"),
    pytest.param(Answer(body=says("x").body, headers={"content-encoding": "gzip"}), None, id="broken-gzip"),
]


@pytest.mark.parametrize(("answer", "retry_after"), BUSY)
async def test_what_passes_is_busy_after_exactly_one_request(
    messages_api: MessagesApi, brain: Anthropic, answer: Answer, retry_after: float | None
) -> None:
    messages_api.script([answer, says("a second request")])
    with pytest.raises(BrainBusy) as raised:
        await brain.answer(request())
    assert raised.value.retry_after == retry_after
    assert len(messages_api.requests) == 1
    assert "The mail waits" in str(raised.value)
    assert "SECRET" not in str(raised.value)


FAILED = [
    pytest.param(error(400, "invalid_request_error"), "model in [brain]", id="400"),
    pytest.param(error(401, "authentication_error"), "api_key_file", id="401"),
    pytest.param(error(402, "billing_error"), "billing", id="402"),
    pytest.param(error(403, "permission_error"), "Allow it", id="403"),
    pytest.param(error(404, "not_found_error"), "Correct model", id="404"),
    pytest.param(error(413, "request_too_large"), "by hand", id="413"),
    pytest.param(error(422), "Check [brain]", id="422"),
    pytest.param(error(307, location="http://127.0.0.1:1/v1/messages"), "base_url", id="redirect"),
    pytest.param(raw(b'{"choices": []}'), "base_url", id="another-protocol"),
    pytest.param(raw(b'"just a string"'), "base_url", id="json-string"),
    pytest.param(
        message({"type": "tool_use", "id": "t1", "name": "find_order", "input": "10423"}), "by hand", id="input"
    ),
    pytest.param(message({"type": "tool_use", "id": "t1", "name": "drop table", "input": {}}), "by hand", id="name"),
    pytest.param(message({"type": "tool_use", "name": "find_order", "input": {}}), "by hand", id="no-id"),
]


@pytest.mark.parametrize(("answer", "told"), FAILED)
async def test_what_stays_is_failed_after_exactly_one_request_and_says_what_to_do(
    messages_api: MessagesApi, brain: Anthropic, answer: Answer, told: str
) -> None:
    messages_api.script([answer, says("a second request")])
    with pytest.raises(BrainFailed) as raised:
        await brain.answer(request())
    assert told in str(raised.value)
    assert len(messages_api.requests) == 1
    assert "SECRET" not in str(raised.value)


STOPS = [
    "end_turn",
    "max_tokens",
    "refusal",
    "pause_turn",
    "model_context_window_exceeded",
    "stop_sequence",
    "paused_for_tea",
]


@pytest.mark.parametrize("stop", STOPS)
async def test_every_stop_reason_is_passed_on_an_unknown_one_too(
    messages_api: MessagesApi, brain: Anthropic, stop: str
) -> None:
    messages_api.script([says("as far as I got", stop=stop)])
    reply = await brain.answer(request())
    assert (reply.stop, reply.text, reply.calls) == (stop, "as far as I got", ())


async def test_prose_where_a_call_was_due_is_a_reply_without_calls(messages_api: MessagesApi, brain: Anthropic) -> None:
    messages_api.script([says("Your order is on its way!")])
    reply = await brain.answer(request())
    assert (reply.text, reply.calls, reply.stop) == ("Your order is on its way!", (), "end_turn")


async def test_a_server_that_hangs_is_left_after_the_timeout(messages_api: MessagesApi) -> None:
    connection = Connection(api_key="sk-test", base_url=messages_api.url, timeout=0.3)
    await connection.start()
    messages_api.script([hang(), says("a second request")])
    began = time.monotonic()
    with pytest.raises(BrainBusy, match=r"within 0\.3 s"):
        await Anthropic(connection, model=MODEL, key=b"k").answer(request())
    assert time.monotonic() - began < 2
    assert len(messages_api.requests) == 1
    await connection.close()


async def test_a_server_that_is_not_there_is_busy() -> None:
    connection = Connection(api_key="sk-test", base_url="http://127.0.0.1:9", timeout=2)
    with pytest.raises(BrainBusy, match=r"127\.0\.0\.1:9 failed"):
        await Anthropic(connection, model=MODEL, key=b"k").answer(request())
    await connection.close()


async def test_a_cancelled_call_is_cancelled_and_the_next_one_works(
    messages_api: MessagesApi, brain: Anthropic
) -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def arrive(body: dict[str, Any]) -> Answer:
        loop.call_soon_threadsafe(arrived.set)
        return hang()

    messages_api.script([arrive, says("well")])
    running = asyncio.create_task(brain.answer(request()))
    await asyncio.wait_for(arrived.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await brain.answer(request())).text == "well"


def capabilities(*, off: str, effort: bool = True, strict: bool = True) -> dict[str, Any]:
    types = {name: {"supported": name == off} for name in ("adaptive", "between_tools", "disabled", "enabled")}
    return {
        "id": MODEL,
        "type": "model",
        "capabilities": {
            "thinking": {"supported": True, "types": types},
            "effort": {"supported": effort, "low": {"supported": effort}},
            "structured_outputs": {"supported": strict},
        },
    }


async def test_thinking_is_turned_off_in_the_way_that_the_model_names(
    messages_api: MessagesApi, brain: Anthropic
) -> None:
    messages_api.models[MODEL] = capabilities(off="between_tools")
    messages_api.script([says("a"), says("b")])
    await brain.start()
    await brain.answer(request())
    await brain.answer(request())
    assert [received.body["thinking"] for received in messages_api.requests] == [{"type": "between_tools"}] * 2
    assert messages_api.asked_models == [MODEL]


async def test_a_model_that_can_only_think_gets_the_lowest_effort_and_one_without_schemas_no_strict_tools(
    messages_api: MessagesApi, brain: Anthropic
) -> None:
    messages_api.models[MODEL] = capabilities(off="", strict=False)
    messages_api.script([says("a")])
    await brain.answer(request())
    (sent,) = messages_api.requests
    assert "thinking" not in sent.body
    assert sent.body["output_config"] == {"effort": "low"}
    assert "strict" not in sent.body["tools"][0]


async def test_no_more_calls_run_at_once_than_there_are_slots(messages_api: MessagesApi, brain: Anthropic) -> None:
    messages_api.always(says("well"))
    messages_api.delay = 0.05
    limited = Limited(brain, concurrency=3)
    await asyncio.gather(*(limited.answer(request()) for _ in range(12)))
    assert len(messages_api.requests) == 12
    assert messages_api.most_running == 3


async def test_the_sdk_logs_nothing_of_the_mail(
    messages_api: MessagesApi, brain: Anthropic, caplog: pytest.LogCaptureFixture
) -> None:
    messages_api.script([says("well")])
    with caplog.at_level(logging.DEBUG):
        await brain.answer(request("The secret tea order 10423"))
    assert "secret tea" not in caplog.text
