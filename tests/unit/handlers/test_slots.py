import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import slots
from handlers.formats import SlotError
from tests.fixtures.desk import COLUMNS, row
from tools.tool import Column


def test_a_slot_becomes_the_value_and_a_fact_that_says_where_it_stands() -> None:
    filled = slots.fill("It costs {{order.total}}, ordered {{ order.placed_on }}.", [row()], COLUMNS, "en")
    assert filled.body == "It costs €1,250.50, ordered 3 November 2026."
    assert [fact.slot for fact in filled.facts] == ["order.total", "order.placed_on"]
    assert [filled.body[fact.start : fact.start + len(fact.shown)] for fact in filled.facts] == [
        "€1,250.50",
        "3 November 2026",
    ]
    assert filled.facts[0].value == 125050
    assert filled.facts[0].tool == "find_order"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{parcel.total}}", "No row is known as `parcel`. Known: order."),
        ("{{order.colour}}", "`order.colour` does not exist"),
        ("{{order.tracking_url}}", "`order.tracking_url` is empty in the database"),
        ("{{order}}", "is not a slot"),
        ("{{order.total|upper}}", "is not a slot"),
        ("{% if order %}", "is not a slot"),
        ("order.total}}", "is not a slot"),
        ("{{order['total']}}", "is not a slot"),
    ],
)
def test_what_is_no_slot_is_refused_with_a_sentence(text: str, told: str) -> None:
    with pytest.raises(SlotError, match="^" + told.replace("{", r"\{") if not told.startswith("is") else told):
        slots.fill(text, [row()], COLUMNS, "en")


def test_a_column_that_is_not_declared_is_not_shown() -> None:
    with pytest.raises(SlotError):
        slots.fill("{{order.secret}}", [row("order", "find_order", secret="x")], COLUMNS, "en")


_NOTE = {"find_order": {"note": Column(), "total": Column(type="money", currency="EUR")}}


@given(st.text(), st.text(alphabet=st.sampled_from("ab {}.%order_tal"), max_size=40))
def test_no_inserted_value_is_ever_interpreted(before: str, note: str) -> None:
    """Whatever a row holds, slots included, stands in the reply as it is shown, and only the model's slots count."""
    rows = [row("order", "find_order", note=note, total=100)]
    try:
        filled = slots.fill("a {{order.note}} b {{order.total}} c", rows, _NOTE, "en")
    except SlotError:
        return
    shown = filled.facts[0].shown
    assert filled.body == f"a {shown} b €1.00 c"
    assert [fact.slot for fact in filled.facts] == ["order.note", "order.total"]


def test_a_value_that_looks_like_a_slot_stays_text() -> None:
    rows = [row("order", "find_order", note="{{order.total}}", total=100)]
    filled = slots.fill("{{order.note}}", rows, _NOTE, "en")
    assert filled.body == "{{order.total}}"
    assert len(filled.facts) == 1


@given(st.text(max_size=60), st.text(max_size=60))
def test_facts_stand_where_they_say(before: str, after: str) -> None:
    try:
        filled = slots.fill(f"{before}{{{{order.total}}}}{after}", [row()], COLUMNS, "de")
    except SlotError:
        return
    for fact in filled.facts:
        assert filled.body[fact.start : fact.start + len(fact.shown)] == fact.shown


def test_the_slots_that_a_text_names_are_found_with_their_lines() -> None:
    assert list(slots.named("a\n{{order2.total}} {{ order.status }}")) == [
        (2, "order", "total"),
        (2, "order", "status"),
    ]
