"""Who answers when the configured model can't."""

import pytest

from daemon.brain.breaker import BreakerOpen
from daemon.brain.fallback import WithFallback
from handlers.contract import BrainBusy, BrainFailed
from tests.unit.brain.scripted import REQUEST, Scripted, busy, failed


async def test_the_configured_model_answers_when_it_can() -> None:
    other = Scripted()
    reply = await WithFallback(Scripted("mine"), other).answer(REQUEST)
    assert (reply.text, reply.fallback, other.asked) == ("mine", False, 0)


async def test_a_failed_model_is_replaced_and_the_reply_is_marked() -> None:
    reply = await WithFallback(Scripted(failed()), Scripted("stand-in")).answer(REQUEST)
    assert (reply.text, reply.fallback) == ("stand-in", True)


async def test_a_busy_model_is_waited_for_once_and_then_replaced() -> None:
    brain = WithFallback(Scripted(busy(retry_after=7), busy()), Scripted("stand-in"))
    with pytest.raises(BrainBusy) as raised:
        await brain.answer(REQUEST)
    assert raised.value.retry_after == 7
    assert (await brain.answer(REQUEST)).fallback


async def test_an_answer_in_between_restores_the_patience() -> None:
    brain = WithFallback(Scripted(busy(), "mine", busy()), Scripted("stand-in"))
    with pytest.raises(BrainBusy):
        await brain.answer(REQUEST)
    assert not (await brain.answer(REQUEST)).fallback
    with pytest.raises(BrainBusy):
        await brain.answer(REQUEST)


async def test_an_open_breaker_is_not_waited_for() -> None:
    brain = WithFallback(Scripted(BreakerOpen("Open. Wait.", retry_after=30)), Scripted("stand-in"))
    assert (await brain.answer(REQUEST)).fallback


async def test_when_both_fail_the_configured_model_is_what_the_operator_hears_of() -> None:
    with pytest.raises(BrainFailed, match="The key"):
        await WithFallback(Scripted(failed("The key. Look.")), Scripted(failed("Other."))).answer(REQUEST)


@pytest.mark.parametrize(("first", "second"), [(failed(), busy()), (BreakerOpen("Open."), failed())])
async def test_the_mail_waits_while_either_may_come_back(first: Exception, second: Exception) -> None:
    with pytest.raises(BrainBusy):
        await WithFallback(Scripted(first), Scripted(second)).answer(REQUEST)
