"""A rule written from a mail is a rule that takes that mail."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import WrongUse
from daemon.route import rules, written
from daemon.route.facts import facts
from daemon.route.rules import Rules
from daemon.route.written import By
from handlers.contract import Message, Sender
from tools import located

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
TEXT = """\
# what comes first
[[rule]]
name = "vip"
when = 'sender.domain == "acme.example"'
priority = "high"

# everything else
# (two lines)
[[rule]]
name = "rest"
when = "true"
hold = "look"
"""


def mail(**changes: Any) -> Message:
    values: dict[str, Any] = {"sender": Sender(address="ana@example.com"), "subject": "Invoice 12"}
    return Message(**{**values, **changes})


def read(text: str) -> Rules:
    return rules.read(located.parse(text, Path("rules.toml")), handlers={"billing"})


@pytest.mark.parametrize(
    ("by", "when", "name"),
    [
        ("sender", 'sender.address == "ana@example.com"', "sender-ana-example-com"),
        ("domain", 'sender.domain == "example.com"', "domain-ana-example-com"),
        ("subject", '"invoice 12" in subject.lower()', "subject-invoice-12"),
        ("list", 'header("list-id") == "News <n.example>"', "list-news-n-example"),
    ],
)
def test_the_condition_says_what_such_mail_has_in_common(by: By, when: str, name: str) -> None:
    message = mail(headers={"list-id": "News <n.example>"})
    assert written.condition(message, by) == when
    assert written.name_for(message, by, ()) == name
    assert written.name_for(message, by, {name, f"{name}-2"}) == f"{name}-3"


@pytest.mark.parametrize(
    ("message", "by"), [(mail(), "list"), (mail(subject=" "), "subject"), (mail(sender=Sender(address="")), "domain")]
)
def test_a_mail_that_has_nothing_of_the_kind_gives_no_rule(message: Message, by: By) -> None:
    with pytest.raises(WrongUse, match="--by"):
        written.condition(message, by)


def test_the_rule_is_put_before_the_one_that_decides_today_and_its_comment() -> None:
    block = written.rule(
        "bills", '"invoice" in subject.lower()', {"handler": "billing", "label": ["bill"], "ignore": False}
    )
    text = written.insert(TEXT, block, read(TEXT), "rest")
    assert text == TEXT.replace("# everything else", f"{block}\n# everything else")
    assert [rule.name for rule in read(text).rules] == ["vip", "bills", "rest"]


def test_without_a_rule_that_decides_it_is_put_at_the_end() -> None:
    block = written.rule("bills", "true", {"ignore": True})
    assert written.insert("", block, Rules(), None) == block
    assert read(written.insert("[route]\n", block, Rules(), None)).rules[0].outcome == "ignore"


@given(
    subject=st.text(max_size=60),
    address=st.text(max_size=40),
    hold=st.text(min_size=1, max_size=40),
    header=st.text(max_size=30),
)
def test_whatever_stands_in_the_mail_the_rule_takes_it(subject: str, address: str, hold: str, header: str) -> None:
    message = mail(subject=subject, sender=Sender(address=address), headers={"list-id": header})
    for by in ("sender", "domain", "list", "subject"):
        try:
            when = written.condition(message, by)
        except WrongUse:
            continue
        block = written.rule(written.name_for(message, by, ()), when, {"hold": hold})
        route = read(block).route(facts(message, now=NOW))
        assert (route.reason, route.detail) == ("rule-hold", hold)
