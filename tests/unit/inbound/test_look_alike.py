"""Domains that are made to be taken for another's (UTS 39): never verified, and honest ones are left alone."""

# ruff: noqa: RUF001, RUF003 - look-alike letters are the point

import idna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.inbound.address import Mailbox, _look, look_alike

OURS = ["support@pineshop.example", "mx.partner.example"]


def told(domain: str) -> str:
    return look_alike(Mailbox(address=f"ana@{idna.encode(domain, uts46=True).decode()}"), OURS)


@pytest.mark.parametrize(
    "domain",
    [
        "pineshоp.example",  # Cyrillic о
        "рineshop.example",  # Cyrillic р
        "pıneshop.example",  # dotless i
        "pɩneshop.example",  # iota of the phonetic alphabet
        "pineshöp.example",
        "pîneshop.example",
        "piñeshop.example",
        "pineshoр.example",
        "plneshop.example",
        "p1neshop.example",
        "pinesh0p.example",
        "pine-shop.example",
        "pinneshop.example",
        "pinshop.example",
        "pienshop.example",
        "pineshop.exarnple",
        "pineshop.example.evil.example",
        "pineshop.example.com",
        "mx.pàrtner.example",
        "mx.pаrtner.example",
        "аррӏе.com",
        "еоѕ.com",
        "γoogle.com",
        "ցoogle.com",
    ],
)
def test_what_looks_like_a_domain_that_we_know_is_told(domain: str) -> None:
    assert told(domain)


@pytest.mark.parametrize(
    "domain",
    [
        "example.com",
        "pineshop.example",
        "mail.pineshop.example",
        "partner.example",
        "evergreen.example",
        "münchen.example",
        "straße.example",
        "læge.example",
        "kız.example",
        "crème-brûlée.example",
        "почта.example",
        "сахар.рф",
        "日本.example",
        "tシャツ.example",
        "한국.example",
        "ελλάδα.example",
        "مثال.example",
    ],
)
def test_an_honest_domain_is_left_alone(domain: str) -> None:
    assert told(domain) == ""


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 7), code=st.sampled_from(sorted(_look())))
def test_no_letter_that_looks_like_ours_passes_for_it(at: int, code: int) -> None:
    own = "pineshop"
    if _look()[code] not in {own[at], "0" if own[at] == "o" else own[at]}:
        return
    assert told(own[:at] + chr(code) + own[at + 1 :] + ".example")


def test_every_letter_of_the_table_can_be_registered_and_looks_like_ascii() -> None:
    for code, look in _look().items():
        assert idna.encode(f"a{chr(code)}a")
        assert look.isascii()
        assert look.isalnum()
