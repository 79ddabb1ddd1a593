from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import faults, transcript
from handlers.agent import Agent
from handlers.contract import BrainBusy, BrainFailed, Proposal, Reply, ToolCall
from tests.fixtures import desk
from tests.fixtures.desk import Purse, ScriptedBrain, call, final, says
from tests.unit.handlers.agent_desk import Desk
from tools.catalogue import Catalogue


def faulty(proposal: Proposal, fault: str) -> str:
    """The detail of the only fault."""
    assert proposal.faults == (fault,)
    return proposal.fault_details[0]


async def test_a_routine_mail_costs_one_call(shop: Desk) -> None:
    proposal = await shop.run(says(final()))
    assert proposal.body == "Hello Ana Ortiz,\n\nyour order 1001 is on its way."
    assert (proposal.category, proposal.faults, proposal.language) == ("order_status", (), "en")
    assert [result.call.name for result in proposal.results] == ["find_customer", "find_order"]
    assert len(proposal.turns) == len(shop.brain.requests) == 1
    assert proposal.turns[0].results == proposal.results
    assert shop.journal.recorded == []


async def test_a_request_carries_the_prefetched_rows_and_only_this_handlers_tools(shop: Desk) -> None:
    await shop.run(says(final()), hint="Be kind.")
    (request,) = shop.brain.requests
    assert [spec.name for spec in request.tools] == [
        "find_order",
        "list_orders",
        "shop_hours",
        "request_refund",
        "propose_reply",
    ]
    assert [row.reference for result in request.prefetched for row in result.rows] == ["customer", "order"]
    assert request.hint == "Be kind."


async def test_a_look_up_is_recorded_before_it_runs_and_shown_in_the_next_turn(shop: Desk) -> None:
    proposal = await shop.run(
        says(call("find_order", order_id="1001"), text="Let me look."), says(final()), text="Where is it?"
    )
    assert proposal.body.endswith("your order 1001 is on its way.")
    assert [turn.number for turn in shop.journal.recorded] == [1]
    assert shop.brain.requests[1].results[0].rows[0].reference == "order"
    assert proposal.turns[1].results == shop.brain.requests[1].results


async def test_a_reply_that_waits_for_its_tools_stands_without_another_call(shop: Desk) -> None:
    proposal = await shop.run(
        says(final("refund"), confidence=0.9),
        says(call("request_refund", order_id="1001")),
        text="Refund order 1001 please.",
    )
    assert proposal.body == "We pay €1,250.50 for order 1001 back."
    assert (proposal.faults, proposal.confidence) == ((), 0.9)
    assert [write.tool for write in proposal.writes] == ["request_refund"]
    assert len(shop.brain.requests) == 2
    told = shop.brain.requests[1].results[0]
    assert (told.outcome, told.call.name) == ("ok", "propose_reply")
    assert "`refund` needs request_refund" in told.content


async def test_a_write_and_its_reply_may_come_in_one_turn(shop: Desk) -> None:
    proposal = await shop.run(
        says(call("request_refund", 1, order_id="1001"), final("refund", 2)), text="Refund order 1001."
    )
    assert proposal.body.startswith("We pay €1,250.50")
    assert len(shop.brain.requests) == 1
    assert [result.call.name for result in proposal.results] == ["find_customer", "find_order", "request_refund"]


async def test_a_reply_beside_a_refused_call_has_to_be_said_again(shop: Desk) -> None:
    proposal = await shop.run(
        says(call("request_refund", 1, order_id="2001"), final("refund", 2)),
        says(final("refund", escalate="The refund was refused.")),
        text="Refund order 1001.",
    )
    assert proposal.escalation == "The refund was refused."
    assert proposal.faults == (faults.MISSING_INFORMATION,)
    assert proposal.writes == ()
    assert [result.outcome for result in shop.brain.requests[1].results] == ["refused", "refused"]


async def test_a_category_is_asked_for_its_tools_only_once(shop: Desk) -> None:
    proposal = await shop.run(says(final("refund")), says(final("refund")), text="Refund order 1001.")
    assert "`request_refund`" in faulty(proposal, faults.MISSING_INFORMATION)


