"""The screen as a whole: it never raises, and one mail has one digest."""

import pickle
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.gate.verdict import Reason
from daemon.inbound import screen as screening
from daemon.inbound.arrival import Arrival
from daemon.inbound.subject import base_subject
from tests.unit.inbound.mail import CONFIG, NOW, mail, screened

TRACES = "Return-Path: <ana@example.com>\r\nDelivered-To: x\r\nReceived: from a by b\r\nX-Spam-Flag: NO\r\n"


def test_a_plain_mail_passes_without_a_note() -> None:
    found = screened(mail())
    assert found.automatic is None
    assert found.notes == found.message.notes == ()
    assert found.message.id == "m1"
    assert found.message.mailbox == "support"


def test_the_same_mail_delivered_twice_has_one_digest() -> None:
    raw = mail()
    folded = raw.replace(b"Subject: My order", b"Subject:\r\n My order").replace(b"\r\n", b"\n")
    assert screened(raw).digest == screened(TRACES.encode() + raw).digest == screened(folded).digest
    assert screened(raw).digest == screened(raw + b"\r\n\r\n").digest


@pytest.mark.parametrize(
    "change",
    [(b"1042", b"1043"), (b"My order", b"Your order"), (b"<1@", b"<2@"), (b"ana@", b"eve@"), (b"2026", b"2025")],
)
def test_another_mail_has_another_digest(change: tuple[bytes, bytes]) -> None:
    assert screened(mail()).digest != screened(mail().replace(*change)).digest


def test_of_a_mail_whose_header_is_broken_everything_counts() -> None:
    digests = {screened(raw).digest for raw in (b"no mail at all", b"nor is this", b"From: ana@example.com\nlost", b"")}
    assert len(digests) == 4
    assert screened(b"no mail\r\nat all\r\n").digest == screened(b"no mail\nat all").digest


def test_reply_to_elsewhere_is_noted_and_the_same_address_is_not() -> None:
    assert Reason.REPLY_TO_ELSEWHERE in screened(mail("Reply-To: eve@evil.example")).notes
    assert Reason.REPLY_TO_ELSEWHERE in screened(mail("Reply-To: ana@example.com, eve@evil.example")).notes
    assert Reason.REPLY_TO_ELSEWHERE not in screened(mail("Reply-To: Ana <ANA@example.com>")).notes


def test_our_own_address_is_known_with_letters_of_its_language() -> None:
    ours = replace(CONFIG, addresses=frozenset({"info@münchen.example"}))
    assert screened(mail(to="info@xn--mnchen-3ya.example"), config=ours).automatic is None
    assert screened(mail(to="Info@MÜNCHEN.example"), config=ours).automatic is None


def test_a_cut_mail_is_noted_with_its_true_size() -> None:
    found = screened(mail(), oversize=60_000_000)
    assert Reason.OVERSIZE in found.notes
    assert found.message.size == 60_000_000


def test_control_fields_of_others_are_stripped() -> None:
    headers = screened(mail("X-Triaged-Loop: x", "X-Triaged-Anything: y", "X-Other: z")).message.headers
    assert not [name for name in headers if name.startswith("x-triaged-")]
    assert headers["x-other"] == "z"


def test_config_and_result_travel_to_another_process() -> None:
    found = screened(mail())
    assert pickle.loads(pickle.dumps(CONFIG)) == CONFIG
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize("raw", [b"", b"no field at all\r\n\r\nwords", b"\x00\x01 neither\nthis"])
def test_what_has_no_field_that_could_name_us_waits_for_a_person(raw: bytes) -> None:
    found = screened(raw)
    assert (found.automatic, found.notes[0]) == (None, Reason.UNPARSABLE)


def test_a_fault_of_ours_holds_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.inbound.loops.automatic", lambda _: 1 / 0)
    found = screened(mail(), oversize=5)
    assert found.automatic is None
    assert set(found.notes) == {Reason.UNPARSABLE, Reason.OVERSIZE}
    assert "ZeroDivisionError" in found.detail


