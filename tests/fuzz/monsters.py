"""Mails that are large where a mail should be small: each must be read in bounded time and memory."""

import base64
import gzip
from collections.abc import Callable

from tests.fuzz.grammar import US

_HEAD = f"From: ana@example.com\r\nTo: {US}\r\nSubject: My order\r\nMessage-ID: <1@example.com>\r\n".encode()
_PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
_PAGE = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
_BASE64 = b"Content-Transfer-Encoding: base64\r\n"


def _field(name: str, unit: bytes, size: int = 1_000_000) -> bytes:
    return _HEAD + name.encode() + b": " + unit * (size // len(unit)) + b"\r\n" + _PLAIN + b"Where is order 1042?"


def _body(unit: bytes, size: int = 1_000_000, *, kind: bytes = _PLAIN) -> bytes:
    return _HEAD + kind + unit * (size // len(unit))


def _nested(levels: int) -> bytes:
    opening = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels))
    return _HEAD + opening + _PLAIN + b"deep"


def _forwarded(levels: int) -> bytes:
    return _HEAD + b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n" * levels + _PLAIN + b"deep"


def _parts(count: int, part: bytes) -> bytes:
    return (
        _HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (b"--b\r\n" + part + b"\r\n") * count + b"--b--"
    )


def _two_forms(plain: bytes, page: bytes) -> bytes:
    alternative = b"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
    return _HEAD + alternative + b"--b\r\n" + _PLAIN + plain + b"\r\n--b\r\n" + _PAGE + page + b"\r\n--b--"


def _attached(octets: bytes, kind: bytes) -> bytes:
    return _parts(1, b"Content-Type: " + kind + b"\r\n" + _BASE64 + b"\r\n" + base64.encodebytes(octets))


def _charset(name: bytes, body: bytes) -> bytes:
    return _HEAD + b"Content-Type: text/plain; charset=" + name + b"\r\n\r\n" + body


