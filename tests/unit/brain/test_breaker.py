"""The circuit breaker, as a state machine and around a brain."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.brain.breaker import Breaker, BreakerOpen, Guarded
from handlers.contract import BrainBusy, BrainFailed, Reply, Request
from tests.unit.brain.scripted import REQUEST, Scripted, busy, failed


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock=clock, failures=3, cooldown=30)


async def fail(guarded: Guarded, times: int) -> None:
    for _ in range(times):
        with pytest.raises(BrainBusy):
            await guarded.answer(REQUEST)


async def test_it_opens_after_so_many_failures_in_a_row_and_then_makes_no_call(breaker: Breaker) -> None:
    brain = Scripted(*[busy()] * 9)
    guarded = Guarded(brain, breaker)
    await fail(guarded, 3)
    assert breaker.state == "open"
    with pytest.raises(BreakerOpen) as raised:
        await guarded.answer(REQUEST)
    assert raised.value.retry_after == 30
    assert brain.asked == 3


async def test_a_success_between_failures_keeps_it_closed(breaker: Breaker) -> None:
    guarded = Guarded(Scripted(busy(), busy(), "well", busy(), busy()), breaker)
    await fail(guarded, 2)
    await guarded.answer(REQUEST)
    await fail(guarded, 2)
    assert breaker.state == "closed"


async def test_a_refusal_shows_that_the_server_is_there(breaker: Breaker) -> None:
    guarded = Guarded(Scripted(busy(), busy(), failed(), busy(), busy()), breaker)
    await fail(guarded, 2)
    with pytest.raises(BrainFailed):
        await guarded.answer(REQUEST)
    await fail(guarded, 2)
    assert breaker.state == "closed"


async def test_after_the_cooldown_one_good_call_closes_it(breaker: Breaker, clock: Clock) -> None:
    guarded = Guarded(Scripted(busy(), busy(), busy(), "well"), breaker)
    await fail(guarded, 3)
    clock.now += 30
    states: list[str] = [breaker.state]
    assert (await guarded.answer(REQUEST)).text == "well"
    assert [*states, breaker.state] == ["half-open", "closed"]


async def test_after_the_cooldown_one_bad_call_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    guarded = Guarded(Scripted(*[busy()] * 4), breaker)
    await fail(guarded, 3)
    clock.now += 30
    await fail(guarded, 1)
    assert breaker.state == "open"
    assert breaker.remaining == 30


async def test_it_stays_open_as_long_as_the_server_asked(breaker: Breaker, clock: Clock) -> None:
    guarded = Guarded(Scripted(busy(), busy(), busy(retry_after=600)), breaker)
    await fail(guarded, 3)
    clock.now += 599
    assert breaker.state == "open"


async def test_only_one_call_at_a_time_tries_whether_the_model_is_back(breaker: Breaker, clock: Clock) -> None:
    gate = asyncio.Event()

    class Slow(Scripted):
        async def answer(self, request: Request) -> Reply:
            await gate.wait()
            return await super().answer(request)

    await fail(Guarded(Scripted(*[busy()] * 3), breaker), 3)
    clock.now += 30
    guarded = Guarded(Slow(), breaker)
    probe = asyncio.create_task(guarded.answer(REQUEST))
    await asyncio.sleep(0)
    with pytest.raises(BreakerOpen):
        await guarded.answer(REQUEST)
    gate.set()
    assert (await probe).text == "well"


async def test_a_cancelled_probe_lets_another_one_try(breaker: Breaker, clock: Clock) -> None:
    class Stuck(Scripted):
        async def answer(self, request: Request) -> Reply:
            await asyncio.Event().wait()
            return await super().answer(request)

    await fail(Guarded(Scripted(*[busy()] * 3), breaker), 3)
    clock.now += 30
    probe = asyncio.create_task(Guarded(Stuck(), breaker).answer(REQUEST))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert (await Guarded(Scripted(), breaker).answer(REQUEST)).text == "well"


@given(st.lists(st.sampled_from(["ok", "bad", "wait"]), max_size=40))
def test_it_is_open_exactly_within_the_cooldown_of_the_last_of_enough_failures(steps: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(clock=clock, failures=2, cooldown=10)
    in_a_row, opened = 0, -99.0
    for step in steps:
        if step == "wait":
            clock.now += 4
            continue
        allowed = in_a_row < 2 or clock.now >= opened + 10
        if not allowed:
            with pytest.raises(BreakerOpen):
                breaker.enter()
            continue
        breaker.enter()
        outcome: Any = breaker.succeeded if step == "ok" else breaker.failed
        outcome()
        in_a_row = 0 if step == "ok" else in_a_row + 1
        opened = clock.now
    assert breaker.failures == in_a_row
