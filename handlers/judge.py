"""Decides what a turn of a model comes to: a proposal, another turn, or the end of the run."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from handlers import faults, propose
from handlers.conclude import conclude, unmet
from handlers.contract import Handler, Message, Proposal, ToolCall, ToolResult, Turn
from handlers.propose import Answer
from handlers.slots import Columns
from handlers.templates import Material
from handlers.transcript import CORRECTION

MISTAKES = 2
"""How often a model is told that it answered wrongly before the mail goes to a person."""
REPEATS = 3
"""The same call with the same arguments so many times is a loop."""

_USUAL = frozenset({"tool_use", "end_turn", "stop_sequence"})
"""Stop reasons of a whole answer. Some servers say `end_turn` after a call: whether it called something decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a turn comes to; neither a proposal nor a fault: the brain is asked again."""

    proposal: Proposal | None = None
    fault: str = ""
    detail: str = ""
    """For the operator."""
    told: str = ""
    """What a `propose_reply` that did not end the run is answered with."""
    wrong: bool = False
    """The model made a mistake; otherwise its reply stands as soon as its category's tools have succeeded."""


class Judge:
    """What is remembered of a run's turns to judge the next one."""

    def __init__(self, handler: Handler, message: Message, columns: Columns, names: Collection[str]) -> None:
        """Begin a run.

        Args:
            handler: its categories and templates.
            message: the mail.
            columns: how values are written.
            names: the tools that there are for this sender.
        """
        self._handler = handler
        self._message = message
        self._columns = columns
        self._names = frozenset(names)
        self._mistakes = 0
        self._repeats: Counter[str] = Counter()
        self._standing: tuple[Answer, float | None] | None = None
        self._opened: set[str] = set()

    def stop(self, turn: Turn) -> Ruling | None:
        """Whether the run ends before the turn's calls are run: it can't be used, or goes in circles."""
        if turn.reply.stop not in _USUAL:
            detail = f"The model stopped with `{turn.reply.stop}`. Answer the mail by hand."
            return Ruling(fault=faults.MODEL_FAILED, detail=detail)
        _, calls = split(turn)
        self._repeats.update(json.dumps([call.name, dict(call.arguments)], sort_keys=True) for call in calls)
        if any(count >= REPEATS for count in self._repeats.values()):
            detail = f"The model made the same call {REPEATS} times. Answer the mail by hand."
            return Ruling(fault=faults.LOOPING, detail=detail)
        return None

    def rule(self, turn: Turn, answered: Sequence[ToolResult], results: Sequence[ToolResult]) -> Ruling:
        """What the turn comes to.

        Args:
            turn: what the model said.
            answered: results of the turn's calls, without those of `propose_reply`.
            results: every tool call of the run, those included.
        """
        finals, _ = split(turn)
        told = self._malformed(turn, answered)
        if told:
            return self._wrong(told)
        if not finals:
            return self._stands(results)
        try:
            answer = propose.parse(finals[0].arguments)
        except ValueError as error:
            return self._wrong(str(error))
        return self._open(answer, turn, results) or self._conclude(answer, turn.reply.confidence, results)

    def _malformed(self, turn: Turn, answered: Sequence[ToolResult]) -> str:
        """What is wrong with the shape of a turn, as a sentence for the model; empty: nothing."""
        finals, calls = split(turn)
        if not turn.reply.calls:
            return CORRECTION
        if any(call.name not in self._names for call in calls):
            return "There is no such tool."
        if len(finals) > 1:
            return f"Finish with one {propose.FINAL}."
        if finals and any(result.outcome != "ok" for result in answered):
            return f"Look at the results of the other calls first, then call {propose.FINAL} again."
        return ""

    def _open(self, answer: Answer, turn: Turn, results: Sequence[ToolResult]) -> Ruling | None:
        """A category whose tools were not called yet: they are asked for once, and the reply waits for them."""
        category = self._handler.category(answer.category)
        if category is None or category.name in self._opened or answer.missing or answer.escalate:
            return None
        called = {result.call.name for result in results}
        needed = [tool for tool in category.tools if tool in self._names and tool not in called]
        if not needed:
            return None
        self._opened.add(category.name)
        self._standing = (answer, turn.reply.confidence)
        return Ruling(
            told=f"`{category.name}` needs {', '.join(needed)}: call now, and this reply stands. Where an argument is "
            f"not known, call {propose.FINAL} again and name it in missing."
        )

    def _stands(self, results: Sequence[ToolResult]) -> Ruling:
        """Whether the reply that waited for its tools has them now; no call is spent to say so again."""
        if self._standing is None:
            return Ruling()
        answer, confidence = self._standing
        if next(unmet(self._handler.category(answer.category), results), None) is not None:
            return Ruling()
        return self._conclude(answer, confidence, results)

    def _conclude(self, answer: Answer, confidence: float | None, results: Sequence[ToolResult]) -> Ruling:
        material = Material(handler=self._handler, message=self._message, results=results, columns=self._columns)
        conclusion = conclude(answer, material)
        if conclusion.complaint and self._mistakes < MISTAKES:
            return self._wrong(conclusion.complaint)
        return Ruling(proposal=replace(conclusion.proposal, confidence=confidence))

    def _wrong(self, told: str) -> Ruling:
        self._mistakes += 1
        if self._mistakes <= MISTAKES:
            return Ruling(told=told, wrong=True)
        detail = f"The model answered wrongly {self._mistakes} times, at last: {told} Answer the mail by hand."
        return Ruling(fault=faults.MODEL_FAILED, detail=detail)


def split(turn: Turn) -> tuple[list[ToolCall], list[ToolCall]]:
    """The calls of `propose_reply`, and the others."""
    finals = [call for call in turn.reply.calls if call.name == propose.FINAL]
    return finals, [call for call in turn.reply.calls if call.name != propose.FINAL]
