from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import templates
from handlers.contract import Handler, Sender, ToolResult
from handlers.templates import Material, TemplateFailed
from tests.fixtures import desk
from tests.fixtures.desk import COLUMNS, found, row


def material(source: str, *results: ToolResult, **changes: Any) -> Material:
    values: dict[str, Any] = {
        "handler": Handler(name="desk", templates={"t": source}, languages=("en", "de")),
        "message": desk.message(),
        "results": results or (found(row()),),
        "columns": COLUMNS,
    }
    return Material(**(values | changes))


def rendered(source: str, *results: ToolResult, **changes: Any) -> str:
    return templates.render(material(source, *results, **changes), "t", "en").body


def test_a_printed_value_is_formatted_and_leaves_a_fact() -> None:
    filled = templates.render(material("Sum: {{ order.total }} of {{order.order_id}}."), "t", "en")
    assert filled.body == "Sum: €1,250.50 of 1001."
    assert [(fact.slot, fact.shown, fact.start) for fact in filled.facts] == [
        ("order.total", "€1,250.50", 5),
        ("order.order_id", "1001", 18),
    ]


def test_conditions_compare_what_the_database_returned() -> None:
    source = (
        "{% if order.status == 'shipped' %}S{% endif %}{% if order.status in ['x', 'shipped'] %}I{% endif %}"
        "{% if order.total > 1000 and order.total <= 125050 and order.total >= 1 and order.total < 999999%}T{% endif %}"
        "{% if order.tracking_url %}L{% else %}-{% endif %}{% if order.status == order.status %}={% endif %}"
        "{{ {'shipped': 'D'}[order.status] }}"
    )
    assert rendered(source) == "SIT-=D"


def test_values_keep_their_facts_through_join_and_concatenation() -> None:
    filled = templates.render(material("{{ [order.order_id, order.total] | join(', ') ~ '!' }}"), "t", "en")
    assert filled.body == "1001, €1,250.50!"
    assert [filled.body[fact.start : fact.start + len(fact.shown)] for fact in filled.facts] == ["1001", "€1,250.50"]


def test_all_rows_of_a_name_can_be_listed() -> None:
    recent = found(
        row("recent", "list_orders", order_id="1001", total=100),
        row("recent2", "list_orders", order_id="1002", total=200),
        tool="list_orders",
    )
    source = "{% for each in every.recent %}\n- {{ each.order_id }}: {{ each.total }}\n{% endfor %}"
    assert rendered(source, recent) == "- 1001: €1.00\n- 1002: €2.00"
    assert rendered("{{ recent.order_id }} {{ recent2.order_id }}", recent) == "1001 1002"
    assert rendered("{{ every.recent | length }}", recent) == "2"


def test_a_bare_reference_is_refused_when_two_calls_found_different_rows() -> None:
    two = (found(row()), found(row("order2", "find_order", order_id="1002")))
    with pytest.raises(TemplateFailed, match="`order` could be any of order, order2"):
        rendered("{{ order.order_id }}", *two)
    with pytest.raises(TemplateFailed, match="could be any of"):
        rendered("{% if order.order_id %}x{% endif %}", *two)
    assert rendered("{{ order2.order_id }}", *two) == "1002"


def test_the_same_row_found_twice_is_one_row() -> None:
    assert rendered("{{ order.order_id }}", found(row()), found(row())) == "1001"


@pytest.mark.parametrize(
    "source",
    [
        "{{ parcel.number }}",
        "{{ order.colour }}",
        "{{ order.tracking_url }}",
        "{{ order }}",
        "{% for each in every.parcel %}{% endfor %}",
        "{% if parcel %}x{% endif %}",
        "{{ order.total + 1 }}",
        "{{ order.total.real }}",
        "{{ order._row }}",
        "{{ order.total._value }}",
        "{{ order.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ 'x'.upper() }}",
        "{{ (order.total ~ '')[1:] }}",
        "{{ 1 / 0 }}",
        "{{ '{{order.total}}' }}",
        "{{ range(3) }}",
        "{{ self }}{{ order.total.__init__.__globals__ }}",
    ],
)
def test_whatever_a_template_can_not_have_fails_the_template(source: str) -> None:
    with pytest.raises(TemplateFailed):
        rendered(source)


def test_a_reference_that_may_be_absent_can_be_asked_for() -> None:
    assert rendered("{% if parcel is defined %}x{% else %}none{% endif %}") == "none"


@pytest.mark.parametrize("source", ["{% if %}", "{{ order.total", "{{ order.total | upper }}", "x\ufdd00\ufdd1"])
def test_a_template_that_does_not_compile_says_so(source: str) -> None:
    with pytest.raises(TemplateFailed):
        templates.compiled(source)


def test_the_line_of_a_mistake_is_known() -> None:
    with pytest.raises(TemplateFailed) as failed:
        templates.compiled("one\ntwo {{ order.total | upper }}\n")
    assert failed.value.line == 2


def test_left_over_empty_lines_are_one() -> None:
    assert rendered("a\n{% if false %}\nx\n{% endif %}\n\n  \n\nb\n") == "a\n\nb"


@pytest.mark.parametrize(
    ("files", "language", "chosen"),
    [
        (("t", "t.de"), "de", ("t.de", "de")),
        (("t", "t.de"), "en", ("t", "en")),
        (("t",), "de", ("t", "en")),
        (("t.en", "t.de"), "fr", ("t.en", "en")),
        (("t.en", "t.de"), "de", ("t.de", "de")),
    ],
)
def test_the_template_of_the_language_is_taken_else_the_first_language_answers(
    files: tuple[str, ...], language: str, chosen: tuple[str, str]
) -> None:
    handler = Handler(name="desk", templates=dict.fromkeys(files, ""), languages=("en", "de"))
    assert templates.choose(handler, "t", language) == chosen


def test_the_reply_says_in_which_language_it_is() -> None:
    assert templates.render(material("x"), "t", "de").language == "en"


@pytest.mark.parametrize(
    ("name", "greeted"),
    [
        ("Ana Ortiz", "Ana Ortiz"),
        ("Dr. Renée  O'Neill-Šimić", "Dr. Renée O'Neill-Šimić"),
        ("山田太郎", "山田太郎"),
        ("www.evil.example", ""),
        ("call 555 0199", ""),
        ("ana@example.com", ""),
        ("{{order.total}}", ""),
        ("Ana\nYour refund is approved", "Ana Your refund is approved"),
        ("x" * 61, ""),
        ("", ""),
    ],
)
def test_a_display_name_greets_only_as_letters(name: str, greeted: str) -> None:
    assert templates.greeting(name) == greeted


@given(st.text())
def test_a_greeting_brings_no_figure_no_link_and_no_line(name: str) -> None:
    greeted = templates.greeting(name)
    assert not any(letter.isdigit() or letter in "@:/{}\n\ufdd0\ufdd1" for letter in greeted)


@given(st.text(), st.text(alphabet="{}%.ador_teln\ufdd0\ufdd1012", max_size=30))
def test_no_value_of_a_row_is_ever_interpreted(name: str, note: str) -> None:
    rows = found(row("order", "find_order", note=note, total=100))
    message = desk.message(sender=Sender(address="a@example.com", name=name))
    source = "{{ sender.name }}|{{ order.note }}|{{ order.total }}"
    try:
        filled = templates.render(material(source, rows, message=message), "t", "en")
    except TemplateFailed:
        return
    shown = filled.facts[0].shown
    assert filled.body == f"{templates.greeting(name)}|{shown}|€1.00".strip()
    assert [fact.slot for fact in filled.facts] == ["order.note", "order.total"]
