"""Makes mails that are nearly right: nested, cut, mislabelled, with every kind of part and every kind of mistake.

All choices come from one `Random`: a seed for the fuzzer, hypothesis' own for the property tests, which then shrinks
what fails.
"""

import base64
import binascii
import gzip
import quopri
from collections.abc import Callable, Sequence
from random import Random

US = "support@shop.example"

_CHARSETS = (
    *("utf-8", "UTF-8", "us-ascii", "iso-8859-1", "windows-1252", "iso-8859-15", "utf-16", "utf-16le", "utf-32"),
    *("shift_jis", "iso-2022-jp", "iso-2022-kr", "gb2312", "big5", "hz", "koi8-r", "windows-1256", "macintosh"),
    *("utf-7", "punycode", "idna", "zlib", "rot13", "base64", "unicode_escape", "undefined", "mbcs", "x-unknown"),
    *('"utf-8', "utf-8'en'", "", "a" * 300, "utf-8\0", "cp65001", "none"),
)
_WORDS = (
    *(
        "Where is my order 1042?",
        "Wo ist meine Bestellung?",
        "Où est ma commande ?",
        "¿Dónde está mi pedido?",
        "Thanks",
    ),
    *(
        "ご注文について",
        "أين طلبي؟",
        "👩‍👩‍👧",
        "I\u0307",
        "\u202egnp.exe",
        "\u200b",
        "\ufeff",
        "\U000e0049",
        "\x00",
        "\x1b[31m",
        "\x85",
    ),
    *("> quoted", ">>>>>> deep", ">" * 500, "-- ", "--", "-----Original Message-----", "_" * 32, "Sent from my iPhone"),
    *(
        "On 1 Jan 2026, Shop wrote:",
        "Am 1.1.2026 schrieb Shop:",
        "Le 1 janv. 2026, Shop a écrit :",
        "El 1 ene 2026, Shop escribió:",
    ),
    *(
        "From: Shop",
        "Sent: Monday",
        "To: Ana",
        "Von: Shop",
        "Gesendet: Montag",
        "De : Shop",
        "Envoyé : lundi",
        "Subject: x",
    ),
    *("-----BEGIN PGP MESSAGE-----", "begin 644 a.txt", "{{order.total}}", "x" * 2000, "Bcc: eve@evil.example", "."),
)
_TAGS = (
    *(
        "<p>",
        "</p>",
        "<br>",
        "<div style='display:none'>",
        "</div>",
        "<a href='https://shop.example/?a=1&amp;b=2'>",
        "</a>",
    ),
    *(
        "<table><tr><td>",
        "<td>",
        "</table>",
        "<style>.x{display:none}</style>",
        "<style>",
        "<script>",
        "<!--",
        "-->",
        "<img src=cid:a@b>",
    ),
    *(
        "<blockquote>",
        "</blockquote>",
        "&nbsp;",
        "&#1114112;",
        "&#x",
        "<x y='",
        '<x y="',
        "<",
        ">",
        "<pre>",
        "<p class=x hidden>",
        "<![CDATA[",
    ),
)
_ADDRESSES = (
    *(
        "ana@example.com",
        "Ana <ana@example.com>",
        '"A, B" <ana@example.com>',
        "a@b, c@d",
        "Group: a@b, c@d;",
        "undisclosed-recipients:;",
    ),
    *(
        "<>",
        "",
        "@",
        "a@",
        "ana@münchen.example",
        "ana@xn--mnchen-3ya.example",
        "ana@xn--a-ecp.example",
        "ana(c)@(d)example.com",
    ),
    *(
        '"ana@example.com" <eve@evil.example>',
        "=?utf-8?q?ana=40example=2Ecom?= <eve@evil.example>",
        "ana@example.com\0",
        "a@[127.0.0.1]",
    ),
    *(
        "ana@example.com <eve@evil.example>",
        "<<ana@example.com>>",
        "(" * 200,
        '"' * 99,
        "ana@" + "a." * 200 + "com",
        "\u0430na@example.com",
        US,
    ),
)
_SUBJECTS = (
    *(
        "My order",
        "Re: My order",
        "=?utf-8?q?R=C3=BCckfrage?=",
        "=?utf-8?b?UsO8Y2tmcmFnZQ==?=",
        "=?utf-8?b?UsO8?= =?utf-8?b?Y2s=?=",
    ),
    *(
        "=?utf-8?b?w?= =?utf-8?b?7w==?=",
        "=?x?b?" + "A" * 99 + "?=",
        "=?utf-8?q?" * 50,
        "=?utf-8?z?x?=",
        "=?utf-8*en?q?x?=",
        "=?utf-7?q?+AGE-?=",
    ),
    *(
        "=?utf-8?q?a=0D=0ABcc:_eve@evil.example?=",
        "=?iso-2022-jp?b?GyRC?=",
        "Re: " * 200,
        "Out of office",
        "",
        "\udcff",
    ),
)
_FIELDS = (
    *(
        "Authentication-Results: mx.shop.example; dmarc=pass header.from=example.com",
        "Authentication-Results: mx.shop.example (c (d) ; dmarc=pass",
    ),
    *(
        "Authentication-Results: mx.shop.example/1; dkim=pass header.d=",
        "Received: from a by b (c; d",
        "Received: ;" + "(" * 99,
        "Return-Path: <>",
    ),
    *(
        "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=x; b=y",
        "DKIM-Signature: v=1; l=0; x=0; h=" + ":" * 99 + "; b=",
    ),
    *(
        "Auto-Submitted: (c) no",
        "Auto-Submitted: auto-replied",
        "List-Id: <a.b>",
        "Precedence: bulk",
        "X-Auto-Response-Suppress: OOF",
        "X-Loop: a",
    ),
    *(
        "References: <a@b> <c@d>" + "<e@f>" * 300,
        "References: " + "<" * 500,
        "In-Reply-To: <a@b",
        "Message-ID: <" + "a" * 2000 + "@b>",
        "Message-ID: x",
    ),
    *(
        "Date: Mon, 99 Foo 99999 99:99:99 +9999",
        "Date: " + "1" * 400,
        "Date: Mon, 23 Nov 2026 10:00:00 -0000",
        "Reply-To: eve@evil.example",
    ),
    *(
        "no field",
        ": no name",
        "A" * 400 + ": b",
        "X-Triaged-Token: forged",
        "Content-Type: text/html",
        "Subject",
        "\tfolded",
        "MIME-Version: 1.0",
    ),
    *(
        "X-MS-TNEF-Correlator: 1",
        "Resent-From: a@b",
        "Sender: a@b",
        "Original-Message-ID: <a@b>",
        "Content-Transfer-Encoding: base64",
        "From: b@c",
    ),
)


