"""Who is verified: only by a trusted server, only aligned, only one plain sender (RFC 8601)."""

from dataclasses import replace

import pytest

from daemon.gate.verdict import Reason
from daemon.inbound.authenticate import aligned, results
from tests.unit.inbound.mail import CONFIG, mail, screened

RECEIVED = "Received: from out.example.com by mx.shop.example with ESMTPS; Mon, 23 Nov 2026 10:00:00 +0000"


def verdict(*fields: str, sender: str = "Ana <ana@example.com>") -> str:
    return screened(mail(*fields, sender=sender)).message.sender.verdict


def ar(told: str, server: str = "mx.shop.example") -> str:
    return f"Authentication-Results: {server}; {told}"


@pytest.mark.parametrize(
    "told",
    [
        "dmarc=pass header.from=example.com",
        "dmarc=pass (p=reject dis=none) header.from=Example.COM",
        "dmarc=pass",
        "spf=fail smtp.mailfrom=x@evil.example; dmarc=pass header.from=example.com",
        "dkim=pass header.d=example.com header.s=s1",
        "dkim=pass (2048-bit key; unprotected)\r\n header.d=example.com\r\n\theader.i=@example.com",
        "dkim=pass header.i=@mail.example.com",
        "dkim=pass header.d=mail.example.com",
        "dkim=fail header.d=other.example; dkim=pass header.d=example.com",
        "spf=pass smtp.mailfrom=bounce@example.com",
        "spf=pass smtp.mailfrom=example.com",
        "dmarc=none; dkim=pass header.d=example.com",
        "dkim = pass header . d = example.com",
        'dkim=pass header.d="example.com"',
        "DKIM=PASS HEADER.D=EXAMPLE.COM",
        "dkim/1=pass header.d=example.com",
        "x-tls=pass; (a (nested) comment; dmarc=fail) dmarc=pass header.from=example.com",
    ],
)
def test_an_aligned_pass_verifies(told: str) -> None:
    assert verdict(ar(told), RECEIVED) == "verified"


@pytest.mark.parametrize(
    "told",
    [
        "none",
        "",
        "dkim=pass header.d=evil.example",
        "dkim=pass header.d=example.com.evil.example",
        "dkim=pass header.d=notexample.com",
        "dkim=pass header.d=com",
        "dkim=pass",
        "dkim=fail header.d=example.com",
        "dkim=pass header.d=evil.example header.i=@example.com",
        "spf=pass smtp.helo=example.com",
        "spf=softfail smtp.mailfrom=ana@example.com",
        "spf=pass smtp.mailfrom=ana@evil.example",
        "arc=pass header.d=example.com",
        "dmarc=pass header.from=evil.example",
        "dmarc=none header.from=example.com",
        "dmarc=temperror",
        "dmarc=bestguesspass header.from=example.com",
        "(dmarc=pass header.from=example.com)",
        'dkim=neutral reason="dmarc=pass header.from=example.com; dkim=pass header.d=example.com"',
        'spf=pass smtp.mailfrom="x; dmarc=pass header.from=example.com;"@evil.example',
        "xdmarc=pass header.from=example.com",
    ],
)
def test_anything_else_does_not(told: str) -> None:
    assert verdict(ar(told), RECEIVED) == "unverified"


@pytest.mark.parametrize(
    "told",
    [
        "dmarc=fail (p=reject) header.from=example.com",
        "dmarc=fail; dkim=pass header.d=example.com",
        "dmarc=pass; dmarc=fail",
        "dkim=pass header.d=example.com; dmarc=FAIL",
    ],
)
def test_a_failed_dmarc_fails_whatever_else_passed(told: str) -> None:
    found = screened(mail(ar(told), RECEIVED))
    assert found.message.sender.verdict == "failed"
    assert Reason.AUTH_FAILED in found.notes


@pytest.mark.parametrize(
    "server",
    [
        "evil.example",
        "mx.shop.example.evil.example",
        "shop.example",
        "MX.SHOP.EXAMPLE.",
        "mx.shop.example dmarc=pass",
        '""',
    ],
)
def test_a_server_that_is_not_trusted_is_not_believed(server: str) -> None:
    assert verdict(ar("dmarc=pass header.from=example.com", server=server), RECEIVED) == "unverified"


@pytest.mark.parametrize(
    "server", ["mx.shop.example", "MX.Shop.Example", "mx.shop.example 1", "(ours) mx.shop.example"]
)
def test_a_trusted_server_is_known_in_every_spelling(server: str) -> None:
    assert verdict(ar("dmarc=pass header.from=example.com", server=server), RECEIVED) == "verified"


def test_a_field_below_our_received_is_the_sender_s_word() -> None:
    assert verdict(RECEIVED, ar("dmarc=pass header.from=example.com")) == "unverified"


def test_the_topmost_field_of_a_trusted_server_counts() -> None:
    good, bad = ar("dmarc=pass header.from=example.com"), ar("dmarc=fail header.from=example.com")
    assert verdict(bad, good, RECEIVED) == "failed"
    assert verdict(ar("dkim=none"), good) == "unverified"