NAMES = st.sampled_from(
    [
        *(
            "From",
            "To",
            "Cc",
            "Reply-To",
            "Subject",
            "Date",
            "Message-ID",
            "References",
            "Received",
            "Sender",
            "List-Id",
        ),
        *("Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Authentication-Results", "Precedence"),
        *("Auto-Submitted", "Return-Path", "X-Loop", "Resent-To"),
    ]
)
PIECES = st.sampled_from(
    [
        *(b"a@b.example", b"<", b">", b'"', b"\\", b"(", b")", b";", b":", b",", b"@", b"=", b" ", b"\r\n ", b"\r\n\t"),
        *(b"=?utf-8?q?=C3?=", b"=?x?b?!?=", b"multipart/mixed; boundary=b", b"multipart/alternative; boundary=b"),
        *(b"text/html; charset=utf-8", b"text/plain; charset=zlib", b"message/rfc822", b"base64", b"quoted-printable"),
        *(
            b"attachment; filename*0*=utf-8''%",
            b"\xff\xfe",
            b"\0",
            b"\r",
            b"xn--",
            b"mx.shop.example; dmarc=pass",
            b"=00",
        ),
        *(b"&#99999999999;", b"\xf3\xa0\x81\xa1", b"<1@b>", b"Mon, 99 Nov 99999 99:99 +9999"),
    ]
)
LINES = st.sampled_from(
    [
        *(b"--b", b"--b--", b"Content-Type: text/html", b"Content-Type: multipart/mixed; boundary=b", b"", b"Hello"),
        *(
            b"Content-Transfer-Encoding: base64",
            b"<div style='display:none'>",
            b"<style>.a{display:none}</style><p class=a>x",
        ),
        *(b"</", b"<!--", b"&#1114112;", b"<a href='x'>y</a>", b"<td>", b"> quoted", b"On 1 Jan X wrote:", b"-- "),
        *(b"Von: a", b"Gesendet: b", b"An: c", b"=C3=", b"!!!!", b"SGVsbG8", b"\xe4\xf6\xfc", b"\0"),
    ]
)


@st.composite
def mails(draw: st.DrawFn) -> bytes:
    """Broken MIME, as people, programs and attackers make it."""
    end = draw(st.sampled_from([b"\r\n", b"\n"]))
    fields = [
        draw(NAMES).encode() + b": " + b"".join(draw(st.lists(PIECES, max_size=5)))
        for _ in range(draw(st.integers(0, 8)))
    ]
    return end.join([*fields, b"", *draw(st.lists(LINES, max_size=14))])


@settings(max_examples=250, deadline=None)
@given(raw=st.one_of(st.binary(max_size=400), mails()))
def test_whatever_comes_in_a_message_comes_out(raw: bytes) -> None:
    found = screening._screen(Arrival(mailbox="support", raw=raw, received_at=NOW), CONFIG, id="m1")
    found.message.text.encode()
    found.message.subject.encode()
    assert len(found.digest) == 64
    assert found.message.sender.verdict != "verified" or found.message.sender.address
    assert set(found.notes) <= set(Reason)


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Re: My order", "my order"),
        ("RE: Fwd: AW: WG: My order", "my order"),
        ("Re[2]: My   order", "my order"),
        ("[shop] Re: [shop] My order", "my order"),
        ("My order (fwd)", "my order"),
        ("Antwort: Bestellung", "bestellung"),
        ("TR : commande", "commande"),
        ("Regarding: my order", "regarding: my order"),
        ("[only]", "[only]"),
        ("", ""),
        ("Re:", ""),
    ],
)
def test_the_base_subject_is_what_a_conversation_shares(subject: str, base: str) -> None:
    assert base_subject(subject) == base


def test_what_is_told_of_a_mail_reaches_a_terminal_in_one_plain_line() -> None:
    found = screened(mail("Authentication-Results: mx.shop.example; dmarc=\x1b[2J\x07"))
    assert "\x1b" not in found.message.sender.detail
    assert "dmarc= [2j" in found.message.sender.detail
    assert "\x1b" not in screened(mail("List-Id: <a\x1b[2J.example>")).detail
