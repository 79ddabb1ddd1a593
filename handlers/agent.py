"""The single agent: prefetched rows, then turns of a model with narrow tools, until it says what it wants to answer."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from handlers import faults, propose
from handlers.conclude import conclude
from handlers.contract import (
    BrainBusy,
    BrainFailed,
    Context,
    Handler,
    Message,
    Proposal,
    Reply,
    Request,
    ToolCall,
    ToolResult,
    Turn,
)
from handlers.templates import Material
from handlers.transcript import CORRECTION

MISTAKES = 2
"""How often a model is told that it answered wrongly before the mail goes to a person."""
REPEATS = 3
"""The same call with the same arguments so many times is a loop."""
AT_ONCE = 8
"""Calls of one turn that are run; a routine mail needs one."""

_USUAL = frozenset({"tool_use", "end_turn", "stop_sequence"})
"""Stop reasons of a whole answer. Some servers say `end_turn` after a call: whether it called something decides."""
_LATER = "Look at the results of the other calls first, then finish."
_ONCE = "Finish with one propose_reply."
_TOO_MANY = "Too many calls at once."


class Agent:
    """`handlers.contract.Work` for the pattern `agent`."""

    async def run(self, handler: Handler, message: Message, context: Context) -> Proposal:
        """Answer a mail as far as possible. Raises only `BrainBusy`; everything else is a proposal with faults."""
        return await _Run(handler, message, context).work()


class _Run:
    """One run and what it has so far; turns of an earlier attempt go the same way as new ones."""

    def __init__(self, handler: Handler, message: Message, context: Context) -> None:
        self._handler = handler
        self._message = message
        self._context = context
        self._specs = (*context.tools.specs(), propose.spec(handler))
        self._names = frozenset(spec.name for spec in self._specs)
        self._prefetched: tuple[ToolResult, ...] = ()
        self._turns: list[Turn] = []
        self._results: list[ToolResult] = []
        self._pending: tuple[ToolResult, ...] = ()
        """Results of the last turn's calls, not yet shown to the brain."""
        self._mistakes = 0
        self._repeats: Counter[str] = Counter()

    async def work(self) -> Proposal:
        recorded = list(self._context.journal.turns())
        if recorded:
            self._prefetched = recorded[0].results
            self._context.tools.restore(self._prefetched)
        else:
            self._prefetched = await self._context.tools.prefetch(self._message)
        self._results += self._prefetched
        proposal = await self._again(recorded)
        while proposal is None:
            proposal = await self._next()
        return proposal

    async def _again(self, recorded: Sequence[Turn]) -> Proposal | None:
        """Take up the turns of an earlier attempt; results that a later turn was shown are used as they are."""
        for turn, later in zip(recorded, [*recorded[1:], None], strict=True):
            proposal = await self._take(turn, shown=later.results if later else None, new=False)
            if proposal is not None:
                return proposal
        return None

    async def _next(self) -> Proposal | None:
        """Ask the brain once more."""
        most = self._context.budget.max_turns
        if len(self._turns) >= most:
            return self._ended(faults.BUDGET, f"The model did not finish within {most} turns (max_turns in [brain]).")
        began = time.monotonic()
        try:
            reply = _storable(await self._context.brain.answer(self._request()))
        except BrainBusy:
            raise
        except BrainFailed as error:
            return self._ended(faults.MODEL_FAILED, str(error))
        except Exception as error:  # noqa: BLE001 - whatever breaks a brain, the mail goes to a person with what was found
            return self._ended(faults.UNEXPECTED, f"The brain broke with {type(error).__name__}. Report it.")
        results = self._pending if self._turns else self._prefetched
        elapsed = round((time.monotonic() - began) * 1000)
        turn = Turn(number=len(self._turns) + 1, results=results, reply=reply, milliseconds=elapsed)
        return await self._take(turn, shown=None, new=True)

    def _request(self) -> Request:
        return Request(
            handler=self._handler,
            message=self._message,
            history=self._context.history,
            tools=self._specs,
            prefetched=self._prefetched,
            turns=tuple(self._turns),
            results=self._pending,
            hint=self._context.hint,
        )

    async def _take(self, turn: Turn, *, shown: tuple[ToolResult, ...] | None, new: bool) -> Proposal | None:
        """Do what a turn asks for.

        Args:
            turn: what the brain answered.
            shown: the results of its calls where an earlier attempt has them; None: the calls are still to be run.
            new: it is not in the journal yet.

        Returns:
            The end of the run; None when the brain has to be asked again.
        """
        self._turns.append(turn)
        spent = self._context.budget.spend(turn.reply.usage)
        finals, calls = _split(turn)
        stopped = self._stopped(turn, calls) or (self._ended(faults.BUDGET, spent) if spent and not finals else None)
        if stopped is not None:
            return stopped
        if calls and new:
            await self._context.journal.record(turn)
        answered = await self._call(calls) if shown is None else self._restore(shown)
        proposal, complaint = self._judge(turn, answered)
        self._mistakes += bool(complaint)
        if proposal is None and self._mistakes > MISTAKES:
            told = f"The model answered wrongly {self._mistakes} times; at last: {complaint} Answer it by hand."
            proposal = self._ended(faults.MODEL_FAILED, told)
        if proposal is None and spent:
            proposal = self._ended(faults.BUDGET, spent)
        if proposal is not None:
            return proposal
        if not calls and new:
            await self._context.journal.record(turn)
        self._pending = tuple(_in_order(turn, answered, complaint)) if shown is None else shown
        return None

    def _stopped(self, turn: Turn, calls: Sequence[ToolCall]) -> Proposal | None:
        """The end of a run whose turn can't be used, or that goes in circles."""
        if turn.reply.stop not in _USUAL:
            return self._ended(faults.MODEL_FAILED, f"The model stopped with `{turn.reply.stop}`. Answer it by hand.")
        for call in calls:
            self._repeats[json.dumps([call.name, dict(call.arguments)], sort_keys=True)] += 1
        if any(count >= REPEATS for count in self._repeats.values()):
            return self._ended(faults.LOOPING, f"The model made the same call {REPEATS} times. Answer it by hand.")
        return None

    async def _call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Run calls one after the other: a write sees nothing half done, and references keep their order."""
        answered = [await self._context.tools.call(call) for call in calls[:AT_ONCE]]
        answered += [ToolResult(call=call, outcome="refused", content=_TOO_MANY) for call in calls[AT_ONCE:]]
        self._results += answered
        return answered

    def _restore(self, shown: Sequence[ToolResult]) -> list[ToolResult]:
        answered = [result for result in shown if result.call.name != propose.FINAL]
        self._context.tools.restore(answered)
        self._results += answered
        return answered

    def _judge(self, turn: Turn, answered: Sequence[ToolResult]) -> tuple[Proposal | None, str]:
        """The proposal that the turn ends with, or what the model has to be told; neither: its calls are answered."""
        finals, calls = _split(turn)
        if not turn.reply.calls:
            return None, CORRECTION
        if not finals:
            known = all(call.name in self._names for call in calls)
            return None, "" if known else "It called a tool that does not exist."
        if len(finals) > 1:
            return None, _ONCE
        if any(result.outcome != "ok" for result in answered):
            return None, _LATER
        return self._conclude(finals[0], turn)

    def _conclude(self, final: ToolCall, turn: Turn) -> tuple[Proposal | None, str]:
        try:
            answer = propose.parse(final.arguments)
        except ValueError as error:
            return None, str(error)
        material = Material(
            handler=self._handler, message=self._message, results=self._results, columns=self._context.columns
        )
        conclusion = conclude(answer, material)
        if conclusion.complaint and self._mistakes < MISTAKES:
            return None, conclusion.complaint
        return self._whole(replace(conclusion.proposal, confidence=turn.reply.confidence)), ""

    def _ended(self, fault: str, detail: str) -> Proposal:
        """A proposal without a reply, with everything found so far."""
        spoken = self._message.language
        language = spoken if spoken in self._handler.languages else self._handler.languages[0]
        writes = tuple(result.staged for result in self._results if result.staged is not None)
        return self._whole(Proposal(language=language, writes=writes, faults=(fault,), fault_details=(detail,)))

    def _whole(self, proposal: Proposal) -> Proposal:
        fallback = any(turn.reply.fallback for turn in self._turns)
        return replace(proposal, results=tuple(self._results), turns=tuple(self._turns), fallback=fallback)


def _storable(reply: Reply) -> Reply:
    """The reply, or an empty one where it holds what no store and no server takes: NaN, half a surrogate pair."""
    try:
        json.dumps(
            [reply.text, [[call.id, call.name, dict(call.arguments)] for call in reply.calls]],
            allow_nan=False,
            ensure_ascii=False,
        ).encode()
    except (TypeError, ValueError):
        return replace(reply, text="", calls=(), stop="unreadable", opaque={})
    return reply


def _split(turn: Turn) -> tuple[list[ToolCall], list[ToolCall]]:
    """The calls of the final tool, and the others."""
    finals = [call for call in turn.reply.calls if call.name == propose.FINAL]
    return finals, [call for call in turn.reply.calls if call.name != propose.FINAL]


def _in_order(turn: Turn, answered: Sequence[ToolResult], complaint: str) -> Iterator[ToolResult]:
    """A result for each call of the turn, in its order: model servers refuse a call that has none."""
    results = iter(answered)
    for call in turn.reply.calls:
        if call.name == propose.FINAL:
            yield ToolResult(call=call, outcome="refused", content=complaint)
        else:
            yield next(results)
