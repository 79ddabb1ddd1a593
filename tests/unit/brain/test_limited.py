"""The slots of a brain."""

import asyncio

import pytest

from daemon.brain.limited import Limited
from handlers.contract import BrainBusy, Reply, Request
from tests.unit.brain.scripted import REQUEST, Scripted, busy


async def test_no_more_calls_run_than_there_are_slots() -> None:
    running, most = 0, 0

    class Counting(Scripted):
        async def answer(self, request: Request) -> Reply:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return await super().answer(request)

    limited = Limited(Counting(), concurrency=2)
    await asyncio.gather(*(limited.answer(REQUEST) for _ in range(9)))
    assert most == 2


async def test_a_call_that_fails_gives_its_slot_back() -> None:
    limited = Limited(Scripted(busy(), "well"), concurrency=1)
    with pytest.raises(BrainBusy):
        await limited.answer(REQUEST)
    assert (await limited.answer(REQUEST)).text == "well"
