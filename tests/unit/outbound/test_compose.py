"""A reply is made by code: one recipient, one thread, no header that a mail could write."""

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import marks
from daemon.accounts import MailboxConfig
from daemon.config import ReplyConfig
from daemon.outbound.compose import Composed, Unaddressable, address, compose
from handlers.contract import Message, Sender

KEY = b"k" * 32
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
MAILBOX = MailboxConfig(kind="lmtp", address="support@shop.example", listen="127.0.0.1:0")
MAIL = Message(
    id="m1",
    message_id="abc@mail.example.com",
    references=("first@example.com", "second@example.com"),
    sender=Sender(address="ana@example.com", name="Ana Müller", verdict="verified"),
    reply_to=("evil@example.net",),
    cc=("cc@example.net",),
    subject="Where is my order?",
    date=datetime(2026, 11, 22, 18, 5, tzinfo=UTC),
)


def composed(message: Message = MAIL, **changes: Any) -> Composed:
    arguments: dict[str, Any] = {
        "message": message,
        "raw_quote": "Where is it?\n> older\n\nAna",
        "body": "Dear Ana,\n\nit was shipped.\nSee https://shop.example/t/1.",
        "revision": 1,
        "mailbox": MAILBOX,
        "reply": ReplyConfig(from_name="Shop", signature="Your shop"),
        "mark_key": KEY,
        "automatic": True,
        "language": "en",
        "now": NOW,
    }
    return compose(**{**arguments, **changes})


def parsed(mail: Composed) -> EmailMessage:
    return email.message_from_bytes(mail.raw, policy=email.policy.default)


def text_of(mail: Composed, kind: str = "plain") -> str:
    part = parsed(mail).get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_the_reply_goes_to_the_sender_and_to_nobody_else() -> None:
    mail = composed()
    message = parsed(mail)
    assert mail.rcpt_to == "ana@example.com"
    assert message.get_all("To") == ["ana@example.com"]
    assert message["Cc"] is None
    assert message["Bcc"] is None
    assert message["Reply-To"] is None
    assert mail.mail_from == "support@shop.example"
    assert message["From"] == "Shop <support@shop.example>"


def test_the_envelope_sender_can_be_another_address() -> None:
    assert composed(envelope_from="bounces@shop.example").mail_from == "bounces@shop.example"


def test_it_threads_with_the_mail_that_it_answers() -> None:
    message = parsed(composed())
    assert message["In-Reply-To"] == "<abc@mail.example.com>"
    assert message["References"].split() == ["<first@example.com>", "<second@example.com>", "<abc@mail.example.com>"]


def test_references_fall_back_to_a_single_in_reply_to_and_leave_out_what_is_no_identifier() -> None:
    only = replace(MAIL, references=(), in_reply_to=("parent@example.com",))
    assert parsed(composed(only))["References"].split() == ["<parent@example.com>", "<abc@mail.example.com>"]
    odd = replace(
        MAIL, references=("no-at", "a b@x", "x@y>\r\nBcc: <z@z", "ok@x", "ü@x", "l" * 400 + "@x"), message_id=""
    )
    message = parsed(composed(odd))
    assert message["References"].split() == ["<ok@x>"]
    assert message["In-Reply-To"] is None
    assert parsed(composed(replace(MAIL, references=(), message_id="")))["References"] is None


def test_a_long_thread_keeps_its_first_and_its_last_identifiers() -> None:
    long = replace(MAIL, references=tuple(f"n{n}@example.com" for n in range(100)))
    kept = parsed(composed(long))["References"].split()
    assert len(kept) == 20
    assert (kept[0], kept[1], kept[-1]) == ("<n0@example.com>", "<n82@example.com>", "<abc@mail.example.com>")


def test_it_carries_our_marks_and_the_same_message_id_each_time() -> None:
    mail = composed()
    assert marks.ours(KEY, mail.message_id) == ("m1", 1)
    assert marks.our_token(KEY, str(parsed(mail)["X-Triaged-Loop"])) == ("m1", 1)
    assert parsed(mail)["Message-ID"] == f"<{mail.message_id}>"
    assert composed().raw == mail.raw
    assert composed(revision=2).message_id != mail.message_id


def test_only_what_no_person_approved_says_that_it_is_automatic() -> None:
    automatic, approved = parsed(composed()), parsed(composed(automatic=False))
    assert automatic["Auto-Submitted"] == "auto-replied"
    assert automatic["X-Auto-Response-Suppress"] == "All"
    assert approved["Auto-Submitted"] is None
    assert approved["X-Auto-Response-Suppress"] is None
    assert "written automatically" in text_of(composed())
    assert "written automatically" not in text_of(composed(automatic=False))


@pytest.mark.parametrize(
    ("language", "reply", "line"),
    [
        ("de", ReplyConfig(), "automatisch erstellt"),
        ("fr", ReplyConfig(), "rédigée automatiquement"),
        ("es", ReplyConfig(), "redactado automáticamente"),
        ("it", ReplyConfig(), "written automatically"),
        ("de", ReplyConfig(disclosure="By a machine."), "By a machine."),
        ("de", ReplyConfig(disclosures={"de": "Vom Rechner."}), "Vom Rechner."),
    ],
)
def test_the_disclosure_is_in_the_language_of_the_reply(language: str, reply: ReplyConfig, line: str) -> None:
    assert line in text_of(composed(language=language, reply=reply))