def mail(chance: Random) -> bytes:
    """A mail."""
    fields = [
        f"From: {chance.choice(_ADDRESSES)}",
        f"To: {chance.choice((US, *_ADDRESSES))}",
        f"Subject: {chance.choice(_SUBJECTS)}",
        "Date: Mon, 23 Nov 2026 10:00:00 +0100",
        f"Message-ID: <{chance.randrange(9)}@example.com>",
    ]
    fields += _some(chance, _FIELDS, 4)
    if chance.random() < 0.1:
        fields = _some(chance, fields, len(fields))
    chance.shuffle(fields)
    raw = _join(chance, fields, _entity(chance, depth=0))
    return _mistaken(chance, raw) if chance.random() < 0.3 else raw


def _some(chance: Random, among: Sequence[str], most: int) -> list[str]:
    return [chance.choice(among) for _ in range(chance.randrange(most + 1))]


def _join(chance: Random, fields: list[str], entity: bytes) -> bytes:
    head = "".join(f"{_folded(chance, field)}\r\n" for field in fields)
    return head.encode(chance.choice(("utf-8", "utf-8", "latin-1")), errors="replace") + entity


def _folded(chance: Random, field: str) -> str:
    return field.replace(" ", "\r\n ", 3) if chance.random() < 0.1 else field


def _entity(chance: Random, *, depth: int) -> bytes:
    """Content fields, an empty line, and a body."""
    kinds = _LEAVES if depth > 5 or chance.random() < 0.5 else (_multipart, _multipart, _message)
    return chance.choice(kinds)(chance, depth)


def _multipart(chance: Random, depth: int) -> bytes:
    kind = chance.choice(
        ("mixed", "alternative", "alternative", "related", "signed", "encrypted", "report", "digest", "x")
    )
    boundary = chance.choice(("b", "b", "bb", "=_b", "a.b*c+d?(e", "b" * 80, "b ", "--", "é", ""))
    named = chance.choice((boundary, boundary, boundary, f'"{boundary}"', f'"{boundary}', "other", ""))
    line = f"--{boundary}".encode()
    body = b"preamble\r\n" if chance.random() < 0.2 else b""
    for _ in range(chance.choice((0, 1, 2, 2, 3, 12))):
        body += (
            line
            + chance.choice((b"\r\n", b"\r\n", b"\n", b" \t\r\n", b"x\r\n"))
            + _entity(chance, depth=depth + 1)
            + b"\r\n"
        )
    body += line + chance.choice((b"--\r\n", b"--\r\n", b"--", b"", b"--\r\nepilogue"))
    extra = chance.choice(("", "", "; type=x", "; boundary=again", "; protocol=a", '; report-type="delivery-status'))
    return f"Content-Type: multipart/{kind}; boundary={named}{extra}\r\n\r\n".encode() + body


