"""A run that is begun again uses what was recorded and ends as it would have ended."""

from dataclasses import replace
from typing import Any

import pytest

from handlers.agent import Agent
from handlers.contract import BrainBusy, Proposal, Reply, ToolCall, ToolResult, Turn
from tests.fixtures import desk
from tests.fixtures.desk import ListJournal, ScriptedBrain, call, final, says
from tests.unit.handlers.agent_desk import Desk


class Crash(Exception):
    """The process is gone."""


SCRIPT = (
    says(text="Hm."),
    says(call("find_order", 1, order_id="1002"), call("list_orders", 2)),
    says(final("refund")),
    says(call("request_refund", order_id="1001")),
)
TEXT = "Refund order 1001 please."


def essence(proposal: Proposal) -> Any:
    """A proposal without how long things took."""
    results = tuple(replace(result, milliseconds=0) for result in proposal.results)
    turns = tuple(_timeless(turn) for turn in proposal.turns)
    return replace(proposal, results=results, turns=turns)


def _timeless(turn: Turn) -> Turn:
    return replace(turn, milliseconds=0, results=tuple(replace(result, milliseconds=0) for result in turn.results))


@pytest.mark.parametrize("asked", range(1, len(SCRIPT) + 1))
async def test_a_restart_before_any_turn_ends_the_same_and_pays_for_nothing_twice(shop: Desk, asked: int) -> None:
    whole = essence(await Desk(shop.tools).run(*SCRIPT, text=TEXT))
    with pytest.raises(Crash):
        await _crashing(shop, asked)
    again = essence(await shop.run(*SCRIPT[asked - 1 :], text=TEXT))
    assert again == whole
    assert len(shop.brain.requests) == len(SCRIPT) - asked + 1


async def _crashing(shop: Desk, asked: int) -> None:
    """A run whose process dies when it asks for that turn."""

    class Dying(ScriptedBrain):
        async def answer(self, request: Any) -> Reply:
            if len(self.requests) == asked - 1:
                raise BrainBusy("gone")
            return await super().answer(request)

    box = desk.toolbox(shop.tools, desk.handler())
    context = desk.context(Dying(*SCRIPT), box, journal=shop.journal)
    try:
        await Agent().run(desk.handler(), desk.message(TEXT), context)
    except BrainBusy:
        raise Crash from None


async def test_a_restart_in_the_middle_of_a_turns_calls_runs_them_again(shop: Desk) -> None:
    whole = essence(await Desk(shop.tools).run(*SCRIPT, text=TEXT))

    class Breaking(ListJournal):
        async def record(self, turn: Turn) -> None:
            await super().record(turn)
            if turn.number == 2:
                raise Crash

    shop.journal = Breaking()
    with pytest.raises(Crash):
        await shop.run(*SCRIPT, text=TEXT)
    shop.journal = ListJournal(shop.journal.recorded)
    assert essence(await shop.run(*SCRIPT[2:], text=TEXT)) == whole


async def test_recorded_results_are_used_as_they_are(shop: Desk) -> None:
    """The database may have changed meanwhile: what the model saw is what the reply is made of."""
    looked: ToolCall = call("find_order", order_id="1001")
    recorded = ToolResult(
        call=looked,
        outcome="ok",
        content="…",
        rows=(desk.row("order", "find_order", order_id="1001", status="shipped"),),
    )
    shop.journal = ListJournal(
        [
            Turn(number=1, results=(), reply=says(looked)),
            Turn(number=2, results=(recorded,), reply=says(text="Hm.")),
        ]
    )
    proposal = await shop.run(says(final()), text="Where is it?")
    assert proposal.results == (recorded,)
    assert proposal.body.endswith("your order 1001 is on its way.")
    assert [turn.number for turn in proposal.turns] == [1, 2, 3]
