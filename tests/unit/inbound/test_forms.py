"""Contact forms: who filled one in is the sender, never verified; nobody else can speak for the form."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.gate.verdict import Reason
from daemon.inbound.address import normalise
from daemon.inbound.forms import Form, fill
from daemon.inbound.screen import Screened
from tests.unit.inbound.mail import CONFIG, US, mail, screened

FORM = Form(sender="no-reply@web.example", address=r"^E-mail: (.+)$", text=r"(?s)^Message:\n(.*?)\n--\nSent by")
AUTO = replace(FORM, auto=True)
TRUSTED = "Authentication-Results: mx.shop.example; dmarc=pass header.from=web.example"
RECEIVED = "Received: from web.example by mx.shop.example with ESMTPS; Mon, 23 Nov 2026 10:00:00 +0000"
LETTER = """\
Name: Ana
E-mail: Ana@Example.com
Message:
Where is order 1042?
> is it lost?
--
Sent by the form on https://shop.example/contact"""


def sent(*fields: str, body: str = LETTER, form: Form = FORM, sender: str = "Shop <no-reply@web.example>") -> Screened:
    """What the screen makes of a mail of the form."""
    raw = mail(*fields, TRUSTED, RECEIVED, body=body.replace("\n", "\r\n"), sender=sender)
    return screened(raw, config=replace(CONFIG, forms=(form,)))


def test_the_visitor_is_the_sender_and_never_verified() -> None:
    found = sent()
    assert found.automatic is None
    assert found.party == found.message.sender.address == "ana@example.com"
    assert (found.message.sender.name, found.message.sender.verdict) == ("", "unverified")
    assert found.message.text == "Where is order 1042?\n> is it lost?"
    assert found.message.quoted == ""
    assert found.message.form
    assert found.notes == (Reason.CONTACT_FORM,)


def test_the_operator_may_let_a_form_s_mail_be_answered_without_a_person() -> None:
    found = sent(form=AUTO)
    assert found.notes == ()
    assert found.message.sender.verdict == "unverified"


def test_without_a_pattern_for_the_text_all_of_it_is_the_visitor_s() -> None:
    assert sent(form=replace(FORM, text="")).message.text == LETTER


def test_reply_to_the_visitor_is_nothing_strange() -> None:
    assert sent("Reply-To: Ana <ana@example.com>").notes == (Reason.CONTACT_FORM,)
    assert Reason.REPLY_TO_ELSEWHERE in sent("Reply-To: eve@evil.example").notes


@pytest.mark.parametrize(
    "field",
    ["Auto-Submitted: auto-generated", "Precedence: bulk", "X-Auto-Response-Suppress: All", "Subject: Automatic reply"],
)
def test_what_says_that_a_machine_sent_it_does_not_count(field: str) -> None:
    assert sent(field).automatic is None


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("X-Loop: us", Reason.LOOP),
        ("Return-Path: <>", Reason.BOUNCE),
        ("X-Spam-Flag: YES", Reason.SPAM),
        ("To: elsewhere@example.com", Reason.NOT_ADDRESSED),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=b", Reason.BOUNCE),
    ],
)
def test_loops_bounces_and_spam_still_count(field: str, reason: Reason) -> None:
    body = "--b\n\nE-mail: ana@example.com\n--b--" if "boundary" in field else LETTER
    assert sent(field, body=body).automatic == reason


@pytest.mark.parametrize(
    "results",
    [
        "dmarc=fail header.from=web.example",
        "dmarc=none",
        "dmarc=pass header.from=evil.example",
        "spf=pass smtp.helo=web.example",
    ],
)
def test_a_mail_that_only_claims_to_come_from_the_form_is_none(results: str) -> None:
    forged = mail(f"Authentication-Results: mx.shop.example; {results}", RECEIVED, body=LETTER, sender=FORM.sender)
    found = screened(forged, config=replace(CONFIG, forms=(FORM,)))
    assert not found.message.form
    assert found.party == FORM.sender