MONSTERS: dict[str, Callable[[], bytes]] = {
    "a header of a megabyte": lambda: _field("X-Padding", b"x"),
    "a folded header of a megabyte": lambda: _field("X-Padding", b"x\r\n "),
    "twenty thousand fields": lambda: _HEAD + b"X-A: b\r\n" * 20_000 + _PLAIN + b"Hello",
    "a megabyte of comments in From": lambda: _field("From", b"(a"),
    "a megabyte of quotes in From": lambda: _field("From", b'"a'),
    "a megabyte of addresses": lambda: _field("To", b"a@example.com, "),
    "a megabyte of groups": lambda: _field("Cc", b"g: a@b;, "),
    "a bomb of encoded words": lambda: _field("Subject", b"=?utf-8?b?QUFB?= "),
    "encoded words that are never closed": lambda: _field("Subject", b"=?utf-8?q?="),
    "a megabyte of references": lambda: _field("References", b"<a@b>\r\n "),
    "a megabyte of opening brackets": lambda: _field("References", b"<"),
    "a megabyte of results": lambda: _field("Authentication-Results", b"mx.shop.example; dkim=pass header.d=a (c) "),
    "a megabyte of a signature": lambda: _field("DKIM-Signature", b"v=1; d=a; h=from:to; b=A "),
    "a thousand signatures": lambda: (
        _HEAD + b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=x; b=y\r\n" * 1000 + _PLAIN
    ),
    "a thousand Received": lambda: _HEAD + b"Received: from a (b [1.2.3.4]) by c with d; Mon\r\n" * 1000 + _PLAIN,
    "a megabyte of dates": lambda: _field("Date", b"Mon, 23 Nov 2026 "),
    "parameters without end": lambda: _field("Content-Type", b"text/plain; a=b; n*1*=x"),
    "ten thousand parts": lambda: _parts(10_000, _PLAIN + b"x"),
    "ten thousand attachments": lambda: _parts(10_000, b"Content-Type: image/png; name=a.png\r\n\r\nx"),
    "ten thousand pages": lambda: _parts(10_000, _PAGE + b"<p>x"),
    "two hundred levels": lambda: _nested(200),
    "twenty thousand levels": lambda: _nested(20_000),
    "two thousand forwarded in each other": lambda: _forwarded(2000),
    "one line of a megabyte": lambda: _body(b"x"),
    "a megabyte of empty lines": lambda: _body(b"\r\n"),
    "a megabyte of spaces": lambda: _body(b" "),
    "a megabyte of quotation": lambda: _body(b"> > > > Where?\r\n"),
    "one line of quotation marks": lambda: _body(b">"),
    "quotation marks that grow": lambda: _HEAD + _PLAIN + b"\r\n".join(b">" * n for n in range(1400)),
    "a megabyte of attributions": lambda: _body(b"On 1 Jan 2026, Shop wrote:\r\n"),
    "attributions that never end": lambda: _body(b"On 1 Jan 2026,\r\n"),
    "a megabyte of Outlook": lambda: _body(b"From: a\r\nSent: b\r\n"),
    "a megabyte of signatures": lambda: _body(b"-- \r\n"),
    "a megabyte of control characters": lambda: _body(b"\x00\x01\x1b"),
    "a megabyte of combining marks": lambda: _body("e\u0301\u0323".encode()),
    "a megabyte of tag characters": lambda: _body("\U000e0049".encode()),
    "a megabyte of flags that are none": lambda: _body("\U0001f3f4\U000e0067".encode()),
    "text that decomposes without end": lambda: _body("\u1e9b\u0323\u0345".encode()),
    "words for the guess of language": lambda: _body(b"the der la el "),
    "addresses in the text": lambda: _body(b"a@b.c "),
    "a page of open tags": lambda: _body(b"<div>", kind=_PAGE),
    "a page of open quotes": lambda: _body(b'<a href="', kind=_PAGE),
    "a page of styles": lambda: _body(b"<style>.a{display:none}</style><p class=a>", kind=_PAGE),
    "a page of tables": lambda: _body(b"<table><tr><td>", kind=_PAGE),
    "a page of entities": lambda: _body(b"&NotGreaterGreater;", kind=_PAGE),
    "a page of comments": lambda: _body(b"<!--", kind=_PAGE),
    "two forms of one long word": lambda: _two_forms(b"x" * 200_000, b"x" * 200_000),
    "two forms of links": lambda: _two_forms(b"https://" * 25_000, b"<a href='https://a@b'>" * 10_000),
    "two forms of at signs": lambda: _two_forms(b"@" * 200_000, b"a@" * 100_000),
    "two forms of many words": lambda: _two_forms(b"".join(b"w%d " % n for n in range(30_000)), b"<p>Hello"),
    "utf-7": lambda: _charset(b"utf-7", b"+AGE-" * 200_000),
    "zlib as a charset": lambda: _charset(b"zlib", gzip.compress(bytes(50_000_000), 9)),
    "punycode as a charset": lambda: _charset(b"punycode", b"a" * 300_000 + b"-a"),
    "utf-16": lambda: _charset(b"utf-16", b"a\0" * 500_000),
    "iso-2022-kr": lambda: _charset(b"iso-2022-kr", b"\x1b$)C\x0e" * 100_000),
    "gzip that would be a gigabyte": lambda: _attached(gzip.compress(bytes(100_000_000), 9), b"application/gzip"),
    "an attachment of five megabytes": lambda: _attached(bytes(5_000_000), b"application/pdf"),
    "broken base64": lambda: _HEAD + b"Content-Type: text/plain\r\n" + _BASE64 + b"\r\n" + b"!A=" * 400_000,
    "quoted-printable of nothing": lambda: (
        _HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=\r\n" * 400_000
    ),
    "text that is a boundary": lambda: _HEAD + b"Content-Type: multipart/mixed; boundary=-\r\n\r\n" + b"--" * 500_000,
    "boundaries followed by spaces": lambda: _parts(1, b"x" + b"\r\n--b" + b" " * 500_000 + b"x"),
    "noise": lambda: bytes(range(256)) * 4000,
    "no header at all": lambda: b"x" * 1_000_000,
    "an empty line first": lambda: b"\r\n" * 500_000,
    "nothing": lambda: b"",
}