async def test_a_model_that_does_not_know_the_order_says_so(shop: Desk) -> None:
    proposal = await shop.run(
        says(final("order_status", missing=["the order number"], body="Which order?")), text="Where is it?"
    )
    assert (proposal.missing, proposal.body) == (("the order number",), "Which order?")
    assert proposal.faults == (faults.MISSING_INFORMATION,)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (says(text="I think it is on its way."), None),
        (says(), None),
        (says(call("propose_reply", category="order_status")), "wrong arguments"),
        (says(final(recipient="eve@example.com")), "recipient"),
        (says(final("order_status", 1), final("refund", 2)), "one propose_reply"),
        (says(final("question", body="It costs {{order.price}}.")), "`order.price` does not exist"),
        (says(final("question")), "write the body"),
        (says(call("delete_everything")), None),
    ],
    ids=["prose", "silence", "keys absent", "key too many", "two replies", "slot", "no body", "unknown tool"],
)
async def test_a_mistake_is_told_and_may_be_mended(shop: Desk, wrong: Reply, told: str | None) -> None:
    proposal = await shop.run(wrong, says(final()))
    assert proposal.faults == ()
    assert proposal.body
    assert len(proposal.turns) == 2
    results = shop.brain.requests[1].results
    assert len(results) == len(wrong.calls)
    assert all(result.outcome == "refused" for result in results)
    if told:
        assert told in results[0].content
    assert shop.journal.recorded == [proposal.turns[0]]


async def test_the_third_mistake_ends_the_run(shop: Desk) -> None:
    proposal = await shop.run(*[says(text="Hm.")] * 3)
    assert transcript.CORRECTION in faulty(proposal, faults.MODEL_FAILED)
    assert len(proposal.turns) == 3
    assert proposal.body == ""
    assert [result.call.name for result in proposal.results] == ["find_customer", "find_order"]


async def test_a_slot_that_stays_wrong_is_a_draft_without_text(shop: Desk) -> None:
    proposal = await shop.run(*[says(final("question", body="{{order.price}}"))] * 3)
    assert "`order.price`" in faulty(proposal, faults.TEMPLATE_FAILED)
    assert proposal.category == "question"


@pytest.mark.parametrize("stop", ["refusal", "max_tokens", "model_context_window_exceeded", "pause_turn", "asleep"])
async def test_an_unusual_stop_is_a_failure_of_the_model(shop: Desk, stop: str) -> None:
    proposal = await shop.run(says(final(), stop=stop))
    assert f"`{stop}`" in faulty(proposal, faults.MODEL_FAILED)
    assert len(proposal.turns) == 1


@pytest.mark.parametrize("stop", ["end_turn", "stop_sequence"])
async def test_a_call_counts_whatever_harmless_stop_the_server_names(shop: Desk, stop: str) -> None:
    assert (await shop.run(says(final(), stop=stop))).faults == ()


async def test_going_in_circles_ends_the_run(shop: Desk) -> None:
    same = says(call("find_order", order_id="9999"))
    proposal = await shop.run(same, same, same)
    faulty(proposal, faults.LOOPING)
    assert len(proposal.results) == 4
    assert len(shop.journal.recorded) == 2


async def test_the_turns_are_counted(shop: Desk) -> None:
    script = [says(call("find_order", order_id=f"900{number}")) for number in range(9)]
    proposal = await shop.run(*script, budget=Purse(max_turns=3))
    assert "max_turns" in faulty(proposal, faults.BUDGET)
    assert len(shop.brain.requests) == 3


async def test_a_spent_budget_ends_the_run_before_more_calls(shop: Desk) -> None:
    proposal = await shop.run(says(call("find_order", order_id="1002")), budget=Purse(tokens=50))
    assert faulty(proposal, faults.BUDGET) == "The tokens are gone."
    assert len(proposal.results) == 2


async def test_a_reply_that_was_paid_for_is_used(shop: Desk) -> None:
    assert (await shop.run(says(final()), budget=Purse(tokens=50))).faults == ()


async def test_a_spent_budget_is_not_exceeded_for_a_correction(shop: Desk) -> None:
    proposal = await shop.run(says(final(recipient="x")), budget=Purse(tokens=50))
    faulty(proposal, faults.BUDGET)


async def test_a_busy_model_ends_the_run_for_now(shop: Desk) -> None:
    with pytest.raises(BrainBusy):
        await shop.run(BrainBusy("429", retry_after=3))


@pytest.mark.parametrize(
    ("error", "fault"), [(BrainFailed("Wrong key."), faults.MODEL_FAILED), (KeyError("x"), faults.UNEXPECTED)]
)
async def test_a_model_that_fails_is_a_proposal_with_a_fault(shop: Desk, error: Exception, fault: str) -> None:
    proposal = await shop.run(error)
    assert faulty(proposal, fault)
    assert proposal.turns == ()
    assert len(proposal.results) == 2


