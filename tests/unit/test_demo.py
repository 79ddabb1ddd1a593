from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

import pytest

from daemon import demo
from daemon.demo import Outcome
from daemon.errors import WrongUse
from daemon.outbound.sink import Received
from daemon.store.tables import Mail
from tools.samples.mails import SampleMail

SAMPLE = SampleMail(
    name="order-status",
    category="order_status",
    language="de",
    raw=b"From: Ada <Ada@example.com>\r\nMessage-ID: <1@example.com>\r\n\r\nHallo\r\n",
    mail_from="ada@example.com",
    rcpt_to="support@shop.example",
    expect="sent",
    facts=("10234", "12,90 €"),
    forbidden=("65 Bridge Street",),
)


def reply(text: str, *, to: str = "ada@example.com") -> Received:
    message = EmailMessage()
    message["Subject"] = "Re: Hallo"
    message.set_content(text)
    return Received(mail_from="support@shop.example", rcpt_to=(to,), raw=message.as_bytes(), path=Path("new/1"))


def problems(outcome: Outcome, received: Received | None, sample: SampleMail = SAMPLE) -> tuple[str, ...]:
    return demo._problems(sample, outcome, received, "Ada@example.com")


def test_a_reply_with_its_facts_to_the_sender_is_as_it_must_be() -> None:
    assert problems("sent", reply("Bestellung 10234 kostet\n12,90\N{NO-BREAK SPACE}€.")) == ()


def test_a_fact_that_only_the_quoted_mail_has_is_missing() -> None:
    assert problems("sent", reply("12,90 €\n> 10234")) == ("the reply lacks '10234'",)


def test_what_belongs_to_somebody_else_must_not_be_told() -> None:
    told = reply("10234, 12,90 €, an 65 Bridge Street")
    assert problems("sent", told) == ("the reply tells '65 Bridge Street'",)


def test_a_reply_to_anybody_but_the_sender_is_a_problem() -> None:
    told = reply("10234, 12,90 €", to="eve@example.net")
    assert problems("sent", told) == ("the reply went to eve@example.net",)


@pytest.mark.parametrize("outcome", ["held", "ignored"])
def test_a_mail_that_is_not_answered_has_no_reply(outcome: Literal["held", "ignored"]) -> None:
    sample = replace(SAMPLE, expect=outcome)
    assert problems(outcome, None, sample) == ()
    assert problems(outcome, reply("10234, 12,90 €"), sample) == ("a reply left all the same",)


def test_a_sent_mail_without_a_reply_is_a_problem() -> None:
    assert problems("sent", None) == ("no reply arrived",)


def test_another_end_than_the_expected_is_a_problem() -> None:
    assert problems("held", None) == ("should be sent, is held",)
    assert problems("waiting", None) == ("should be sent, is waiting",)


@pytest.mark.parametrize(
    ("state", "outcome", "ending"),
    [
        ("screened", None, "waiting"),
        ("working", None, "waiting"),
        ("approved", None, "waiting"),
        ("delivering", None, "waiting"),
        ("held", None, "held"),
        ("done", "sent", "sent"),
        ("done", "ignored", "ignored"),
    ],
)
def test_only_held_and_done_are_endings(state: str, outcome: str | None, ending: str) -> None:
    mail = Mail(id="1", person_id="2", mailbox="support", seq=1, state=state, outcome=outcome, digest_mac="3", size=9)
    assert demo._outcome(mail) == ending
    assert demo._outcome(None) == "waiting"


def test_an_earlier_demo_goes_on_and_anything_else_is_left_alone(tmp_path: Path) -> None:
    assert not demo.begun(tmp_path / "new")
    (tmp_path / demo.LOG).touch()
    assert not demo.begun(tmp_path)
    (tmp_path / "triaged.toml").touch()
    with pytest.raises(WrongUse, match="not empty"):
        demo.begun(tmp_path)
    with pytest.raises(WrongUse, match="not a directory"):
        demo.begun(tmp_path / "triaged.toml")
    (tmp_path / "sent").mkdir()
    assert demo.begun(tmp_path)
