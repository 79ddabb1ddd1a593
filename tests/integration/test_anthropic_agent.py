"""The agent with the anthropic brain as it is wired, against a server that refuses malformed requests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.brain.budget import MessageBudget
from daemon.brain.wiring import Wired, wire
from daemon.config import BrainConfig, Config, StoreConfig
from handlers.agent import Agent
from handlers.contract import (
    BrainBusy,
    Category,
    Context,
    Handler,
    Message,
    Proposal,
    Row,
    Sender,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
)
from tests.fixtures.messages_api import Answer, MessagesApi, calls, error, message, says, use
from tools.tool import Column

HANDLER = Handler(
    name="shop",
    prompt="We sell tea.",
    tools=("find_order",),
    categories=(Category(name="order_status", description="Where is it?"),),
)
MAIL = Message(id="m1", sender=Sender(address="ada@example.org", verdict="verified"), text="Where is order 10423?")


class Orders:
    """One order, whatever is asked for."""

    def specs(self) -> tuple[ToolSpec, ...]:
        schema = {
            "type": "object",
            "properties": {"order_id": {"type": "string", "pattern": r"^\d+$"}},
            "required": ["order_id"],
            "additionalProperties": False,
        }
        return (ToolSpec(name="find_order", description="An order.", kind="read", schema=schema),)

    async def prefetch(self, message: Message) -> tuple[ToolResult, ...]:
        return ()

    async def call(self, call: ToolCall) -> ToolResult:
        row = Row(reference="order", tool="find_order", values={"status": "shipped"})
        return ToolResult(call=call, outcome="ok", content='order: status="shipped"', rows=(row,))

    def restore(self, results: Sequence[ToolResult]) -> None:
        """Nothing is remembered."""


class Journal:
    def __init__(self, *turns: Turn) -> None:
        self.kept = list(turns)

    def turns(self) -> Sequence[Turn]:
        return tuple(self.kept)

    async def record(self, turn: Turn) -> None:
        self.kept.append(turn)


def final(**changed: Any) -> dict[str, Any]:
    answer = {"category": "order_status", "use_template": False, "body": "It is {{order.status}}.", "language": "en"}
    return use("propose_reply", **{**answer, "missing": [], "escalate": "", **changed})


def wired(api: MessagesApi, **brain: Any) -> Wired:
    settings = BrainConfig(provider="anthropic", base_url=api.url, timeout="5s", **brain)
    config = Config.model_construct(store=StoreConfig(url="sqlite:///triaged.db"), mailbox={}, brain=settings)
    return wire(config, key=b"k" * 16, environ={})


async def run(built: Wired, journal: Journal | None = None) -> Proposal:
    context = Context(
        brain=built.brain,
        tools=Orders(),
        journal=journal or Journal(),
        budget=MessageBudget(max_turns=6, tokens_per_message=30_000),
        now=datetime(2026, 11, 23, tzinfo=UTC),
        columns={"find_order": {"status": Column(type="text")}},
    )
    try:
        return await Agent().run(HANDLER, MAIL, context)
    finally:
        await built.close()


async def test_a_look_up_and_a_reply_take_two_requests(messages_api: MessagesApi) -> None:
    messages_api.script([calls("find_order", order_id="10423"), message(final())])
    proposal = await run(wired(messages_api))
    assert (proposal.faults, proposal.body) == ((), "It is shipped.")
    assert len(messages_api.requests) == 2


TROUBLE = [
    pytest.param([says("It is on its way."), message(final(escalate="unsure", body=""))], id="prose"),
    pytest.param([calls("no_such_tool"), message(final(escalate="unsure", body=""))], id="unknown-tool"),
    pytest.param([message(final(category=7)), message(final(escalate="unsure", body=""))], id="wrong-arguments"),
    pytest.param(
        [message(use("find_order", order_id="1"), use("find_order", order_id="2")), message(final())], id="two-at-once"
    ),
    pytest.param([message(use("find_order", order_id="1"), final()), message(final())], id="look-up-and-reply-at-once"),
    pytest.param([says(" "), message(final(escalate="unsure", body=""))], id="nothing"),
]


@pytest.mark.parametrize("script", TROUBLE)
async def test_whatever_the_model_does_the_next_request_is_one_that_the_api_accepts(
    messages_api: MessagesApi, script: list[Answer]
) -> None:
    messages_api.script(script)
    proposal = await run(wired(messages_api))
    assert not any("400" in detail for detail in proposal.fault_details)
    assert proposal.category == "order_status"


async def test_a_model_that_is_refused_is_replaced_and_its_proposal_is_marked(messages_api: MessagesApi) -> None:
    def answer(body: dict[str, Any]) -> Answer:
        return error(404, "not_found_error") if body["model"] == "gone" else message(final(body="Hello."))

    messages_api.always(answer)
    proposal = await run(wired(messages_api, model="gone", fallback_model="there"))
    assert proposal.fallback
    assert [received.body["model"] for received in messages_api.requests] == ["gone", "there"]


async def test_a_run_that_was_interrupted_does_not_pay_for_its_turns_again(messages_api: MessagesApi) -> None:
    messages_api.script([calls("find_order", order_id="10423"), error(529, "overloaded_error"), message(final())])
    journal = Journal()
    with pytest.raises(BrainBusy):
        await run(wired(messages_api), journal)
    proposal = await run(wired(messages_api), journal)
    assert proposal.body == "It is shipped."
    assert len(messages_api.requests) == 3


async def test_the_breaker_of_a_failing_server_opens_and_stops_the_requests(messages_api: MessagesApi) -> None:
    messages_api.always(error(500))
    built = wired(messages_api)
    for _ in range(7):
        with pytest.raises(BrainBusy):
            await run(built)
    assert len(messages_api.requests) == 5
    assert built.breakers["claude-sonnet-5-5"].state == "open"
