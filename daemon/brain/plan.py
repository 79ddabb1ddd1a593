"""In charge of what follows from knowing what a mail asks for: the next calls, the reply, or a person."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from daemon.brain import parameters, sentences
from daemon.brain.classifier import Guess
from daemon.brain.reservation import reserved
from handlers.contract import Category, Request, ToolCall, ToolResult, ToolSpec
from handlers.propose import FINAL, OTHER, UNKNOWN_CUSTOMER


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One turn: calls, or the end."""

    calls: tuple[ToolCall, ...] = ()
    category: str = OTHER
    missing: tuple[str, ...] = ()
    escalate: str = ""
    """Why a person is wanted; with neither calls nor this the category's template answers."""


def plan(request: Request, guess: Guess) -> Step:
    """The next step; the same for the same request, so that a restart repeats nothing."""
    if request.hint:
        return Step(category=guess.category or OTHER, escalate="The embedded brain can't follow a reviewer's note.")
    spoken = request.message.language
    if spoken and spoken not in request.handler.languages:
        return Step(escalate=f"The mail seems to be written in `{spoken}`, which this handler does not answer in.")
    category = request.handler.category(guess.category or "")
    if category is None:
        return Step(escalate=guess.why)
    if category.template is None:
        return Step(category=category.name, escalate=f"`{category.name}` has no template, so a person answers.")
    return _work(request, category, guess)


def _work(request: Request, category: Category, guess: Guess) -> Step:
    """See that each tool of the category succeeds: reads first, then writes."""
    results = [*request.prefetched, *(result for turn in request.turns[1:] for result in turn.results)]
    results += [result for result in request.results if result.call.name != FINAL]
    specs = {spec.name: spec for spec in request.tools}
    if stopped := _stopped(request, category, results, specs):
        return stopped
    done = {result.call.name for result in results}
    pending = [specs[name] for name in category.tools if name not in done]
    if any(spec.kind == "write" for spec in pending) and reserved(sentences.plain(guess.sentence)):
        told = f'"{guess.sentence}" can be read as a condition or as the opposite.'
        return Step(category=category.name, escalate=told)
    pending = [spec for spec in pending if spec.kind == "read"] or pending
    return _call(request, category, pending, results) if pending else Step(category=category.name)


def _stopped(
    request: Request, category: Category, results: list[ToolResult], specs: dict[str, ToolSpec]
) -> Step | None:
    """Why the category can't be answered after what the tools said."""
    for name in category.tools:
        ended = [result for result in results if result.call.name == name]
        if not ended and name not in specs:
            return _absent(request, category, name)
        if len({repr(sorted(result.call.arguments.items())) for result in ended}) > 1:
            return Step(category=category.name, escalate=f"The mail gives `{name}` more than one thing to look up.")
        wrong = next((result for result in ended if result.outcome != "ok"), None)
        if wrong is None:
            continue
        stranger = request.handler.category(UNKNOWN_CUSTOMER)
        if wrong.outcome == "refused" and not wrong.call.arguments and stranger and stranger.template:
            return Step(category=stranger.name)
        return Step(category=category.name, escalate=f"`{name}` {wrong.outcome}: {wrong.detail or wrong.content}")
    return None


def _absent(request: Request, category: Category, name: str) -> Step:
    """What follows when a tool that the category needs is not there for this sender."""
    if request.message.sender.verdict != "verified":
        return Step(category=category.name, escalate=f"`{name}` can't be used: the sender is not verified.")
    stranger = request.handler.category(UNKNOWN_CUSTOMER)
    if stranger and stranger.template:
        return Step(category=stranger.name)
    return Step(category=category.name, escalate=f"`{name}` can't be used: the sender is no known customer.")


def _call(request: Request, category: Category, pending: list[ToolSpec], results: list[ToolResult]) -> Step:
    """Call what is pending with what the mail says, or say what it does not."""
    calls: list[ToolCall] = []
    for spec in pending:
        found = parameters.find(spec, request.message, results)
        if found.ambiguous:
            several = "; ".join(f"{name}: {', '.join(values)}" for name, values in found.ambiguous.items())
            return Step(category=category.name, escalate=f"The mail names more than one ({several}).")
        if found.missing:
            lists = tuple(_lists(request, results)) if spec.kind == "read" else ()
            return Step(calls=lists) if lists else Step(category=category.name, missing=_described(spec, found.missing))
        calls.append(_asked(request, spec.name, found.values))
    return Step(calls=tuple(calls))


def _lists(request: Request, results: list[ToolResult]) -> Iterator[ToolCall]:
    """Reads without parameters that were not made yet: their rows may hold the one value that is missing."""
    called = {result.call.name for result in results}
    for spec in request.tools:
        if spec.kind == "read" and not spec.schema["properties"] and spec.name not in called:
            yield _asked(request, spec.name, {})


def _asked(request: Request, name: str, arguments: Mapping[str, Any]) -> ToolCall:
    return ToolCall(id=f"embedded_{len(request.turns) + 1}_{name}", name=name, arguments=arguments)


def _described(spec: ToolSpec, names: tuple[str, ...]) -> tuple[str, ...]:
    """What is missing, as the tool's declaration describes it."""
    properties = spec.schema["properties"]
    return tuple(str(properties[name].get("description") or name) for name in names)
