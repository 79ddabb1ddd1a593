"""A burst as one mail: what it may borrow from which of its mails."""

from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.consider import as_one
from handlers.contract import Attachment, Message, Sender, Verdict
from tests.fixtures.mails import NOW

MAIL = Message(
    sender=Sender(address="ana@example.com", verdict="verified"),
    text="Where is it?",
    received_at=NOW,
    notes=("hidden-text",),
    attachments=(Attachment(name="a.pdf", content_type="application/pdf", size=1),),
)


@pytest.mark.parametrize("worst", ["unverified", "failed"])
@pytest.mark.parametrize("order", [1, -1])
def test_words_of_an_unproved_mail_never_borrow_the_proof_of_another(worst: Verdict, order: int) -> None:
    doubtful = replace(MAIL, sender=Sender(address="ana@example.com", verdict=worst), text="Cancel it.")
    assert as_one([MAIL, doubtful][::order]).sender.verdict == worst


def test_a_burst_has_the_words_the_doubts_and_the_age_of_all() -> None:
    later = replace(MAIL, text="And that?", received_at=NOW + timedelta(hours=1), notes=("malformed",), attachments=())
    one = as_one([MAIL, later])
    assert one.text == "Where is it?\n\nAnd that?"
    assert one.notes == ("hidden-text", "malformed")
    assert one.attachments == MAIL.attachments
    assert one.received_at == NOW


def test_mail_that_a_person_took_up_is_marked_so_that_it_is_held() -> None:
    assert as_one([MAIL], as_human_mail=True).notes == ("hidden-text", "automatic")
