"""The Messages API as plain values: what a request becomes, and what an answer must be before anyone believes it."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from daemon.brain.abilities import Abilities
from handlers.contract import BrainBusy, BrainFailed, Reply, ToolCall, Turn, Usage
from handlers.transcript import Rendered

STOPS = frozenset(
    {"end_turn", "tool_use", "max_tokens", "refusal", "pause_turn", "model_context_window_exceeded", "stop_sequence"}
)
"""Stop reasons that the API documents; another one is passed on as it is, and the agent holds the mail."""

_TRANSIENT = frozenset({"overloaded_error", "api_error", "rate_limit_error", "timeout_error"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""What the API takes as the name of a tool; another one could not be sent back in the history."""
_NOT_WORD = re.compile(r"[^a-z0-9_]+")


def parameters(
    rendered: Rendered, *, model: str, max_tokens: int, abilities: Abilities, turns: Sequence[Turn] = ()
) -> dict[str, Any]:
    """The body of `POST /v1/messages`.

    `tool_choice` is left at its default and no sampling parameter is sent: current models refuse a forced tool, and
    the loop copes with prose. The one cache breakpoint stands at the end of the static prefix (tools, then system).
    """
    static = {"type": "text", "text": rendered.system, "cache_control": {"type": "ephemeral"}}
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": max_tokens,
        "tools": [_tool(tool, strict=abilities.strict) for tool in rendered.tools],
        "system": [static],
        "messages": list(rendered.messages),
    }
    if abilities.thinking:
        body["thinking"] = {"type": abilities.thinking}
    if abilities.effort:
        body["output_config"] = {"effort": abilities.effort}
    _restore(body, turns)
    return body


def _tool(tool: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    """A tool whose schema the API accepts as strict: what its grammar can't express moves into descriptions."""
    from anthropic import transform_schema

    body = {"name": tool["name"], "description": tool["description"]}
    body["input_schema"] = transform_schema(dict(tool["input_schema"]))
    return {**body, "strict": True} if strict else body


def _restore(body: dict[str, Any], turns: Sequence[Turn]) -> None:
    """Put signed thinking back where this model said it after exactly this prefix; the API refuses it elsewhere."""
    positions = [index for index, message in enumerate(body["messages"]) if message["role"] == "assistant"]
    for index, turn in zip(positions, turns, strict=False):
        kept = turn.reply.opaque
        if kept and kept.get("after") == digest({**body, "messages": body["messages"][:index]}):
            body["messages"][index] = {"role": "assistant", "content": list(kept["content"])}


def digest(body: Mapping[str, Any]) -> str:
    """What an answer was given to; `opaque` content is bound to it."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def decode(content: bytes) -> Any:
    """The JSON of an answer.

    Raises:
        BrainBusy: it is none. A body that was cut off, or the error page of a gateway, passes.
    """
    try:
        return json.loads(content)
    except ValueError as error:
        raise BrainBusy(
            "The model server answered with something that is not JSON. The mail waits and is tried again; if it stays "
            "so, correct base_url in [brain]."
        ) from error


def reply(document: Any, *, model: str, sent: Mapping[str, Any]) -> Reply:
    """Check an answer and take from it what the agent needs.

    Args:
        document: the JSON that came back.
        model: the name that was asked for; stands in where the server names none.
        sent: the parameters that it answers.

    Raises:
        BrainBusy: the answer is an error that passes.
        BrainFailed: the answer is an error that stays, or not what the Messages API promises.
    """
    if isinstance(document, dict) and document.get("type") == "error":
        _refuse(document)
    content = document.get("content") if isinstance(document, dict) else None
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise BrainFailed(
            "The model server's answer is not one of the Anthropic Messages API. Correct base_url in [brain]."
        )
    calls = tuple(_call(block) for block in content if block.get("type") == "tool_use")
    if len({call.id for call in calls}) != len(calls):
        raise _malformed("two calls under one id")
    signed = any(block.get("type") in ("thinking", "redacted_thinking") for block in content)
    return Reply(
        text="\n".join(text for block in content if (text := _text(block))),
        calls=calls,
        stop=_stop(document.get("stop_reason")),
        model=_string(document.get("model")) or model,
        usage=_usage(document.get("usage")),
        opaque={"after": digest(sent), "content": content} if signed else {},
    )


def _refuse(document: Mapping[str, Any]) -> None:
    """An error that came with status 200, as some gateways send it."""
    error = document.get("error")
    kind = _string(error.get("type")) if isinstance(error, dict) else ""
    if kind in _TRANSIENT:
        raise BrainBusy(f"The model server reported {kind}. The mail waits and is tried again.")
    raise BrainFailed(f"The model server reported {_word(kind) or 'an error'}. Check [brain] and the server's log.")


def _call(block: Mapping[str, Any]) -> ToolCall:
    identity, name, arguments = block.get("id"), block.get("name"), block.get("input")
    if not (isinstance(identity, str) and identity):
        raise _malformed("a call without id")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise _malformed("a call without a usable name")
    if not isinstance(arguments, dict):
        raise _malformed("a call whose input is not an object")
    return ToolCall(id=identity, name=name, arguments=arguments)


def _malformed(what: str) -> BrainFailed:
    return BrainFailed(
        f"The model answered with {what}. Answer this mail by hand; if it happens often, change the model."
    )


def _text(block: Mapping[str, Any]) -> str:
    return _string(block.get("text")) if block.get("type") == "text" else ""


def _stop(reason: Any) -> str:
    return _word(_string(reason)) or "missing"


def _word(text: str) -> str:
    """A server's own word, made fit for a log line."""
    return _NOT_WORD.sub("_", text.lower())[:64].strip("_")


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _usage(value: Any) -> Usage:
    counts = value if isinstance(value, dict) else {}
    return Usage(
        input_tokens=_count(counts.get("input_tokens")),
        output_tokens=_count(counts.get("output_tokens")),
        cache_read_tokens=_count(counts.get("cache_read_input_tokens")),
        cache_write_tokens=_count(counts.get("cache_creation_input_tokens")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