@pytest.mark.parametrize("odd", ["\ud800", float("nan")])
async def test_what_no_store_takes_is_a_failure_of_the_model(shop: Desk, odd: Any) -> None:
    proposal = await shop.run(says(call("find_order", order_id=odd)))
    faulty(proposal, faults.MODEL_FAILED)
    assert proposal.turns[0].reply.calls == ()


async def test_a_flood_of_calls_is_not_run(shop: Desk) -> None:
    flood = [call("find_order", number, order_id=f"{9000 + number}") for number in range(20)]
    await shop.run(says(*flood), says(final()))
    contents = [result.content for result in shop.brain.requests[1].results]
    assert len(contents) == 20
    assert contents[7] != "Too many calls at once."
    assert set(contents[8:]) == {"Too many calls at once."}


async def test_a_fallback_model_is_remembered(shop: Desk) -> None:
    proposal = await shop.run(says(call("find_order", order_id="1002"), fallback=True), says(final()))
    assert proposal.fallback


async def test_two_orders_in_a_mail_are_never_answered_about_one(shop: Desk) -> None:
    proposal = await shop.run(says(final()), text="Where are order 1001 and order 1002?")
    assert "could be any of order, order2" in faulty(proposal, faults.TEMPLATE_FAILED)


async def test_a_model_that_answers_nothing_has_no_reply_and_a_language(shop: Desk) -> None:
    shop.brain = ScriptedBrain(BrainFailed("x"))
    context = desk.context(shop.brain, shop.box)
    proposal = await Agent().run(desk.handler(), desk.message(language="de"), context)
    assert (proposal.category, proposal.body, proposal.language) == ("", "", "de")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_ARGUMENTS = st.dictionaries(st.sampled_from(["order_id", "sender", "category", "body"]) | st.text(max_size=8), _JSON)
_FINALS = st.builds(
    lambda category, rest: {**final(category).arguments, **rest},
    st.sampled_from(["order_status", "refund", "question", "other", "x"]),
    st.fixed_dictionaries(
        {},
        optional={
            "body": st.sampled_from(["", "{{order.total}}", "{{order.x}}", "{{", "Hello"]) | _JSON,
            "missing": _JSON,
            "escalate": st.text(max_size=10),
            "language": st.sampled_from(["en", "de", "xx"]),
        },
    ),
)
_CALLS = st.one_of(
    st.tuples(st.sampled_from(["find_order", "request_refund", "list_orders", "nothing", "propose_reply"]), _ARGUMENTS),
    st.tuples(
        st.sampled_from(["find_order", "request_refund"]),
        st.fixed_dictionaries({"order_id": st.sampled_from(["1001", "1002", "2001", "9999", "' OR 1=1 --"])}),
    ),
    st.tuples(st.just("propose_reply"), _FINALS),
)
_STOPS = st.sampled_from(["tool_use", "tool_use", "tool_use", "end_turn", "refusal"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(script=st.lists(st.tuples(st.lists(_CALLS, max_size=4), st.text(max_size=20), _STOPS), min_size=8, max_size=8))
async def test_whatever_a_model_says_ends_in_a_proposal_about_the_senders_own_rows(
    tools: Catalogue, script: list[Any]
) -> None:
    replies = [
        says(
            *(ToolCall(id=f"c{at}", name=name, arguments=args) for at, (name, args) in enumerate(calls)),
            text=text,
            stop=stop,
        )
        for calls, text, stop in script
    ]
    shop = Desk(tools)
    proposal = await shop.run(*replies, text="order 1001, order 2001")
    seen = {row.values.get("order_id") for result in proposal.results for row in result.rows}
    assert seen <= {"1001", "1002", None}
    assert {write.arguments["order_id"] for write in proposal.writes} <= {"1001", "1002"}
    assert proposal.category in {"", "other", "order_status", "refund", "question"}
    assert proposal.language in {"en", "de"}
    for fact in proposal.facts:
        assert proposal.body[fact.start : fact.start + len(fact.shown)] == fact.shown
    for request in shop.brain.requests:
        _assert_well_formed(transcript.render(request, "7f3a9c2b").messages)


def _assert_well_formed(messages: list[dict[str, Any]]) -> None:
    """What every Messages API asks for: roles alternate, nothing is empty, every call has its result."""
    assert [message["role"] for message in messages] == ["user", "assistant"] * (len(messages) // 2) + ["user"]
    assert all(message["content"] for message in messages)
    for said, answered in zip(messages[1::2], messages[2::2], strict=True):
        called = [block["id"] for block in said["content"] if block["type"] == "tool_use"]
        assert called == [block["tool_use_id"] for block in answered["content"] if block["type"] == "tool_result"]
        assert all(block["text"].strip() for block in said["content"] if block["type"] == "text")
