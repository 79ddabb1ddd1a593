"""Mails are taken apart as the standard library does it where it can, and in bounded time where it can't."""

import base64
import email
import email.utils
import time
from email.message import EmailMessage, Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.inbound import mime

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=60)
BODY = st.lists(TEXT, max_size=5).map("\n".join)


@st.composite
def made(draw: st.DrawFn) -> EmailMessage:
    """A well-formed mail with text, alternatives and attachments."""
    mail = EmailMessage()
    mail["From"] = "ana@example.com"
    mail["Subject"] = draw(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=40))
    mail.set_content(draw(BODY), cte=draw(st.sampled_from(["quoted-printable", "base64"])))
    if draw(st.booleans()):
        mail.add_alternative(draw(BODY), subtype="html")
    for name in draw(st.lists(st.sampled_from(["a.pdf", "Rechnung März.pdf", 'q"uote.txt']), max_size=2)):
        mail.add_attachment(draw(st.binary(max_size=200)), maintype="application", subtype="pdf", filename=name)
    return mail


def leaves(part: mime.Part) -> list[tuple[str, str, bytes]]:
    return [(each.content_type, each.name, each.content()) for each in part.walk() if not each.children]


def as_the_library(message: Message) -> list[tuple[str, str, bytes]]:
    found = []
    for part in message.walk():
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append(
                (part.get_content_type(), email.utils.collapse_rfc2231_value(part.get_filename() or ""), payload)
            )
    return found


@settings(max_examples=150, deadline=None)
@given(mail=made(), crlf=st.booleans())
def test_a_well_formed_mail_reads_as_with_the_standard_library(mail: EmailMessage, *, crlf: bool) -> None:
    raw = mail.as_bytes(policy=mail.policy.clone(linesep="\r\n" if crlf else "\n", max_line_length=78))
    expected = as_the_library(email.message_from_bytes(raw))
    found = leaves(mime.read(raw))
    # A text's last line end belongs to the boundary or not: readers differ, and no reader shows it.
    assert [(kind, name, body.rstrip()) for kind, name, body in found] == [
        (kind, name, body.rstrip()) for kind, name, body in expected
    ]
    assert not [defect for part in mime.read(raw).walk() for defect in part.defects]


def test_fields_are_unfolded_and_keep_their_order() -> None:
    root = mime.read(b"A: 1\r\nB: long\r\n  value\r\n\there\r\na: 2\r\n\r\nbody")
    assert [(field.name, field.value) for field in root.fields] == [("a", "1"), ("b", "long  value\there"), ("a", "2")]
    assert root.first("a") == "1"
    assert root.all("a") == ["1", "2"]
    assert root.body == b"body"


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"", b""),
        (b"\n", b""),
        (b"\r\n\r\nbody", b"\r\nbody"),
        (b"A: 1", b""),
        (b"A: 1\n\nbody", b"body"),
        (b"A: 1\r\n\r\nbody\r\n\r\nmore", b"body\r\n\r\nmore"),
        (b"From ana@example.com Mon Nov 23\nA: 1\n\nbody", b"body"),
    ],
)
def test_the_body_begins_behind_the_first_empty_line(raw: bytes, body: bytes) -> None:
    assert mime.read(raw).body == body


def test_text_around_the_parts_is_not_a_part() -> None:
    parts = b"preamble\n--b\n\none\n--bb\n--b \n\ntwo\n--b--\nepilogue\n--b\n\nthree"
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + parts
    assert [body for _, _, body in leaves(mime.read(raw))] == [b"one\n--bb", b"two"]


def test_a_boundary_that_is_never_closed_ends_with_the_mail() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo"
    assert [body for _, _, body in leaves(mime.read(raw))] == [b"one", b"two"]


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: multipart/mixed\n\n--b\n\none",
        b"Content-Type: multipart/mixed; boundary=b\n\nno boundary at all",
        b"no field\nA: 1\n\nx",
        b"A: 1\n" * 3000 + b"\nx",
        b"A: " + b"x" * 600_000 + b"\n\nx",
    ],
)
def test_what_is_wrong_is_told(raw: bytes) -> None:
    assert mime.read(raw).defects


