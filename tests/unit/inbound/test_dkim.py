"""Signatures that are verified here: only a whole, aligned and valid one proves who wrote (RFC 6376)."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.gate.verdict import Reason
from daemon.inbound.arrival import Arrival
from daemon.inbound.dkim import KeyRecord
from daemon.inbound.screen import Screened, screen
from tests.fixtures.signed import record, sign
from tests.unit.inbound.mail import CONFIG, NOW, mail

LOCAL = replace(CONFIG, trust=(), dkim=True)
NAME = "s1._domainkey.example.com"


def judged(raw: bytes, keys: dict[str, KeyRecord] | None = None) -> Screened:
    """What the screen says once the DNS has answered."""
    answers = {NAME: record()} if keys is None else keys
    return screen(Arrival(mailbox="support", raw=raw, received_at=NOW), LOCAL, id="m1", keys=answers)


def verdict(raw: bytes, keys: dict[str, KeyRecord] | None = None) -> tuple[str, str]:
    sender = judged(raw, keys).message.sender
    return sender.verdict, sender.detail


def test_a_valid_signature_of_the_sender_s_domain_verifies() -> None:
    assert verdict(sign(mail())) == ("verified", "DKIM signature of example.com, verified here")


def test_the_first_look_says_which_keys_are_needed() -> None:
    first = screen(Arrival(mailbox="support", raw=sign(mail()), received_at=NOW), LOCAL, id="m1")
    assert first.wanted == (NAME,)
    assert first.message.sender.verdict == "unverified"
    assert judged(sign(mail())).wanted == ()


def test_no_key_is_looked_up_for_what_can_prove_nothing() -> None:
    foreign, automatic = sign(mail(), "evil.example"), sign(mail("Precedence: bulk"))
    unsigned, spoiled = mail(), sign(mail()).replace(b"\r\n\r\n", b"\r\n\r\n\0")
    for raw in (foreign, automatic, unsigned, spoiled):
        assert screen(Arrival(mailbox="support", raw=raw, received_at=NOW), LOCAL, id="m1").wanted == ()


def test_line_ends_and_folding_may_have_changed_on_the_way() -> None:
    assert verdict(sign(mail()).replace(b"\r\n", b"\n"))[0] == "verified"


def test_an_elliptic_signature_verifies_too() -> None:
    assert verdict(sign(mail(), kind="ed25519"), {NAME: record("ed25519")})[0] == "verified"


def test_a_broken_signature_does_not_hide_a_valid_one() -> None:
    twice = sign(sign(mail(), kind="other"))
    assert verdict(twice)[0] == "verified"
    assert verdict(sign(sign(mail()), kind="other"))[0] == "verified"


@pytest.mark.parametrize(
    ("signer", "expected"),
    [
        ("mail.example.com", "verified"),
        ("evil.example", "unverified"),
        ("notexample.com", "unverified"),
        ("com", "unverified"),
    ],
)
def test_the_signer_must_be_aligned_with_from(signer: str, expected: str) -> None:
    assert verdict(sign(mail(), signer), {f"s1._domainkey.{signer}": record()})[0] == expected


def test_below_a_public_suffix_everybody_may_sign() -> None:
    raw = sign(mail(sender="ana@github.io"), "evil.github.io")
    assert verdict(raw, {"s1._domainkey.evil.github.io": record()})[0] == "unverified"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (sign(mail()).replace(b"1042", b"1043"), "body hash mismatch"),
        (sign(mail()).replace(b"My order", b"My money"), "the signature is not valid"),
        (sign(mail(), kind="other"), "the signature is not valid"),
        (sign(mail(), kind="weak"), "the signature is not valid"),
        (sign(mail(), length=True), "it covers a part of the body only (l=; RFC 6376 section 8.2)"),
        (sign(mail(), algorithm="rsa-sha1"), "the algorithm rsa-sha1 is not accepted (RFC 8301)"),
        (sign(mail(), fields=("from", "date")), "it does not cover Subject (RFC 6376 section 5.4)"),
        (sign(mail(), fields=("from", "subject")), "it does not cover Date (RFC 6376 section 5.4)"),
        (re.sub(rb"h=from", b"h=fram", sign(mail())), "it does not cover From (RFC 6376 section 5.4)"),
        (sign(mail()).replace(b"; q=dns/txt", b"; x=1; q=dns/txt"), "it had expired when the mail came (x=)"),
        (sign(mail()).replace(b"; q=dns/txt", b"; x=soon; q=dns/txt"), "it had expired when the mail came (x=)"),
    ],
)
def test_a_signature_that_is_not_whole_proves_nothing_and_is_no_forgery(raw: bytes, told: str) -> None:
    given_verdict, detail = verdict(raw)
    assert given_verdict == "unverified"
    assert told in detail


def test_a_key_that_is_too_short_proves_nothing() -> None:
    assert verdict(sign(mail(), kind="weak"), {NAME: record("weak")})[1] == (
        "DKIM: example.com: KeyFormatError: public key too small: 768"
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (KeyRecord(), "there is no key"),
        (KeyRecord(problem="LifetimeTimeout"), "the key can't be looked up: LifetimeTimeout"),
        (KeyRecord(text=b"v=DKIM1; k=rsa; p="), "the key was revoked"),
        (KeyRecord(text=b"v=DKIM1; p=a; p=b"), "the key record is broken"),
        (KeyRecord(text=b"p=" + b"A" * 2000), "the key record is broken, or too long"),
        (KeyRecord(text=b"\xff\xfe"), "the key record is broken"),
        (record(tags="v=DKIM1; t=y; "), "the domain is only testing (t=y)"),
        (record(tags="v=DKIM1; t=s:y; "), "the domain is only testing (t=y)"),
        (record(tags="v=DKIM1; s=tlsrpt; "), "the key is not for mail (s=)"),
        (record(tags="v=DKIM2; "), "the signature is not valid"),
        (record("ed25519"), "DKIM"),
    ],
)
def test_a_key_that_can_t_be_used_proves_nothing(answer: KeyRecord, told: str) -> None:
    given_verdict, detail = verdict(sign(mail()), {NAME: answer})
    assert given_verdict == "unverified"
    assert told in detail


def test_a_key_may_be_for_its_very_domain_only() -> None:
    strict = {NAME: record(tags="v=DKIM1; t=s; ")}
    assert verdict(sign(mail()), strict)[0] == "verified"
    assert verdict(sign(mail(), identity="x@mail.example.com"), strict)[0] == "unverified"


@pytest.mark.parametrize(
    "added",
    [
        "From: eve@evil.example",
        "Subject: Cancel order 7",
        "Date: Mon, 23 Nov 2026 11:00:00 +0100",
        "To: eve@evil.example",
    ],
)
def test_a_second_field_above_the_signed_one_proves_nothing(added: str) -> None:
    found = judged(added.encode() + b"\r\n" + sign(mail()))
    assert found.message.sender.verdict == "unverified"
    assert Reason.MALFORMED in found.notes


def test_only_five_signatures_are_looked_at() -> None:
    raw = mail()
    for _ in range(6):
        raw = sign(raw, kind="other")
    signed_first = raw.replace(b"b=", b"b=", 1)
    assert len(screen(Arrival(mailbox="support", raw=signed_first, received_at=NOW), LOCAL, id="m1").wanted) == 1
    assert judged(raw).message.sender.detail.count("not valid") == 5


SIGNED = sign(mail())
JUNK = st.lists(
    st.tuples(
        st.integers(0, len(SIGNED) - 1), st.sampled_from([b"", b";", b"=", b"\r\n ", b"\r\n", b"h=from", b"a", b"\xff"])
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(changes=JUNK)
def test_a_changed_mail_is_verified_only_if_what_counts_is_the_same(changes: list[tuple[int, bytes]]) -> None:
    raw = SIGNED
    for at, put in changes:
        raw = raw[:at] + put + raw[at + 1 :]
    found, original = judged(raw), judged(SIGNED)
    if found.message.sender.verdict == "verified":
        assert found.message.sender.address == original.message.sender.address
        assert found.message.subject == original.message.subject
        assert found.message.text.split() == original.message.text.split()