def _message(chance: Random, depth: int) -> bytes:
    inner = _join(chance, [f"Subject: {chance.choice(_SUBJECTS)}", "From: x@y"], _entity(chance, depth=depth + 1))
    kind = chance.choice(
        (
            "message/rfc822",
            "message/rfc822",
            "message/delivery-status",
            "text/rfc822-headers",
            "message/partial; number=1",
        )
    )
    return f"Content-Type: {kind}\r\n\r\n".encode() + inner


def _plain(chance: Random, _: int) -> bytes:
    lines = [chance.choice(_WORDS) for _ in range(chance.choice((0, 1, 3, 8)))]
    flowed = chance.choice(("", "", "; format=flowed", "; format=flowed; delsp=yes"))
    return _encoded(chance, f"text/plain{flowed}", "\r\n".join(lines))


def _page(chance: Random, _: int) -> bytes:
    pieces = [chance.choice((*_TAGS, *_WORDS)) for _ in range(chance.choice((0, 2, 8, 30)))]
    return _encoded(chance, "text/html", "".join(pieces))


def _encoded(chance: Random, kind: str, text: str) -> bytes:
    """Text in some charset and some transfer encoding, told rightly or wrongly."""
    charset = chance.choice(_CHARSETS)
    try:
        octets = text.encode(charset if chance.random() < 0.7 else "utf-8", errors="replace")
    except (LookupError, ValueError, TypeError, binascii.Error):
        octets = text.encode("utf-8", errors="replace")
    return f"Content-Type: {kind}; charset={charset}\r\n".encode() + _transferred(chance, octets)


def _transferred(chance: Random, octets: bytes) -> bytes:
    name = chance.choice(
        ("7bit", "8bit", "base64", "quoted-printable", "x-uuencode", "BASE64 (c)", "quoted-printable;x", "binary")
    )
    encoded = octets
    if "base64" in name.lower():
        encoded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    elif "quoted" in name:
        encoded = quopri.encodestring(octets).replace(b"\n", b"\r\n")
    if chance.random() < 0.1:
        encoded = _mistaken(chance, encoded)
    return f"Content-Transfer-Encoding: {name}\r\n\r\n".encode() + encoded


_FILES = (
    ("application/ms-tnef; name=winmail.dat", b"\x78\x9f\x3e\x22\x01\x00"),
    ("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", b"\x30\x80\x06"),
    ("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", b"\x30\x80\x06"),
    ("application/pgp-encrypted", b"Version: 1"),
    ("application/pgp-signature; name=s.asc", b"-----BEGIN PGP SIGNATURE-----"),
    ("application/gzip; name=bomb.gz", gzip.compress(bytes(100_000), mtime=0)),
    ("application/zip; name*=utf-8''%C3%A4%00.zip", b"PK\x03\x04"),
    ("image/png; name*0*=utf-8''a; name*1*=%ff; name*9999999999=b", b"\x89PNG"),
    ('application/octet-stream; name="../../etc/passwd"', b"x"),
    ("text/plain; name=a.txt", b"attached"),
    ("text/calendar; method=REQUEST", b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR"),
    ("text/calendar; method=REPLY", b"BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nEND:VCALENDAR"),
    ("text/calendar; method=CANCEL", b"BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR"),
    ("message/disposition-notification", b"Final-Recipient: rfc822;a@b\r\nDisposition: automatic"),
    (
        "message/delivery-status",
        b"Reporting-MTA: dns;a\r\n\r\nFinal-Recipient: rfc822;a@b\r\nAction: failed\r\nStatus: 5.1.1",
    ),
    ("message/feedback-report", b"Feedback-Type: abuse"),
    ("text", b"half a type"),
    ("", b""),
)


def _file(chance: Random, _: int) -> bytes:
    kind, octets = chance.choice(_FILES)
    told = chance.choice(
        (
            "",
            "Content-Disposition: attachment; filename=x\r\n",
            "Content-Disposition: inline\r\n",
            "Content-ID: <a@b>\r\n",
        )
    )
    return f"Content-Type: {kind}\r\n{told}".encode() + _transferred(chance, octets)


def _nothing(_: Random, __: int) -> bytes:
    return b""


_LEAVES: tuple[Callable[[Random, int], bytes], ...] = (_plain, _plain, _page, _page, _file, _nothing)


def _mistaken(chance: Random, raw: bytes) -> bytes:
    """A mistake of transport: cut, doubled, other line ends, foreign octets."""
    at = chance.randrange(len(raw) + 1)
    return chance.choice(
        (
            raw[:at],
            raw[at:],
            raw[:at] + raw[: at // 2] + raw[at:],
            raw[:at] + bytes(chance.randrange(256) for _ in range(8)) + raw[at:],
            raw[:at] + b"\r" + raw[at:],
            raw[:at] + b"\0" + raw[at:],
            raw.replace(b"\r\n", b"\n"),
            raw.replace(b"\r\n", b"\r"),
            raw.replace(b"\n", b"\r\n"),
            raw.replace(b"\r\n\r\n", b"\r\n \r\n"),
        )
    )