def test_fields_of_others_above_ours_don_t_hide_it() -> None:
    other = ar("dmarc=fail", server="other.example")
    assert verdict(other, ar("dmarc=pass header.from=example.com"), RECEIVED) == "verified"


def test_a_hop_by_lmtp_inside_our_house_may_stand_above() -> None:
    hop = "Received: from mx.shop.example ([127.0.0.1]) by store.shop.example with LMTP id 1; Mon, 23 Nov 2026"
    good = ar("dmarc=pass header.from=example.com")
    assert verdict(hop, good, RECEIVED) == "verified"
    assert verdict(hop, RECEIVED, good) == "unverified"
    helo = "Received: from x with LMTP by mx.shop.example with ESMTP; Mon, 23 Nov 2026"
    assert verdict(helo, good, RECEIVED) == "unverified"
    commented = "Received: from x by mx.shop.example (with LMTP) with ESMTP; Mon, 23 Nov 2026"
    assert verdict(commented, good, RECEIVED) == "unverified"


@pytest.mark.parametrize(
    "sender",
    [
        "Ana <ana@example.com>, Eve <eve@evil.example>",
        "ana@example.com, ana@example.com",
        "Friends: ana@example.com;",
        "Friends:;",
        "<ana@example.com> <eve@evil.example>",
        "ana@example.com eve@evil.example",
        '"ana@other.example" <ana@example.com>',
        "=?utf-8?q?support=40bank.example?= <ana@example.com>",
        "Ana",
        "",
        "ana@",
        "@example.com",
        '"a b"@example.com',
        "ana@[192.0.2.1]",
    ],
)
def test_a_from_that_is_not_one_plain_mailbox_is_never_verified(sender: str) -> None:
    told = ar("dmarc=pass; dkim=pass header.d=example.com; dkim=pass header.d=evil.example")
    assert verdict(told, RECEIVED, sender=sender) == "unverified"


def test_a_mail_with_two_from_fields_is_never_verified() -> None:
    found = screened(
        mail(ar("dmarc=pass header.from=example.com"), RECEIVED, "From: ana@example.com\r\nFrom: eve@evil.example")
    )
    assert found.message.sender.verdict == "unverified"
    assert Reason.SEVERAL_FROM in found.notes


@pytest.mark.parametrize(
    "domain",
    [
        "ex\u0430mple.com",
        "\u0430\u0440\u0440\u04cf\u0435.com",
        "sh0p.example",
        "shcp.example",
        "shopp.example",
        "hsop.example",
        "shops.example",
    ],
)
def test_a_look_alike_domain_is_never_verified(domain: str) -> None:
    found = screened(mail(ar("dmarc=pass; dkim=pass header.d=" + domain), RECEIVED, sender=f"Ana <ana@{domain}>"))
    assert found.message.sender.verdict == "unverified"
    assert Reason.LOOKALIKE in found.notes


@pytest.mark.parametrize(
    "domain", ["münchen.example", "xn--mnchen-3ya.example", "почта.example", "mail.shop.example", "日本.example"]
)
def test_an_honest_international_domain_is_verified(domain: str) -> None:
    told = f"dmarc=pass header.from={domain}"
    assert verdict(ar(told), RECEIVED, sender=f"Ana <ana@{domain}>") == "verified"


@pytest.mark.parametrize("raw", [b"\0", b"\r"])
def test_a_malformed_mail_is_never_verified(raw: bytes) -> None:
    sent = mail(ar("dmarc=pass header.from=example.com"), RECEIVED).replace(b"Where", raw + b"Where")
    found = screened(sent)
    assert found.message.sender.verdict == "unverified"
    assert Reason.MALFORMED in found.notes


def test_without_trust_nobody_is_verified() -> None:
    raw = mail(ar("dmarc=pass header.from=example.com"), RECEIVED)
    assert screened(raw, config=replace(CONFIG, trust=())).message.sender.verdict == "unverified"


def test_the_address_is_normalised_and_the_detail_names_the_server() -> None:
    found = screened(
        mail(ar("dmarc=pass header.from=example.com"), RECEIVED, sender="=?utf-8?q?Ana_M=C3=BCller?= <ANA@Example.COM>")
    )
    assert found.message.sender.address == found.party == "ana@example.com"
    assert found.message.sender.name == "Ana Müller"
    assert found.message.sender.detail == "dmarc=pass by mx.shop.example"


@pytest.mark.parametrize(
    ("authenticated", "sender", "is_aligned"),
    [
        ("example.com", "example.com", True),
        ("mail.example.com", "example.com", True),
        ("example.com", "mail.example.com", True),
        ("a.example.com", "b.example.com", False),
        ("example.com", "badexample.com", False),
        ("com", "example.com", False),
        ("", "example.com", False),
    ],
)
def test_alignment_is_the_same_domain_or_one_above_the_other(
    authenticated: str, sender: str, *, is_aligned: bool
) -> None:
    assert aligned(authenticated, sender) is is_aligned


@pytest.mark.parametrize("value", ["", ";", "dmarc=pass", "; dmarc=pass", "()", "a" * 20_000])
def test_what_names_no_server_is_no_result(value: str) -> None:
    assert results(value) is None
