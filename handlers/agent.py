"""The single agent: prefetched rows, then turns of a model with narrow tools, until it says what it wants to answer."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

from handlers import faults, propose
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
from handlers.judge import Judge, Ruling, split

AT_ONCE = 8
"""Calls of one turn that are run; a routine mail needs one."""

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
        own = context.tools.specs()
        self._specs = (*own, propose.spec(handler))
        self._judge = Judge(handler, message, context.columns, {spec.name for spec in own})
        self._turns: list[Turn] = []
        self._results: list[ToolResult] = []
        """Every tool call of the run, the prefetched ones first."""
        self._prefetched: tuple[ToolResult, ...] = ()
        self._pending: tuple[ToolResult, ...] = ()
        """Results of the last turn's calls, not yet shown to the brain."""

    async def work(self) -> Proposal:
        recorded = self._context.journal.turns()
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
        for turn, later in zip_longest(recorded, recorded[1:]):
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
        finals, calls = split(turn)
        if stopped := self._judge.stop(turn):
            return self._ended(stopped.fault, stopped.detail)
        if spent and not finals:
            return self._ended(faults.BUDGET, spent)
        if calls and new:
            await self._context.journal.record(turn)
        answered = await self._call(calls) if shown is None else self._restore(shown)
        ruling = self._judge.rule(turn, answered, self._results)
        if ruling.proposal is not None:
            return self._whole(ruling.proposal)
        if ruling.fault:
            return self._ended(ruling.fault, ruling.detail)
        if spent:
            return self._ended(faults.BUDGET, spent)
        if not calls and new:
            await self._context.journal.record(turn)
        self._pending = tuple(_in_order(turn, answered, ruling)) if shown is None else shown
        return None

    async def _call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Run calls one after the other: references keep their order, and a write sees the writes before it."""
        answered = [await self._context.tools.call(call) for call in calls[:AT_ONCE]]
        answered += [ToolResult(call=call, outcome="refused", content=_TOO_MANY) for call in calls[AT_ONCE:]]
        self._results += answered
        return answered

    def _restore(self, shown: Sequence[ToolResult]) -> list[ToolResult]:
        answered = [result for result in shown if result.call.name != propose.FINAL]
        self._context.tools.restore(answered)
        self._results += answered
        return answered

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
    said = [reply.text, [[call.id, call.name, dict(call.arguments)] for call in reply.calls]]
    try:
        json.dumps(said, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError):
        return replace(reply, text="", calls=(), stop="unreadable", opaque={})
    return reply


def _in_order(turn: Turn, answered: Sequence[ToolResult], ruling: Ruling) -> Iterator[ToolResult]:
    """A result for each call of the turn, in its order: model servers refuse a call that has none."""
    results = iter(answered)
    for call in turn.reply.calls:
        if call.name == propose.FINAL:
            yield ToolResult(call=call, outcome="refused" if ruling.wrong else "ok", content=ruling.told)
        else:
            yield next(results)
