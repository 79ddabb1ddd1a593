"""CEL as rules use it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tools import expression
from tools.expression import ExpressionFailed, InvalidExpression, Scope
from tools.expression_source import normal, tokens, with_text_in

NAMES = frozenset(
    {"subject", "to", "headers", "sender", "sender.address", "sender.verified", "size", "now", "attachments"}
)
FACTS: dict[str, Any] = {
    "subject": "Your INVOICE 12/b, in time",
    "to": ["support@shop.example", "info@shop.example"],
    "headers": {"list-id": "<news.example>", "in": "x"},
    "sender": {"address": "ana@example.com", "verified": True},
    "size": 4096,
    "now": datetime(2026, 11, 23, 9, tzinfo=UTC),
    "attachments": [{"name": "a.pdf", "size": 10}],
}


def holds(source: str, facts: dict[str, Any] | None = None) -> bool:
    return expression.compile(source, NAMES).evaluate(FACTS if facts is None else facts)


@pytest.mark.parametrize(
    "source",
    [
        '"invoice" in subject.lower() && sender.verified',
        "'invoice' in subject.lower()",
        '"support@shop.example" in to',
        '!("receipt" in subject)',
        '("12" in subject) == true',
        '"12" in subject == true',
        '"x" in headers || "list-id" in headers',
        '"12" + "/b" in subject.lower() + "!"',
        'to.exists(t, "info" in t)',
        '["INVOICE", "RECEIPT"].exists(w, w in subject)',
        'sender.address in ["ana@example.com", "bo@example.com"]',
        "size in [1, 4096]",
        '("12" in subject ? "in" : "out") in headers',
        '"in" in subject && subject.contains(" in ") && headers["in"] == "x"',
        'header("List-Id") == "<news.example>" && header("x-none") == ""',
        "subject.matches('(?i)invoice [0-9]+')",
        r"subject.matches(r'\d{2}/b')",
        "subject.upper().startsWith('YOUR') && ' x '.trim() == 'x'",
        'attachments.exists(a, a.name.endsWith(".pdf") && a.size < 100)',
        'now - duration("1h") < now && now.getHours() == 9',
        "type(subject) == string",
        'has(sender.verified) // a comment with "in" in it',
        "'''in''' in '''not in''' ",
    ],
)
def test_a_condition_that_is_true_of_the_mail_holds(source: str) -> None:
    assert holds(source)


@pytest.mark.parametrize(
    "source", ['"receipt" in subject', '"nobody@shop.example" in to', 'to.all(t, "info" in t)', '"invoice" in subject']
)
def test_a_condition_that_is_false_of_the_mail_does_not_hold(source: str) -> None:
    assert not holds(source)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ('subjekt == "x"', "Unknown variable `subjekt`. Did you mean `subject`?"),
        ('sender.adress == "x"', "Unknown variable `sender.adress`. Did you mean `sender.address`?"),
        ("subject.lowercase() == subject", "Unknown function `lowercase`. Did you mean"),
        ("subject ==", "The condition is not CEL: at column 11, mismatched input '<EOF>'. Correct it."),
        ("subject.matches('(')", "'(' is not a regular expression: unclosed group. Correct it."),
        ("  ", "The condition is empty."),
        ("(" * 200 + "true" + ")" * 200, "nested too deeply"),
        ("true" + " && true" * 1000, "Keep it under 4000"),
        ('"in" in', "The condition is not CEL"),
    ],
)
def test_a_condition_that_can_never_be_evaluated_is_refused_with_a_sentence(source: str, sentence: str) -> None:
    with pytest.raises(InvalidExpression) as refused:
        expression.compile(source, NAMES)
    assert sentence in str(refused.value)


def test_a_name_is_not_checked_when_no_names_are_given() -> None:
    assert expression.compile("anything == 1").evaluate({"anything": 1})


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ('headers["x-none"] == "x"', "names 'x-none', which is not there"),
        ("to[7] == 'x'", "index out of bounds"),
        ("size / 0 == 1", "division by zero"),
        ("size.lower() == 'x'", "can't be evaluated"),
        ("size.contains('x')", "can't be evaluated"),
        ("subject + 1 == 'x'", "does not fit the types"),
        ("'a' in size", "does not fit the types"),
        ("subject", "is str, not true or false"),
        ("size", "is int, not true or false"),
    ],
)
def test_a_condition_that_fails_is_neither_true_nor_false(source: str, sentence: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        holds(source)
    assert sentence in str(failed.value)
    assert FACTS["subject"] not in str(failed.value)


def test_a_fact_that_cel_does_not_know_fails_the_evaluation() -> None:
    with pytest.raises(ExpressionFailed):
        Scope({"size": object()})


def test_an_age_can_be_compared() -> None:
    facts = {**FACTS, "sent": FACTS["now"] - timedelta(days=2)}
    assert expression.compile('now - sent > duration("24h")').evaluate(facts)


def test_a_slow_regular_expression_takes_linear_time() -> None:
    assert not holds("subject.matches('(a+)+$')", {**FACTS, "subject": "a" * 50_000 + "b"})


def test_the_trace_names_each_value_once_and_cuts_long_text() -> None:
    source = (
        '"x" in subject.lower() && sender.verified && header("list-id") != headers["in"] && to.exists(t, t == subject)'
    )
    shown = expression.compile(source, NAMES).values({**FACTS, "subject": "s" * 500})
    assert shown == {
        "subject": "s" * 200 + "…",
        "sender.verified": True,
        'header("list-id")': "<news.example>",
        "headers.in": "x",
        "to": FACTS["to"],
    }


def test_alternatives_take_the_outermost_operators_apart() -> None:
    def alternatives(source: str) -> set[frozenset[str]]:
        return set(expression.compile(source).alternatives)

    assert alternatives("a && b || (c && (d && e))") == {frozenset({"a", "b"}), frozenset({"c", "d", "e"})}
    assert alternatives("((a)) || (b || c)") == {frozenset("a"), frozenset("b"), frozenset("c")}
    assert alternatives("true") == {frozenset()}
    assert alternatives("false || a && false") == set()
    assert alternatives("a && true") == {frozenset("a")}
    assert alternatives("a && (b || c)") == {frozenset({"a", "b || c"})}
    assert alternatives("a && b ? c : d") == {frozenset({"a && b ? c : d"})}
    assert alternatives("x=='y'") == alternatives('x == "y"')


def test_a_chain_of_in_is_left_as_it_is() -> None:
    assert normal(tokens(with_text_in("a == b in c"))) == "a == b in c"


@given(st.text(max_size=200))
@example('"""a" in b""" in c')
@example("r'\\' in x")
def test_any_text_either_compiles_or_is_refused(source: str) -> None:
    try:
        compiled = expression.compile(source, NAMES)
    except InvalidExpression:
        return
    assert compiled.normal
    assert compiled.alternatives is not None


_WORDS = st.sampled_from(
    ["subject", '"in"', "'x in y'", "to", "sender.address", "true", "size", "1", 'header("a")', "[1, 2]", "r'\\'"]
)
_SOURCES = st.recursive(
    _WORDS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" in ", " && ", " || ", " == ", " + "]), inner).map("".join),
        inner.map("({})".format),
        inner.map("!{}".format),
        st.tuples(inner, inner).map(lambda pair: f"[{pair[0]}, {pair[1]}].exists(w, w in {pair[1]})"),
    ),
    max_leaves=6,
)


@given(_SOURCES)
def test_giving_text_an_in_changes_nothing_that_had_a_meaning_before(source: str) -> None:
    import cel

    try:
        plain = cel.compile(source).execute(Scope(FACTS).context)
    except Exception:  # noqa: BLE001 - whatever CEL makes of it, there is nothing to compare with
        return
    assert cel.compile(with_text_in(source)).execute(Scope(FACTS).context) == plain
