"""Address fields are read strictly where an identity hangs on it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.inbound.address import Mailbox, look_alike, normalise, read


@pytest.mark.parametrize(
    ("value", "mailboxes"),
    [
        ("ana@example.com", [("ana@example.com", "")]),
        ("Ana Müller <Ana@EXAMPLE.com>", [("ana@example.com", "Ana Müller")]),
        ('"Müller, Ana" <ana@example.com>', [("ana@example.com", "Müller, Ana")]),
        ('"A \\"B\\" C" <a@example.com>', [("a@example.com", 'A "B" C')]),
        ("=?utf-8?q?M=C3=BCller=2C_Ana?= <ana@example.com>", [("ana@example.com", "Müller, Ana")]),
        ("a@example.com, B <b@example.com>", [("a@example.com", ""), ("b@example.com", "B")]),
        ("ana@example.com (Ana)", [("ana@example.com", "")]),
        ("<@relay.example:ana@example.com>", [("ana@example.com", "")]),
        ("ana@münchen.example", [("ana@xn--mnchen-3ya.example", "")]),
        ("a@example.com,,", [("a@example.com", "")]),
    ],
)
def test_plain_mailboxes_are_clean(value: str, mailboxes: list[tuple[str, str]]) -> None:
    found = read(value)
    assert [(mailbox.address, mailbox.name) for mailbox in found.mailboxes] == mailboxes
    assert found.clean


@pytest.mark.parametrize(
    "value",
    [
        "Group: a@example.com;",
        "undisclosed-recipients:;",
        "<a@example.com",
        "a@example.com>",
        "<a@example.com> <b@example.com>",
        "a@example.com b@example.com",
        "a@b@example.com",
        '"a b"@example.com',
        "<ana>",
        "a@exa mple.com",
        "a@[192.0.2.1]",
        "a@-example.com",
        "a@example..com",
        "a@\u202eexample.com",
        "a@example.com(",
        "a@example.com (b@example.com",
        "a@example.com (b\\)",
        "x" * 20_000,
    ],
)
def test_anything_doubtful_is_not_clean(value: str) -> None:
    assert not read(value).clean


@given(value=st.text(st.sampled_from('ab@.<>(),;:"\\ =?é\x00\r'), max_size=40))
def test_reading_never_fails_and_addresses_are_normal(value: str) -> None:
    for mailbox in read(value).mailboxes:
        assert normalise(mailbox.address) == mailbox.address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" Ana@Example.COM. ", "ana@example.com"),
        ("JOSÉ@example.com", "josé@example.com"),
        ("a'b+c@example.com", "a'b+c@example.com"),
        ("ana", ""),
        ("@example.com", ""),
        ("ana@", ""),
        ("a\nb@example.com", ""),
        ("a@xn--a.example", "a@xn--a.example"),
        ("a@" + "é" * 80 + ".example", ""),
        ("a@" + "x." * 150 + "example", ""),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert normalise(text) == address


@pytest.mark.parametrize(
    ("address", "name", "suspicious"),
    [
        ("ana@example.com", "Ana", False),
        ("ana@example.com", "ana@example.com", False),
        ("ana@example.com", "ANA@EXAMPLE.COM", False),
        ("ana@example.com", "ana @ home", False),
        ("eve@evil.example", "support@shop.example", True),
        ("ana@mail.shop.example", "Ana", False),
        ("ana@sh0p.example", "Ana", True),
        ("ana@shop.exarnple", "Ana", True),
        ("ana@chop.example", "Ana", True),
        ("ana@other.example", "Ana", False),
        ("", "", False),
    ],
)
def test_who_may_be_taken_for_another_is_told(address: str, name: str, *, suspicious: bool) -> None:
    assert bool(look_alike(Mailbox(address=address, name=name), ["support@shop.example"])) is suspicious