def test_an_empty_disclosure_leaves_no_line() -> None:
    assert "automatic" not in text_of(composed(reply=ReplyConfig(disclosure="")))


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Where is it?", "Re: Where is it?"),
        ("Re: AW: RE[2]: Sv : Where is it?", "Re: Where is it?"),
        ("Fwd: Where is it?", "Re: Fwd: Where is it?"),
        ("Reklamation: kaputt", "Re: Reklamation: kaputt"),
        ("", "Re:"),
        ("Wo ist meine Bestellung? Grüße 🎁", "Re: Wo ist meine Bestellung? Grüße 🎁"),
        ("x\r\nBcc: evil@example.net\r\n\r\nbody", "Re: x Bcc: evil@example.net body"),
        ("=?utf-8?q?x=0D=0ABcc:_evil=40example.net?=", "Re: =?utf-8?q?x=0D=0ABcc:_evil=40example.net?="),
        ("a\x00b\u2028c", "Re: ab c"),
    ],
)
def test_the_subject_is_the_mails_with_one_re(subject: str, expected: str) -> None:
    message = parsed(composed(replace(MAIL, subject=subject)))
    assert str(message["Subject"]).strip() == expected
    assert message["Bcc"] is None


def test_a_signature_a_disclosure_and_the_quoted_mail_stand_under_the_text() -> None:
    assert text_of(composed()).replace("\r\n", "\n") == (
        "Dear Ana,\n\nit was shipped.\nSee https://shop.example/t/1.\n\n"
        "This reply was written automatically. Answer it to reach a person.\n\n"
        "Your shop\n\n"
        "On 2026-11-22 18:05, Ana Müller wrote:\n> Where is it?\n>> older\n>\n> Ana\n"
    )


def test_nothing_is_quoted_when_that_is_off_or_there_is_nothing() -> None:
    assert "wrote:" not in text_of(composed(reply=ReplyConfig(quote=False)))
    assert "wrote:" not in text_of(composed(raw_quote=" \n"))


def test_a_long_quotation_is_cut() -> None:
    text = text_of(composed(raw_quote="line\n" * 5000))
    assert text.count("> line") == 300
    assert "> […]" in text


def test_the_html_part_says_the_same_escaped_and_links_only_what_the_text_links() -> None:
    page = text_of(
        composed(body="1 < 2 & see https://shop.example/t?a=1&b=2.", raw_quote="<img src=x> http://evil.example"),
        "html",
    )
    assert "1 &lt; 2 &amp; see " in page
    assert '<a href="https://shop.example/t?a=1&amp;b=2">https://shop.example/t?a=1&amp;b=2</a>.' in page
    assert "<img" not in page
    assert page.count("<a ") == 1
    assert "http://evil.example" in page


def test_without_html_the_mail_is_plain_text() -> None:
    assert parsed(composed(reply=ReplyConfig(html=False))).get_content_type() == "text/plain"


@pytest.mark.parametrize(
    ("given_address", "expected"),
    [
        ("ana@example.com", "ana@example.com"),
        ("Ana.B+x@Bücher.example", "Ana.B+x@xn--bcher-kva.example"),
        ('"ana b"@example.com', '"ana b"@example.com'),
    ],
)
def test_addresses_that_mail_can_be_sent_to(given_address: str, expected: str) -> None:
    assert address(given_address) == expected
    assert composed(replace(MAIL, sender=Sender(address=given_address))).rcpt_to == expected


@pytest.mark.parametrize(
    "given_address",
    [
        "",
        "ana",
        "@example.com",
        "ana@",
        "anä@example.com",
        "a@b\r\nBcc: c@d",
        "a b@example.com",
        "a@b, c@d",
        "<a@b>",
        "a@-x-.de",
        "a@exa mple.de",
        "a@..",
        '"a\r\nb"@x.de',
    ],
)
def test_addresses_that_mail_can_not_be_sent_to_are_refused_with_a_sentence(given_address: str) -> None:
    with pytest.raises(Unaddressable, match="Answer by hand"):
        composed(replace(MAIL, sender=Sender(address=given_address)))


@given(
    subject=st.text(max_size=300),
    body=st.text(max_size=600),
    quote=st.text(max_size=300),
    name=st.text(max_size=60),
    reference=st.text(max_size=60),
)
def test_whatever_the_mail_and_the_model_wrote_the_headers_are_ours(
    subject: str, body: str, quote: str, name: str, reference: str
) -> None:
    hostile = replace(
        MAIL,
        subject=subject,
        sender=Sender(address="ana@example.com", name=name),
        message_id=reference,
        references=(reference, "ok@example.com"),
    )
    mail = composed(hostile, body=body, raw_quote=quote, reply=ReplyConfig(from_name=name, signature=subject))
    mail.raw.decode("ascii")
    lines = mail.raw.split(b"\r\n")
    assert all(len(line) <= 998 and b"\n" not in line and b"\r" not in line for line in lines)
    message = parsed(mail)
    allowed = {
        "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "X-Triaged-Loop",
        "Auto-Submitted", "X-Auto-Response-Suppress", "MIME-Version", "Content-Type",
    }  # fmt: skip
    assert len(message.keys()) == len(set(message.keys()))
    assert set(message.keys()) <= allowed
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert str(message["To"]) == "ana@example.com"