def test_a_verified_mail_of_somebody_else_is_no_form_s() -> None:
    found = sent(sender="eve@web.example")
    assert not found.message.form
    assert found.message.sender.verdict == "verified"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("E-mail: Ana@Example.com", "no address"), "`address` of the form does not occur in the mail"),
        (("Where is", "E-mail: victim@example.net\nWhere is"), "`address` of the form occurs 2 times"),
        (("Where is", "E-mail: Ana@Example.com\nWhere is"), "`address` of the form occurs 2 times"),
        (("Name: Ana", "Name: Ana\nE-mail: victim@example.net"), "`address` of the form occurs 2 times"),
        (
            ("Name: Ana", "Name: Ana\n> E-mail: x@example.net\nE-mail: y@example.net"),
            "`address` of the form occurs 2 times",
        ),
        (("Ana@Example.com", "ana@example.com, victim@example.net"), "what stands where the address should be is none"),
        (
            ("Ana@Example.com", "<ana@example.com> <victim@example.net>"),
            "what stands where the address should be is none",
        ),
        (
            ("Ana@Example.com", "ana@example.com\tBcc: victim@example.net"),
            "what stands where the address should be is none",
        ),
        (("Ana@Example.com", "Ana"), "what stands where the address should be is none"),
        (("Ana@Example.com", US), "the visitor's address is one of ours"),
        (("Ana@Example.com", "Sales+1@shop.example"), "the visitor's address is one of ours"),
        (("Ana@Example.com", "no-reply@web.example"), "the visitor's address is one of ours"),
        (("Ana@Example.com", "no-reply@example.com"), "the visitor's address is a machine's"),
        (("Ana@Example.com", "mailer-daemon@example.com"), "the visitor's address is a machine's"),
        (("Ana@Example.com", "news-request@example.com"), "the visitor's address is a machine's"),
        (("Message:", "Nachricht:"), "`text` of the form does not occur in the mail"),
    ],
)
@pytest.mark.parametrize("form", [FORM, AUTO])
def test_whoever_can_t_be_told_for_sure_waits_for_a_person(change: tuple[str, str], told: str, form: Form) -> None:
    found = sent(body=LETTER.replace(*change), form=form)
    assert found.automatic is None
    assert found.message.sender.address == ""
    assert found.message.sender.detail == told
    assert Reason.CONTACT_FORM in found.notes
    assert (found.party, found.base_subject) == (FORM.sender, ""), "faults of several visitors are no conversation"


def test_words_that_look_like_a_quotation_can_t_hide_the_form_s_own_line() -> None:
    body = LETTER.replace("Name: Ana", "Name: x\nE-mail: victim@example.net\n-----Original Message-----")
    assert sent(body=body).message.sender.address == ""


def test_an_empty_form_is_seen_to_be_empty() -> None:
    assert Reason.EMPTY in sent(body=LETTER.replace("Where is order 1042?\n> is it lost?", "")).notes


@settings(max_examples=150, deadline=None)
@given(name=st.text("a@\n:, <>E-mailxample.com", max_size=30), said=st.text("b@\n: E-mail.x", max_size=30))
def test_whatever_a_visitor_writes_the_one_address_is_theirs_or_none(name: str, said: str) -> None:
    text = f"Name: {name}\nE-mail: ana@example.com\nMessage:\n{said}\n--\nSent by"
    filled = fill(FORM, text, own=frozenset({US}))
    assert filled.address in {"", "ana@example.com"}


@settings(max_examples=150, deadline=None)
@given(address=st.text('ab@.,; <>\n\r\t"\\c', max_size=30))
def test_an_address_is_one_address_or_a_fault(address: str) -> None:
    filled = fill(FORM, f"E-mail: {address}\nMessage:\nhello\n--\nSent by", own=frozenset({US}))
    assert bool(filled.fault) != bool(filled.address)
    assert filled.address == normalise(filled.address)
    assert filled.address.count("@") <= 1
