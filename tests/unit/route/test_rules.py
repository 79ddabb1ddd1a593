"""The first rule that matches wins; the default is to hold."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.gate.verdict import Reason
from daemon.route import rules
from daemon.route.facts import Conversation, facts
from daemon.route.rules import Rules
from handlers.contract import Attachment, Message, Sender
from tools import located
from tools.located import Faults

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MAIL = Message(
    id="1",
    mailbox="support",
    sender=Sender(address="ana@example.com", name="Ana", verdict="verified"),
    to=("support@shop.example",),
    subject="Invoice 12",
    text="Please send it again.",
    headers={"subject": "Invoice 12", "list-id": "<x>"},
    size=900,
)


def read(text: str) -> Rules:
    return rules.read(
        located.parse(text, Path("rules.toml")), handlers={"procurement", "customer_service"}, people={"maria", "jonas"}
    )


def faults_of(text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(Faults) as refused:
        read(text)
    return [(fault.line, fault.message) for fault in refused.value.faults]


def rule(name: str, when: str, rest: str) -> str:
    return f"[[rule]]\nname = '{name}'\nwhen = '''{when}'''\n{rest}\n"


def known(message: Message = MAIL, **conversation: Any) -> dict[str, Any]:
    return facts(message, now=NOW, conversation=Conversation(**conversation))


def test_the_first_rule_that_matches_decides() -> None:
    route = read(
        rule("none", '"receipt" in subject', "ignore = true")
        + rule(
            "invoices", '"invoice" in subject.lower() && sender.verified', "handler = 'procurement'\npriority = 'high'"
        )
        + rule("rest", "true", "handler = 'customer_service'")
    ).route(known())
    assert (route.outcome, route.handler, route.rule, route.priority) == ("handle", "procurement", "invoices", "high")
    assert route.reason is None
    assert [(step.rule, step.value) for step in route.trace] == [("none", False), ("invoices", True)]
    assert route.trace[1].values == {"subject": "Invoice 12", "sender.verified": True}


def test_mail_that_no_rule_takes_is_held() -> None:
    for text in ("", rule("none", "false || size > 9000", "ignore = true"), "[route]\ndefault = 'hold'\n"):
        route = read(text).route(known())
        assert (route.outcome, route.reason, route.rule) == ("hold", Reason.NO_RULE, None)


def test_a_rule_that_fails_to_evaluate_holds_and_the_rules_after_it_are_not_asked() -> None:
    route = read(
        rule("odd", 'headers["x-none"] == "1"', "ignore = true") + rule("rest", "true", "ignore = true")
    ).route(known())
    assert (route.outcome, route.reason, route.rule) == ("hold", Reason.RULE_FAILED, "odd")
    assert "x-none" in route.detail
    assert route.trace[-1].value is None


def test_a_rule_without_an_outcome_files_and_the_next_one_is_asked() -> None:
    route = read(
        rule("vip", 'sender.domain == "example.com"', "label = ['vip', 'seen']\npriority = 'high'\nassign = 'maria'")
        + rule("bills", '"Invoice" in subject', "label = 'bill'\nmove = 'Invoices'\npriority = 'low'\nlanguage = 'de'")
        + rule("rest", "true", "hold = 'look at the amount'\nmove = 'Rest'")
    ).route(known())
    assert (route.outcome, route.rule, route.reason, route.detail) == (
        "hold",
        "rest",
        Reason.RULE_HOLD,
        "look at the amount",
    )
    assert route.label == ("vip", "seen", "bill")
    assert (route.priority, route.assign, route.move, route.language) == ("high", "maria", "Invoices", "de")


def test_mail_that_was_only_filed_waits_for_a_person() -> None:
    route = read(rule("bills", '"Invoice" in subject', "move = 'Invoices'")).route(known())
    assert (route.outcome, route.reason, route.move) == ("hold", Reason.ROUTE_ONLY_FILED, "Invoices")


def test_an_ignored_mail_names_its_reason() -> None:
    assert read(rule("all", "true", "ignore = true")).route(known()).reason is Reason.RULE_IGNORE


def test_facts_that_cel_can_not_take_hold() -> None:
    route = read(rule("all", "true", "ignore = true")).route({**known(), "size": object()})
    assert (route.outcome, route.reason) == ("hold", Reason.RULE_FAILED)


def test_explain_shows_every_rule_also_after_the_one_that_decides() -> None:
    steps = read(rule("a", "size < 1000", "ignore = true") + rule("b", 'header("x") == "1"', "ignore = true")).explain(
        known()
    )
    assert [(step.rule, step.value, step.values) for step in steps] == [
        ("a", True, {"size": 900}),
        ("b", False, {'header("x")': ""}),
    ]


@pytest.mark.parametrize(
    "when",
    [
        'mailbox == "support" && language == "" && conversation.first',
        "message.received == now && message.date == now && !message.is_reply",
        'now - message.date < duration("24h")',
        'message.text.startsWith("Please") && message.notes.size() == 0 && message.cc.size() == 0',
        'to.exists(a, a.endsWith("@shop.example")) && attachments.size() == 0',
        'header("List-Id") == "<x>" && sender.name == "Ana"',
        'conversation.messages == 1 && conversation.replies == 0 && message.id == "1"',
    ],
)
def test_each_variable_of_the_table_can_be_asked(when: str) -> None:
    assert read(rule("all", when, "ignore = true")).route(known()).outcome == "ignore"


def test_a_date_without_a_zone_can_be_compared() -> None:
    message = replace(MAIL, date=datetime(2026, 11, 20, 9), received_at=NOW)  # noqa: DTZ001 - as `-0000` parses
    text = rule("old", 'now - message.date > duration("48h")', "hold = 'old'")
    assert read(text).route(known(message)).rule == "old"


def test_lists_that_the_mail_makes_long_are_cut() -> None:
    message = replace(
        MAIL, to=("a@example.com",) * 5000, attachments=(Attachment(name="a", content_type="b", size=1),) * 5000
    )
    assert len(known(message)["to"]) == len(known(message)["attachments"]) == 100


def test_every_fault_is_told_at_once_with_its_line() -> None:
    faults = faults_of(
        rule("a", "subjekt == 'x'", "ignore = true")
        + rule("b", "true &&", "ignore = true")
        + rule("c", "size > 1", "handler = 'procuremnt'")
        + rule("c", "size > 2", "assign = 'mario'")
        + rule("d", "size", "ignore = true")
        + rule("e", "sender.verified > 3", "ignore = true")
        + rule("f", "size.lower() == 'x'", "ignore = true")
        + "[route]\ndefault = 'classify'\n"
    )
    assert [line for line, _ in faults] == [3, 7, 12, 14, 16, 19, 23, 27, 30]
    told = "\n".join(message for _, message in faults)
    for sentence in (
        "Did you mean `subject`?",
        "The condition is not CEL",
        "Unknown handler `procuremnt`. Did you mean `procurement`?",
        "There is another rule `c`.",
        "Unknown person `mario`. Did you mean `maria`?",
        "`size` is int, not true or false.",
        "does not fit the types",
        "lower() is for text",
        'Use "hold"',
    ):
        assert sentence in told


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        (rule("a", "true", "handlr = 'procurement'"), 4, "Unknown key `handlr`. Did you mean `handler`?"),
        (rule("a", "true", "handler = 'procurement'\nignore = true"), 1, "exclude each other"),
        (rule("a", "true", ""), 1, "the rule does nothing"),
        (rule("a", "true", "priority = 'urgent'"), 4, "priority"),
        (rule("a", "true", "language = 'German'"), 4, "language"),
        ("[[rule]]\nname = 'a'\nignore = true\n", 1, "`rule.0.when` is missing"),
        ("[rout]\n", 1, "Did you mean `route`?"),
        ("[[rule]\n", 1, "not valid TOML"),
    ],
)
def test_what_is_not_a_rule_is_refused(text: str, line: int, sentence: str) -> None:
    ((at, message),) = faults_of(text)
    assert at == line
    assert sentence in message


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("true", "size > 1"),
        ("size > 1", "size>1 // the same"),
        ("size > 1", '(size > 1) && subject == "x"'),
        ('subject == "x" && size > 1', "size > 1 && (sender.verified && subject == 'x')"),
        ("size > 1 || sender.verified", "sender.verified"),
        ("size > 1 || sender.verified", "sender.verified && size < 9 || size > 1"),
        ("size > 1", "false"),
    ],
)
def test_a_rule_that_no_mail_can_reach_is_a_fault(earlier: str, later: str) -> None:
    ((line, message),) = faults_of(rule("a", earlier, "ignore = true") + rule("b", later, "ignore = true"))
    assert line == 7
    assert "rule `b`" in message or "Rule `b` is never true" in message


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ('subject == "x" && size > 1', "size > 1"),
        ("size > 1", "size > 1 || sender.verified"),
        ("sender.verified ? size > 1 : size > 2", "size > 1"),
        ('subject == "a && b"', 'subject == "a"'),
    ],
)
def test_a_rule_that_some_mail_can_reach_is_none(earlier: str, later: str) -> None:
    assert read(rule("a", earlier, "ignore = true") + rule("b", later, "ignore = true")).rules


def test_a_rule_after_one_that_only_files_can_be_reached() -> None:
    assert read(rule("a", "true", "label = 'seen'") + rule("b", "true", "ignore = true")).rules


def test_two_rules_together_can_take_all_that_a_third_wants() -> None:
    ((_, message),) = faults_of(
        rule("a", "size > 1", "ignore = true")
        + rule("b", "sender.verified", "ignore = true")
        + rule("c", "size > 1 || sender.verified", "ignore = true")
    )
    assert "takes them all before" in message


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(Faults, match="does not exist"):
        rules.load(tmp_path / "rules.toml", handlers=())
