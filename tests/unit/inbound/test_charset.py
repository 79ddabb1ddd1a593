"""Octets become text, whatever they claim to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.inbound.charset import codec, decode, words


@pytest.mark.parametrize(
    ("octets", "charset", "text", "known"),
    [
        ("Grüße".encode(), "utf-8", "Grüße", True),
        ("Grüße".encode("latin-1"), "ISO-8859-1", "Grüße", True),
        ("10 €".encode("cp1252"), "iso-8859-1", "10 €", True),
        ("Grüße".encode(), "iso-8859-1", "Grüße", True),
        ("Grüße".encode(), "us-ascii", "Grüße", True),
        ("Grüße".encode(), "", "Grüße", True),
        ("Grüße".encode("latin-1"), "", "Grüße", False),
        ("Grüße".encode("latin-1"), "utf-8", "Grüße", False),
        ("ご注文".encode("iso2022_jp"), "iso-2022-jp", "ご注文", True),
        ("заказ".encode("koi8-r"), "koi8-r", "заказ", True),
        ("订单".encode("gbk"), "gb2312", "订单", True),
        (b"abc", "x-unknown", "abc", False),
        (b"abc", "zlib", "abc", False),
        (b"+AGE-", "utf-7", "+AGE-", False),
        (b"\\u0041", "unicode_escape", "\\u0041", False),
        (b"abc", "punycode", "abc", False),
        (b"abc", "a\0b", "abc", False),
        (b"abc", "\u1234", "abc", False),
        (b"\x81", "cp1252", "\ufffd", False),
    ],
)
def test_octets_are_read_by_the_claim_or_what_they_must_be(
    octets: bytes, charset: str, text: str, *, known: bool
) -> None:
    assert decode(octets, charset) == (text, known)


@given(octets=st.binary(), charset=st.one_of(st.text(max_size=12), st.sampled_from(["utf-16", "utf-32", "hz", "big5"])))
def test_decoding_never_fails(octets: bytes, charset: str) -> None:
    decode(octets, charset)[0].encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?B?R3LDvMOfZQ==?= aus =?iso-8859-1?Q?M=FCnchen?=", "Grüße aus München"),
        ("=?utf-8?q?Gr=C3?=\r\n =?utf-8?q?=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?q?a_b?= =?utf-8?q?_c?=", "a b c"),
        ("=?utf-8*de?q?a?=", "a"),
        ("=?utf-8?q?a b?=", "a b"),
        ("=?x-unknown?q?a?=", "a"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?q?", "=?utf-8?q?"),
        ("plain", "plain"),
    ],
)
def test_encoded_words_are_decoded_as_rfc_2047_says(value: str, text: str) -> None:
    assert words(value) == text


@given(value=st.text(st.sampled_from("=?utf-8?qbQB?ab=C3 \r\n_"), max_size=60))
def test_encoded_words_never_fail(value: str) -> None:
    words(value).encode()


def test_only_charsets_are_codecs() -> None:
    assert codec('"UTF8"') == "utf-8"
    assert codec("base64") is codec("rot13") is codec("idna") is codec("utf-7") is codec("") is None
