"""`parameters`: a tool's arguments come from the mail's words, else from rows that leave no choice."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from daemon.brain import parameters
from handlers.contract import Message, Row, Sender, ToolCall, ToolResult, ToolSpec

ORDER = {"type": "string"}
FIND = {"order_id": r"(?i)\border\D{0,12}(\d{4,6})\b"}


def spec(properties: dict[str, Any], *, kind: Any = "read", find: dict[str, str] | None = None) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return ToolSpec(name="tool", description="", kind=kind, schema=schema, find=find or {})


def mail(text: str, subject: str = "") -> Message:
    return Message(sender=Sender(address="a@example.com"), subject=subject, text=text)


def row(**values: Any) -> ToolResult:
    call = ToolCall(id="1", name="list_orders", arguments={})
    return ToolResult(call=call, outcome="ok", content="", rows=(Row(reference="r", tool="t", values=values),))


def test_the_declared_pattern_finds_the_value() -> None:
    found = parameters.find(spec({"order_id": ORDER}, find=FIND), mail("where is order 4711"), [])
    assert found.values == {"order_id": "4711"}


def test_the_subject_counts_too() -> None:
    assert parameters.find(spec({"order_id": ORDER}, find=FIND), mail("hi", "Order 4711"), []).values == {
        "order_id": "4711"
    }


def test_the_same_number_twice_is_one_value() -> None:
    assert not parameters.find(spec({"order_id": ORDER}, find=FIND), mail("order 4711, order 4711"), []).ambiguous


def test_two_numbers_are_ambiguous() -> None:
    found = parameters.find(spec({"order_id": ORDER}, find=FIND), mail("order 4711 and order 4712"), [])
    assert found.ambiguous == {"order_id": ("4711", "4712")}


def test_a_read_may_take_the_one_value_that_the_rows_have() -> None:
    found = parameters.find(spec({"order_id": ORDER}, find=FIND), mail("where is it"), [row(order_id="4711")])
    assert found.values == {"order_id": "4711"}


def test_several_rows_leave_the_value_missing() -> None:
    rows = [row(order_id="4711"), row(order_id="4712")]
    assert parameters.find(spec({"order_id": ORDER}, find=FIND), mail("where is it"), rows).missing == ("order_id",)


def test_a_write_is_never_concluded_from_there_being_one_row() -> None:
    rows = [row(order_id="4711")]
    write = spec({"order_id": ORDER}, kind="write")
    assert parameters.find(write, mail("please cancel"), rows).missing == ("order_id",)
    assert parameters.find(write, mail("please cancel 4711"), rows).values == {"order_id": "4711"}


def test_an_integer_is_one() -> None:
    found = parameters.find(spec({"number": {"type": "integer"}}, find={"number": r"no (\d+)"}), mail("no 12"), [])
    assert found.values == {"number": 12}


def test_an_enum_is_found_by_its_words() -> None:
    reason = {"type": ["string", "null"], "enum": ["wrong_item", "damaged", None]}
    assert parameters.find(spec({"reason": reason}), mail("It was the wrong item"), []).values == {
        "reason": "wrong_item"
    }


def test_an_optional_argument_may_be_absent() -> None:
    properties = {"order_id": ORDER, "reason": {"type": ["string", "null"], "enum": ["damaged", None]}}
    found = parameters.find(spec(properties, find=FIND), mail("order 4711"), [])
    assert found.values == {"order_id": "4711", "reason": None}
    assert not found.missing


def test_of_optional_arguments_alone_one_is_needed() -> None:
    found = parameters.find(spec({"sku": {"type": ["string", "null"]}}), mail("how much is it"), [])
    assert found.missing == ("sku",)


def test_an_address_is_read_as_on_an_envelope() -> None:
    properties = {name: {"type": "string"} for name in ("street", "postcode", "city")}
    for text in ("My new address:\n14 Orchard Street\n20095 Hamburg\n", "Neu: Amselweg 7, 50667 Köln."):
        found = parameters.find(spec(properties, kind="write"), mail(text), [])
        assert not found.missing, text
    assert found.values == {"street": "Amselweg 7", "postcode": "50667", "city": "Köln"}


def test_two_addresses_are_ambiguous() -> None:
    properties = {name: {"type": "string"} for name in ("street", "postcode", "city")}
    text = "From Amselweg 7, 50667 Köln\nto Lindenweg 9, 10115 Berlin"
    assert set(parameters.find(spec(properties), mail(text), []).ambiguous) == {"street", "postcode", "city"}


def test_days_are_read_in_the_ways_that_people_write_them() -> None:
    text = "2026-11-03, 3.11.2026, 3. November 2026, 3rd Nov 2026, 3. Dezember 2026, 31. Februar 2026, 5 apples 2026"
    assert set(parameters.dates(text)) == {"2026-11-03", "2026-12-03"}
    found = parameters.find(spec({"day": {"type": "string", "format": "date"}}), mail("on 3 March 2026"), [])
    assert found.values == {"day": "2026-03-03"}


@given(st.text(max_size=500))
def test_no_text_breaks_the_search(text: str) -> None:
    properties = {"street": ORDER, "order_id": ORDER, "day": {"type": "string", "format": "date"}}
    found = parameters.find(spec(properties, find=FIND), mail(text), [])
    assert set(found.values) == set(properties)