@pytest.mark.parametrize(
    ("value", "main", "parameters"),
    [
        ("text/plain; charset=UTF-8", "text/plain", {"charset": "UTF-8"}),
        ('TEXT/HTML ; charset = "utf-8" ; x=y', "text/html", {"charset": "utf-8", "x": "y"}),
        ('a/b; name="a\\"b;c"', "a/b", {"name": 'a"b;c'}),
        ("a/b (c; x=1); y=2", "a/b", {"y": "2"}),
        ("a; filename*=utf-8'de'M%C3%A4rz.pdf", "a", {"filename": "März.pdf"}),
        ("a; filename*1=b.pdf; filename*0=a-", "a", {"filename": "a-b.pdf"}),
        ("a; filename*0*=iso-8859-1''M%E4; filename*1=rz; filename=x", "a", {"filename": "März"}),
        ('a; name="open', "a", {"name": "open"}),
        ("a; x=1; x=2", "a", {"x": "1"}),
        (";;;", "", {}),
        ("", "", {}),
    ],
)
def test_parameters_are_read_as_rfc_2045_and_2231_say(value: str, main: str, parameters: dict[str, str]) -> None:
    assert mime.parameterised(value) == (main, parameters)


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        ("a (b (c) d) e", "a   e"),
        ('"(a)" (b)', '"(a)"  '),
        (r"a \( b", "a \\ "),
        (r"(a \) b) c", "  c"),
        (r'"a \" (b" (c)', r'"a \" (b"  '),
        ("a (open", "a  "),
        ("a) b", "a) b"),
    ],
)
def test_comments_nest_and_quotes_are_honoured(value: str, rest: str) -> None:
    assert mime.uncomment(value) == rest


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        ("base64", b"SGVs bG8=\r\n", b"Hello"),
        ("base64", b"SGVsbG8", b"Hello"),
        ("BASE64 ", b"SGVsbG8===", b"Hello"),
        ("base64", b"SGVs*bG8=", b"Hello"),
        ("base64", b"S", b""),
        ("base64", b"", b""),
        ("quoted-printable", b"a=3Db=\r\nc", b"a=bc"),
        ("quoted-printable", b"a=ZZ=", b"a=ZZ"),
        ("x-unknown", b"a", b"a"),
        ("7bit", b"a", b"a"),
    ],
)
def test_transfer_encodings_are_undone_as_far_as_they_go(encoding: str, body: bytes, content: bytes) -> None:
    assert mime.read(f"Content-Transfer-Encoding: {encoding}\n\n".encode() + body).content() == content


def nested(levels: int, body: bytes) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(levels)
    )
    return opening + b"\n" + body


ATTACKS = {
    "nested multiparts": nested(2000, b"x"),
    "many parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000,
    "one boundary for all": b"Content-Type: multipart/mixed; boundary=b\n\n"
    + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 10_000,
    "empty lines": b"A: b\n\n" + b"\n" * 2_000_000,
    "fields": b"A: b\n" * 400_000,
    "folding": b"A: b\n" + b" x\n" * 400_000,
    "no line end": b"A" * 3_000_000,
    "quotes": b"Content-Type: a/b" + b'; x="' * 100_000,
    "comments": b"From: " + b"(" * 500_000,
    "dashes": b"Content-Type: multipart/mixed; boundary=-\n\n" + b"--" * 1_000_000,
    "spaces behind boundaries": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"\n--b" + b" " * 1_000_000 + b"x",
    "sections": b"Content-Type: a/b" + b"".join(b"; n*%d=x" % number for number in range(20_000)),
    "base64": b"Content-Transfer-Encoding: base64\n\n" + b"!A" * 500_000,
}


@pytest.mark.parametrize("raw", ATTACKS.values(), ids=ATTACKS.keys())
def test_no_structure_takes_long(raw: bytes) -> None:
    start = time.process_time()
    for part in mime.read(raw).walk():
        part.content()
    assert time.process_time() - start < 1


def test_a_large_attachment_takes_little() -> None:
    body = base64.encodebytes(bytes(6_000_000))
    raw = b"Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n" + body
    start = time.process_time()
    assert len(mime.read(raw).content()) == 6_000_000
    assert time.process_time() - start < 1
