"""`plan`: what follows from knowing what a mail asks for."""

from dataclasses import replace
from typing import Any

from daemon.brain.classifier import Guess
from daemon.brain.plan import plan
from handlers.contract import (
    Category,
    Handler,
    Message,
    Reply,
    Request,
    Row,
    Sender,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
)

FIND = {"order_id": r"(?i)\border\D{0,12}(\d{4,6})\b"}
HANDLER = Handler(
    name="shop",
    languages=("en", "de"),
    categories=(
        Category(name="status", description="", auto="on", template="status", tools=("find_customer", "find_order")),
        Category(name="cancel", description="", auto="on", template="cancel", tools=("find_order", "cancel_order")),
        Category(name="angry", description=""),
        Category(name="unknown_customer", description="", auto="on", template="unknown_customer"),
    ),
)


def spec(name: str, kind: Any = "read", *parameters: str) -> ToolSpec:
    properties = {parameter: {"type": "string", "description": f"The {parameter}."} for parameter in parameters}
    return ToolSpec(name=name, description="", kind=kind, schema={"properties": properties}, find=FIND)


ORDER = spec("find_order", "read", "order_id")
CANCEL = spec("cancel_order", "write", "order_id")
LIST = spec("list_orders")


def result(name: str, outcome: Any = "ok", *ids: str, **arguments: str) -> ToolResult:
    rows = tuple(Row(reference=f"r{number}", tool=name, values={"order_id": each}) for number, each in enumerate(ids))
    call = ToolCall(id=name, name=name, arguments=arguments)
    return ToolResult(call=call, outcome=outcome, content="told", detail="the reason", rows=rows)


KNOWN = result("find_customer")
FOUND = result("find_order", "ok", "4711", order_id="4711")


def request(text: str, *prefetched: ToolResult, **more: Any) -> Request:
    message = Message(sender=Sender(address="a@example.com", verdict="verified"), text=text, language="en")
    return Request(handler=HANDLER, message=message, tools=(ORDER, CANCEL, LIST), **{"prefetched": prefetched, **more})


def guess(category: str | None, sentence: str = "") -> Guess:
    return Guess(category=category, confidence=1.0, margin=1.0, why="because", sentence=sentence)


def test_with_everything_looked_up_the_template_answers() -> None:
    step = plan(request("order 4711?", KNOWN, FOUND), guess("status"))
    assert (step.calls, step.category, step.escalate, step.missing) == ((), "status", "", ())


def test_a_pending_read_is_called_with_what_the_mail_names() -> None:
    step = plan(request("where is order 4711?", KNOWN), guess("status"))
    assert [(call.name, call.arguments) for call in step.calls] == [("find_order", {"order_id": "4711"})]


def test_without_a_number_the_lists_are_looked_at_once() -> None:
    asked = plan(request("where is it?", KNOWN), guess("status"))
    assert [call.name for call in asked.calls] == ["list_orders"]
    one = plan(request("where is it?", KNOWN, result("list_orders", "ok", "4711")), guess("status"))
    assert [(call.name, call.arguments) for call in one.calls] == [("find_order", {"order_id": "4711"})]
    two = plan(request("where is it?", KNOWN, result("list_orders", "ok", "4711", "4712")), guess("status"))
    assert two.missing == ("The order_id.",)
    assert not two.calls


def test_reads_come_before_writes() -> None:
    first = plan(request("cancel order 4711"), guess("cancel", "cancel order 4711"))
    assert [call.name for call in first.calls] == ["find_order"]
    second = plan(request("cancel order 4711", FOUND), guess("cancel", "cancel order 4711"))
    assert [call.name for call in second.calls] == ["cancel_order"]
    last = plan(request("cancel order 4711", FOUND, result("cancel_order")), guess("cancel", "cancel order 4711"))
    assert not last.calls
    assert not last.escalate


def test_results_of_earlier_turns_count() -> None:
    first = Turn(number=1, results=(KNOWN,), reply=Reply())
    second = Turn(number=2, results=(FOUND,), reply=Reply())
    step = plan(request("cancel order 4711", KNOWN, turns=(first, second)), guess("cancel", "cancel order 4711"))
    assert [call.name for call in step.calls] == ["cancel_order"]


def test_a_write_under_a_condition_is_for_a_person() -> None:
    step = plan(request("order 4711", FOUND), guess("cancel", "If it is late, cancel order 4711."))
    assert "condition" in step.escalate
    assert not step.calls


def test_two_orders_are_for_a_person() -> None:
    step = plan(request("where are order 4711 and order 4712", KNOWN), guess("status"))
    assert "4711, 4712" in step.escalate
    both = (FOUND, result("find_order", "ok", "4712", order_id="4712"))
    assert "more than one" in plan(request("4711 4712", KNOWN, *both), guess("status")).escalate


def test_a_refused_tool_is_told_in_words() -> None:
    step = plan(request("order 4711", KNOWN, result("find_order", "refused", order_id="4711")), guess("status"))
    assert step.escalate == "`find_order` refused: the reason"
    assert step.category == "status"


def test_a_failed_tool_is_told_in_words() -> None:
    assert "failed" in plan(request("order 4711", KNOWN, result("find_order", "failed")), guess("status")).escalate


def test_a_verified_stranger_is_told_that_nobody_knows_the_address() -> None:
    step = plan(request("order 4711", result("find_customer", "refused")), guess("status"))
    assert (step.category, step.escalate) == ("unknown_customer", "")


def test_a_stranger_is_for_a_person_where_no_category_answers_strangers() -> None:
    asked = request("order 4711", result("find_customer", "refused"))
    handler = replace(HANDLER, categories=HANDLER.categories[:3])
    assert plan(replace(asked, handler=handler), guess("status")).escalate


def test_a_failing_database_does_not_make_a_stranger() -> None:
    assert plan(request("order 4711", result("find_customer", "failed")), guess("status")).category == "status"


def test_without_a_verified_sender_the_tools_are_absent() -> None:
    asked = replace(request("order 4711"), tools=())
    sender = replace(asked.message.sender, verdict="unverified")
    step = plan(replace(asked, message=replace(asked.message, sender=sender)), guess("status"))
    assert "not verified" in step.escalate


def test_a_verified_sender_whose_tools_are_absent_is_no_known_customer() -> None:
    asked = replace(request("order 4711"), tools=())
    assert plan(asked, guess("status")).category == "unknown_customer"
    step = plan(replace(asked, handler=replace(HANDLER, categories=HANDLER.categories[:3])), guess("status"))
    assert "no known customer" in step.escalate


def test_a_category_without_template_is_for_a_person() -> None:
    step = plan(request("never again!"), guess("angry"))
    assert (step.category, bool(step.escalate)) == ("angry", True)


def test_what_is_not_sure_is_for_a_person() -> None:
    step = plan(request("hm"), guess(None))
    assert (step.category, step.escalate) == ("other", "because")


def test_a_language_that_nobody_answers_in_is_for_a_person() -> None:
    asked = request("où est ma commande")
    french = replace(asked, message=replace(asked.message, language="fr"))
    assert "`fr`" in plan(french, guess("status")).escalate


def test_a_reviewers_note_is_for_a_person() -> None:
    assert plan(request("order 4711", KNOWN, FOUND, hint="be kinder"), guess("status")).escalate
