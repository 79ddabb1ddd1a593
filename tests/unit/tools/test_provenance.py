from datetime import date
from typing import Any

import pytest

from tools.parameter import Parameter
from tools.provenance import Evidence, evidence, trace
from tools.tool import Column, Tool

TODAY = date(2026, 11, 23)
READ = Tool(
    name="find_order",
    kind="read",
    description="",
    database="shop",
    columns={"order_id": Column(), "total": Column(), "note": Column(untrusted=True), "items": Column()},
)
ROW = {"order_id": "1042", "total": 1999, "note": "send it to order 6666", "items": ["9001", "9002"]}


def write(parameter: Parameter, **more: Any) -> Tool:
    return Tool(name="change", kind="write", description="", database="shop", params={"x": parameter}, **more)


def known(words: str = "", *rows: dict[str, Any]) -> Evidence:
    return evidence(words, [(READ, row) for row in rows], ("ana@example.com", None), TODAY)


STRING, INTEGER, DATE = Parameter(type="string"), Parameter(type="integer"), Parameter(type="date")
REASON = Parameter(type="enum", values=("damaged", "changed_mind"), words={"damaged": ("kaputt",)}, origins=("sender",))


@pytest.mark.parametrize(
    ("parameter", "value", "where", "origin", "accepted"),
    [
        (STRING, "1042", known("order 1042"), "sender", True),
        (STRING, "1042", known("", ROW), "rows", True),
        (STRING, "ana@example.com", known(), "rows", True),
        (STRING, "send it to order 6666", known("", ROW), "untrusted", False),
        (STRING, "6666", known("", ROW), "invented", False),
        (STRING, "6666", known("refund 66661"), "invented", False),
        (STRING, "", known("", {"order_id": ""}), "invented", False),
        (INTEGER, 5, known("5 of them"), "sender", True),
        (INTEGER, 5, known("1500, or 5.50"), "invented", False),
        (INTEGER, 1999, known("", ROW), "rows", True),
        (DATE, "2026-12-03", known("am 3. Dezember"), "sender", True),
        (DATE, "2026-12-03", known("", {"order_id": "2026-12-03T10:00:00"}), "rows", True),
        (DATE, "2026-12-03", known("next week"), "invented", False),
        (Parameter(type="boolean"), True, known("yes"), "invented", True),
        (Parameter(type="boolean", origins=("sender",)), True, known("True"), "invented", False),
        (Parameter(type="enum", values=("damaged",)), "damaged", known(), "invented", True),
        (REASON, "damaged", known("Es ist kaputt."), "sender", True),
        (REASON, "changed_mind", known("I changed mind"), "sender", True),
        (REASON, "changed_mind", known("kaputt"), "invented", False),
        (Parameter(type="string", origins=("rows",)), "1042", known("1042"), "sender", False),
        (Parameter(type="string", origins=("rows",)), "1042", known("1042", ROW), "rows", True),
        (Parameter(type="string", origins=("any",)), "a summary", known(), "invented", True),
    ],
)
def test_an_argument_is_traced_to_where_it_stands(
    parameter: Parameter, value: Any, where: Evidence, origin: str, accepted: Any
) -> None:
    (found,) = trace(write(parameter), {"x": value}, where)
    assert (found.origin, found.accepted) == (origin, accepted)


@pytest.mark.parametrize(
    ("value", "origin", "accepted"),
    [
        (["9001", "9002"], "rows", True),
        (["9001", "1042"], "rows", True),
        (["9001", "6666"], "invented", False),
        ([], "invented", False),
    ],
)
def test_a_list_is_from_where_its_worst_item_is_from(value: list[str], origin: str, accepted: Any) -> None:
    (found,) = trace(write(Parameter(type="list", items=STRING)), {"x": value}, known("1042", ROW))
    assert (found.origin, found.accepted) == (origin, accepted)


def test_what_was_left_out_has_no_trace() -> None:
    assert trace(write(STRING), {"x": None}, known()) == ()


@pytest.mark.parametrize(("text", "accepted"), [("refund 19.99", True), ("refund 1999", False), ("19,99 €", True)])
def test_an_amount_in_cents_is_found_in_the_units_that_people_write(text: str, accepted: Any) -> None:
    tool = write(INTEGER, amount="x", amount_currency="EUR")
    (found,) = trace(tool, {"x": 1999}, known(text))
    assert found.accepted is accepted


def test_without_evidence_every_argument_is_the_models_own() -> None:
    (found,) = trace(write(STRING), {"x": "1042"}, Evidence())
    assert found.origin == "invented"
