from typing import Any

import pytest

from daemon.gate.verdict import Reason
from handlers import faults, propose
from handlers.conclude import Conclusion, conclude
from handlers.contract import ToolResult
from handlers.templates import Material
from tests.fixtures import desk
from tests.fixtures.desk import COLUMNS, call, final, found, row
from tools.staged import StagedWrite

ORDER = found(row())


def written(**arguments: Any) -> ToolResult:
    staged = StagedWrite(
        tool="request_refund", database="shop", arguments=arguments, bound={}, changes=(), preimage="", amount=125050
    )
    return ToolResult(call=call("request_refund", **arguments), outcome="ok", content="Staged.", staged=staged)


def concluded(category: str, *results: ToolResult, handler: Any = None, **changes: Any) -> Conclusion:
    answer = propose.parse(final(category, **changes).arguments)
    material = Material(handler=handler or desk.handler(), message=desk.message(), results=results, columns=COLUMNS)
    return conclude(answer, material)


def test_every_fault_is_a_reason_of_the_gate() -> None:
    names = {value for name, value in vars(faults).items() if name.isupper()}
    assert names <= {reason.value for reason in Reason}


def test_a_template_answers_its_category_whatever_the_model_wrote() -> None:
    proposal = concluded("order_status", ORDER, use_template=False, body="Call 555 now!").proposal
    assert proposal.body == "Hello Ana Ortiz,\n\nyour order 1001 is on its way."
    assert proposal.template == "order_status"
    assert [fact.slot for fact in proposal.facts] == ["order.order_id", "order.status"]
    assert proposal.faults == ()


def test_the_reply_is_in_the_senders_language_where_there_is_a_template() -> None:
    assert concluded("order_status", ORDER, language="de").proposal.language == "de"
    proposal = concluded("refund", ORDER, written(order_id="1001"), language="de").proposal
    assert (proposal.language, proposal.body) == ("en", "We pay €1,250.50 for order 1001 back.")


def test_a_language_that_the_handler_does_not_speak_is_the_first_one() -> None:
    assert concluded("question", body="Hi", language="xx").proposal.language == "en"


def test_a_category_without_template_has_the_models_text_with_its_slots_filled() -> None:
    proposal = concluded("question", ORDER, use_template=False, body="It was {{order.total}}.").proposal
    assert (proposal.body, proposal.template) == ("It was €1,250.50.", None)
    assert proposal.facts[0].value == 125050


@pytest.mark.parametrize("category", ["other", "nonsense", "propose_reply; DROP TABLE"])
def test_an_unknown_category_is_other_and_held(category: str) -> None:
    proposal = concluded(category, body="A draft for a person.").proposal
    assert proposal.category == "other"
    assert proposal.faults == (faults.UNKNOWN_CATEGORY,)
    assert proposal.body == "A draft for a person."


def test_a_tool_that_was_not_called_or_refused_is_missing_information() -> None:
    refused = found(outcome="refused", content="Not found.", detail="No row for this sender.")
    for results in ((), (refused,)):
        proposal = concluded("order_status", *results, body="Which order?").proposal
        assert proposal.faults == (faults.MISSING_INFORMATION,)
        assert proposal.body == "Which order?"
        assert proposal.template is None
    assert "No row for this sender." in proposal.fault_details[0]


def test_a_tool_that_failed_is_told_as_that_unless_it_succeeded_too() -> None:
    failed = found(outcome="failed", content="The tool failed.", detail="deadline")
    assert concluded("order_status", failed).proposal.faults == (faults.TOOL_FAILED,)
    assert concluded("order_status", failed, ORDER).proposal.faults == ()


def test_what_is_missing_leaves_the_template_unused() -> None:
    proposal = concluded("order_status", ORDER, missing=["which\nparcel"], body="Which parcel?").proposal
    assert proposal.missing == ("which parcel",)
    assert (proposal.body, proposal.template) == ("Which parcel?", None)


def test_an_escalation_keeps_the_draft() -> None:
    proposal = concluded("order_status", ORDER, escalate="Angry\x00 customer").proposal
    assert proposal.escalation == "Angry customer"
    assert proposal.template == "order_status"


def test_a_template_that_can_not_be_filled_is_a_fault() -> None:
    conclusion = concluded("order_status", found(row("order", "find_order", order_id="1001", status="lost")))
    assert conclusion.proposal.faults == (faults.TEMPLATE_FAILED,)
    assert "`order.status`" in conclusion.proposal.fault_details[0]
    assert conclusion.proposal.body == ""
    assert conclusion.complaint == ""


def test_slots_that_do_not_exist_are_complained_of_and_a_fault() -> None:
    conclusion = concluded("question", ORDER, body="{{order.price}}")
    assert "`order.price` does not exist" in conclusion.complaint
    assert conclusion.proposal.faults == (faults.TEMPLATE_FAILED,)


def test_an_empty_body_without_template_is_complained_of_unless_a_person_is_wanted() -> None:
    assert concluded("question", ORDER).complaint
    assert not concluded("question", ORDER, escalate="Legal threat").complaint
    assert not concluded("question", ORDER, missing=["order number"]).complaint


def test_a_write_that_the_category_does_not_include_is_a_fault() -> None:
    proposal = concluded("order_status", ORDER, written(order_id="1001")).proposal
    assert proposal.faults == (faults.WRITE_MISMATCH,)
    assert proposal.writes[0].tool == "request_refund"


def test_a_write_about_another_row_than_the_reply_speaks_of_is_a_fault() -> None:
    proposal = concluded("refund", ORDER, written(order_id="1002")).proposal
    assert proposal.faults == (faults.WRITE_MISMATCH,)
    assert concluded("refund", ORDER, written(order_id="1001")).proposal.faults == ()
