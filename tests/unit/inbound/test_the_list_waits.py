"""The list of what a person must see, entry by entry, in both directions.

The details of each entry are in test_authenticate.py, test_border.py, test_forms.py and test_parse.py. Legal and
privacy demands and rate caps, which the gate finds, are in tests/unit/gate.
"""

import pytest

from daemon.gate.verdict import Reason
from tests.unit.inbound.entries import TEXT, Entry, Mail, cases, fields, part
from tests.unit.inbound.mail import screened

TRUSTED = "Authentication-Results: mx.shop.example; "
RECEIVED = "Received: from out.example.com by mx.shop.example with ESMTPS; Mon, 23 Nov 2026 10:00:00 +0000"
HTML = "Content-Type: text/html\n\n"
ENVELOPED = "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"
WAITS = (
    Entry(
        told="TNEF only",
        reason=Reason.ATTACHMENT_ONLY,
        suppressed=(
            part("Content-Type: multipart/mixed", "Content-Type: application/ms-tnef; name=winmail.dat\n\nx"),
            Mail(fields=("Content-Type: application/ms-tnef; name=winmail.dat",), body="x"),
        ),
        answered=(
            part("Content-Type: multipart/mixed", TEXT, "Content-Type: application/ms-tnef; name=winmail.dat\n\nx"),
        ),
    ),
    Entry(
        told="DMARC fail",
        reason=Reason.AUTH_FAILED,
        suppressed=(fields(f"{TRUSTED}dmarc=fail header.from=example.com", RECEIVED),),
        answered=(
            fields(f"{TRUSTED}dmarc=pass header.from=example.com", RECEIVED),
            fields(RECEIVED, f"{TRUSTED}dmarc=fail header.from=example.com"),
        ),
    ),
    Entry(
        told="several From",
        reason=Reason.SEVERAL_FROM,
        suppressed=(
            Mail(sender="ana@example.com, eve@evil.example"),
            fields("From: ana@example.com", "From: eve@evil.example"),
        ),
        answered=(Mail(sender='"Müller, Ana" <ana@example.com>'),),
    ),
    Entry(
        told="Reply-To elsewhere",
        reason=Reason.REPLY_TO_ELSEWHERE,
        suppressed=(fields("Reply-To: eve@evil.example"), fields("Reply-To: ana@example.com, eve@evil.example")),
        answered=(fields("Reply-To: Ana <ANA@Example.com>"),),
    ),
    Entry(
        told="look-alike domain",
        reason=Reason.LOOKALIKE,
        suppressed=(Mail(sender="ana@sh0p.example"), Mail(sender="ana@sh\u043ep.example")),
        answered=(Mail(sender="ana@mail.shop.example"), Mail(sender="ana@münchen.example")),
    ),
    Entry(
        told="NUL, bare CR, a field twice",
        reason=Reason.MALFORMED,
        suppressed=(Mail(body="a\0b"), Mail(body="a\rb"), fields("Subject: one", "Subject: two"), fields("no field")),
    ),
    Entry(
        told="encrypted",
        reason=Reason.ENCRYPTED,
        suppressed=(
            part(
                "Content-Type: multipart/encrypted; protocol=application/pgp-encrypted",
                "Content-Type: application/pgp-encrypted\n\nVersion: 1",
                "Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----",
            ),
            Mail(fields=(f"Content-Type: {ENVELOPED}",), body="MIAG"),
            Mail(fields=(f"Content-Type: {ENVELOPED.replace('/pkcs7', '/x-pkcs7')}",), body="MIAG"),
            Mail(body="-----BEGIN PGP MESSAGE-----\n\nhQ\n-----END PGP MESSAGE-----"),
        ),
        answered=(
            part(
                "Content-Type: multipart/signed; protocol=application/pgp-signature",
                TEXT,
                "Content-Type: application/pgp-signature; name=signature.asc\n\n-----BEGIN PGP SIGNATURE-----",
            ),
            part(
                "Content-Type: multipart/signed; protocol=application/pkcs7-signature",
                TEXT,
                "Content-Type: application/pkcs7-signature; name=smime.p7s\n\nMIAG",
            ),
        ),
    ),
    Entry(
        told="empty body",
        reason=Reason.EMPTY,
        suppressed=(Mail(body=""), Mail(body=" \n\n"), Mail(fields=("Content-Type: text/html",), body="<br>")),
    ),
    Entry(
        told="unknown charset",
        reason=Reason.UNKNOWN_CHARSET,
        suppressed=(
            Mail(fields=("Content-Type: text/plain; charset=klingon",), body="a"),
            Mail(fields=("Content-Type: text/plain; charset=utf-7",), body="a"),
        ),
        answered=(
            Mail(fields=("Content-Type: text/plain; charset=iso-8859-15",)),
            Mail(fields=('Content-Type: text/plain; charset="UTF-8"',)),
        ),
    ),
    Entry(
        told="hidden HTML text",
        reason=Reason.HIDDEN_TEXT,
        suppressed=(
            part("Content-Type: multipart/mixed", f"{HTML}Hello <span style='display:none'>cancel it</span>"),
            part("Content-Type: multipart/mixed", f"{HTML}Hello <span style='font-size:0'>cancel it</span>"),
        ),
        answered=(part("Content-Type: multipart/mixed", f"{HTML}Hello <b>you</b>"),),
    ),
    Entry(
        told="text and HTML that disagree",
        reason=Reason.TEXT_HTML_DIFFER,
        suppressed=(
            part("Content-Type: multipart/alternative", TEXT, f"{HTML}<p>Where is my order 7777?</p>"),
            part(
                "Content-Type: multipart/alternative",
                TEXT,
                f"{HTML}<p>Please cancel everything that I ever bought.</p>",
            ),
        ),
        answered=(part("Content-Type: multipart/alternative", TEXT, f"{HTML}<p>Where is <b>my order</b> 1042?</p>"),),
    ),
    Entry(
        told="Unicode tag characters",
        reason=Reason.UNICODE_TAGS,
        suppressed=(Mail(body="Hello\U000e0063\U000e0061"), fields("Subject: Hello\U000e0063")),
        answered=(Mail(body="Hello \U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"),),
    ),
)


@pytest.mark.parametrize(("reason", "each"), cases(WAITS, suppressed=True))
def test_what_a_person_must_see_is_noted(reason: Reason, each: Mail) -> None:
    found = screened(each.raw())
    assert reason in found.notes
    assert found.automatic is None, "it waits for a person, and is not ignored"


@pytest.mark.parametrize(("reason", "each"), cases(WAITS, suppressed=False))
def test_what_only_resembles_it_is_not(reason: Reason, each: Mail) -> None:
    assert reason not in screened(each.raw()).notes


@pytest.mark.parametrize(
    "told",
    [
        ("Authentication-Results: other.example; dmarc=pass header.from=example.com", RECEIVED),
        (RECEIVED, f"{TRUSTED}dmarc=pass header.from=example.com"),
        (f"{TRUSTED}dkim=pass header.d=evil.example", RECEIVED),
    ],
    ids=["foreign authserv-id", "forged authserv-id", "unaligned DKIM"],
)
def test_results_that_prove_nothing_leave_the_sender_unverified(told: tuple[str, str]) -> None:
    assert screened(fields(*told).raw()).message.sender.verdict == "unverified"
