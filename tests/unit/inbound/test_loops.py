"""Mail that must not be answered, each entry of the list in both directions."""

import pytest

from daemon import marks
from daemon.gate.verdict import Reason
from tests.unit.inbound.mail import KEY, US, mail, screened

DSN = """\
--b
Content-Type: text/plain

It did not arrive.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; x@example.com
Action: failed
Status: 5.1.1
--b--"""


def why(raw: bytes, mail_from: str | None = None) -> Reason | None:
    return screened(raw, mail_from=mail_from).automatic


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("Auto-Submitted: auto-replied", Reason.AUTOMATIC),
        ("Auto-Submitted: auto-generated", Reason.AUTOMATIC),
        ("Auto-Submitted: auto-notified; owner-email=a@b", Reason.AUTOMATIC),
        ("AUTO-SUBMITTED: Auto-Replied (vacation)", Reason.AUTOMATIC),
        ("Auto-Submitted:\r\n auto-replied", Reason.AUTOMATIC),
        ("Auto-Submitted: (a comment) auto-replied", Reason.AUTOMATIC),
        ("Auto-Submitted:", Reason.AUTOMATIC),
        ("Auto-Submitted: nobody-knows", Reason.AUTOMATIC),
        ("Auto-Submitted: no\r\nAuto-Submitted: auto-replied", Reason.AUTOMATIC),
        ("Precedence: bulk", Reason.BULK),
        ("Precedence: LIST", Reason.BULK),
        ("Precedence: junk", Reason.BULK),
        ("Precedence: auto_reply", Reason.AUTOMATIC),
        ("List-Id: News <news.example.com>", Reason.BULK),
        ("List-Unsubscribe: <mailto:x@example.com>", Reason.BULK),
        ("List-Post: <mailto:x@example.com>", Reason.BULK),
        ("X-Auto-Response-Suppress: All", Reason.AUTOMATIC),
        ("X-Auto-Response-Suppress: DR, OOF, AutoReply", Reason.AUTOMATIC),
        ("X-Auto-Response-Suppress: dr, autoreply", Reason.AUTOMATIC),
        ("X-Autoreply: yes", Reason.AUTOMATIC),
        ("X-Autorespond: out", Reason.AUTOMATIC),
        ("X-FC-Machinegenerated: true", Reason.AUTOMATIC),
        ("X-MS-Exchange-Inbox-Rules-Loop: a@example.com", Reason.AUTOMATIC),
        ("X-Loop: a@example.com", Reason.LOOP),
        ("X-Failed-Recipients: x@example.com", Reason.BOUNCE),
        ("Return-Path: <>", Reason.BOUNCE),
        ("Return-Path: < >", Reason.BOUNCE),
        ("X-Spam-Flag: YES", Reason.SPAM),
        ("X-Spam: Yes", Reason.SPAM),
        ("X-Spam-Status: Yes, score=9.1 required=5.0", Reason.SPAM),
        ("TLS-Report-Domain: shop.example", Reason.AUTOMATIC),
        ("Sender: news-request@example.com", Reason.BULK),
    ],
)
def test_a_field_that_says_so_keeps_a_mail_from_being_answered(field: str, reason: Reason) -> None:
    assert why(mail(field)) == reason


@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: No (really)",
        "Precedence: first-class",
        "Precedence: normal",
        "X-Auto-Response-Suppress: DR, RN",
        "X-Auto-Response-Suppress: DR, NDR, RN, NRN",
        "X-Autoreply: no",
        "X-Spam-Flag: NO",
        "X-Spam-Status: No, score=-1.0",
        "Return-Path: <ana@example.com>",
        "X-Priority: 1",
        "X-Mailer: Microsoft Outlook",
        "X-Triaged-Loop: forged.1.00000000000000000000",
        "In-Reply-To: <triaged.m1.1.00000000000000000000@shop.example>",
        "Disposition-Notification-To: ana@example.com",
        "Content-Language: en",
    ],
)
def test_a_field_that_people_s_mail_has_does_not(field: str) -> None:
    assert why(mail(field)) is None


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        ("MAILER-DAEMON@example.com", Reason.BOUNCE),
        ("Mail System <postmaster@example.com>", Reason.BOUNCE),
        ("no-reply@example.com", Reason.AUTOMATIC),
        ("noreply@example.com", Reason.AUTOMATIC),
        ("Do.Not.Reply@example.com", Reason.AUTOMATIC),
        ("donotreply@example.com", Reason.AUTOMATIC),
        ("shop-noreply@example.com", Reason.AUTOMATIC),
        ("noreply-orders@example.com", Reason.AUTOMATIC),
        ("nicht-antworten@example.de", Reason.AUTOMATIC),
        ("ne-pas-repondre@example.fr", Reason.AUTOMATIC),
        ("news-request@example.com", Reason.BULK),
        ("owner-news@example.com", Reason.BULK),
        ("bounce@example.com", Reason.BULK),
        ("bounces+17-ana=example.com@example.com", Reason.BULK),
        ("news-bounces@example.com", Reason.BULK),
        (US, Reason.OWN_MAIL),
        ("SALES@shop.example", Reason.OWN_MAIL),
        ("support+tag@shop.example", Reason.OWN_MAIL),
    ],
)
def test_a_machine_or_we_ourselves_get_no_answer(sender: str, reason: Reason) -> None:
    assert why(mail(sender=sender)) == reason


@pytest.mark.parametrize(
    "sender",
    [
        "bouncer@example.com",
        "norepl@example.com",
        "requests@example.com",
        "owner@example.com",
        "postmaster.ana@example.com",
        "ana+noreplies@example.com",
        "denoreplyne@example.com",
        "ana@noreply.example.com",
    ],
)
def test_a_person_with_a_similar_name_gets_one(sender: str) -> None:
    assert why(mail(sender=sender)) is None


@pytest.mark.parametrize(
    ("mail_from", "reason"),
    [
        ("", Reason.BOUNCE),
        (None, None),
        ("ana@example.com", None),
        ("SRS0=HHH=TT=example.com=ana@forward.example.org", None),
        ("prvs=1234abcd=ana@example.com", None),
        ("news-support=shop.example@lists.example.com", Reason.BULK),
        ("bounce-17@example.com", Reason.BULK),
        ("MAILER-DAEMON@example.com", Reason.BOUNCE),
    ],
)
def test_the_envelope_s_sender_counts_but_forwarding_and_tags_are_people(
    mail_from: str | None, reason: Reason | None
) -> None:
    assert why(mail(), mail_from) == reason


def test_a_delivery_status_notification_is_a_bounce_also_with_a_sender() -> None:
    raw = mail('Content-Type: multipart/report; report-type=delivery-status; boundary="b"', body=DSN)
    assert why(raw, "someone@example.com") == Reason.BOUNCE


def test_a_bounce_that_forgot_its_type_is_known_by_its_part() -> None:
    assert why(mail('Content-Type: multipart/mixed; boundary="b"', body=DSN)) == Reason.BOUNCE


@pytest.mark.parametrize("kind", ["disposition-notification", "feedback-report", "tlsrpt", "unheard-of"])
def test_receipts_and_other_reports_are_automatic(kind: str) -> None:
    body = "--b\r\n\r\nread\r\n--b--"
    assert why(mail(f"Content-Type: multipart/report; report-type={kind}; boundary=b", body=body)) == Reason.AUTOMATIC


def test_a_dmarc_report_is_automatic() -> None:
    assert why(mail("Subject: Report Domain: shop.example Submitter: example.com Report-ID: <1>")) == Reason.AUTOMATIC


@pytest.mark.parametrize(("method", "reason"), [("REPLY", Reason.AUTOMATIC), ("REQUEST", None), ("CANCEL", None)])
def test_an_answer_to_an_invitation_is_automatic_and_an_invitation_is_not(method: str, reason: Reason | None) -> None:
    body = f"--b\r\n\r\nsee\r\n--b\r\nContent-Type: text/calendar; method={method}\r\n\r\nBEGIN:VCALENDAR\r\n--b--"
    assert why(mail("Content-Type: multipart/alternative; boundary=b", body=body)) == reason


@pytest.mark.parametrize(
    "subject",
    [
        "Out of Office",
        "Out of Office: My order",
        "Automatic reply: My order",
        "=?utf-8?B?QXV0b21hdGlzY2hlIEFudHdvcnQ6IEJlc3RlbGx1bmc=?=",
        "Abwesenheitsnotiz: Ihre Bestellung",
        "Abwesenheitsnotiz",
        "Automatische Antwort auf Ihre Mail",
        "=?iso-8859-1?Q?R=E9ponse_automatique_=3A_commande?=",
        "Respuesta automática: Pedido",
        "Auto: My order",
        "[Auto-Reply] My order",
        "Autosvar: Ordre",
        "自動返信\uff1aご注文",
    ],
)
def test_an_answering_machine_is_known_by_its_subject_alone(subject: str) -> None:
    assert why(mail(f"Subject: {subject}")) == Reason.AUTOMATIC


@pytest.mark.parametrize(
    "subject", ["Undelivered Mail Returned to Sender", "Undeliverable: Re: My order", "Unzustellbar: Bestellung"]
)
def test_a_bounce_is_known_by_its_subject_alone(subject: str) -> None:
    assert why(mail(f"Subject: {subject}")) == Reason.BOUNCE


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Automatic reply: My order",
        "Out of office hours delivery?",
        "Vacation rental 1042",
        "Autobahn: where is my parcel",
        "Automatic watch, order 1042",
        "Undeliverables? My parcel",
        "Abwesenheitspflegerin gesucht",
        "Returned mail-order item",
        "",
    ],
)
def test_a_person_s_subject_is_no_machine_s(subject: str) -> None:
    assert why(mail(f"Subject: {subject}")) is None


def test_our_own_message_id_is_recognised() -> None:
    assert why(mail(f"Message-ID: <{marks.message_id(KEY, 'm1', 2, 'shop.example')}>")) == Reason.OWN_MAIL


def test_our_own_loop_token_is_recognised() -> None:
    assert why(mail(f"X-Triaged-Loop: {marks.loop_token(KEY, 'm1', 2)}")) == Reason.LOOP


def test_a_customer_s_reply_to_our_mail_is_answered() -> None:
    ours = marks.message_id(KEY, "m1", 2, "shop.example")
    assert why(mail(f"In-Reply-To: <{ours}>", f"References: <0@example.com> <{ours}>")) is None


@pytest.mark.parametrize(("hops", "reason"), [(30, None), (31, Reason.LOOP)])
def test_a_mail_over_too_many_hops_is_in_a_loop(hops: int, reason: Reason | None) -> None:
    assert why(mail(*["Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0000"] * hops)) == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (("To: Us <Support@Shop.Example>",), None),
        (("To: x@example.com, help@shop.example",), None),
        (("To: support+orders@shop.example",), None),
        (("To: x@example.com", f"Cc: {US}"), None),
        (("To: x@example.com", f"Resent-To: {US}"), None),
        (("To: x@example.com", f"Resent-Cc: {US}"), None),
        (("To: x@example.com",), Reason.NOT_ADDRESSED),
        (("To: undisclosed-recipients:;",), Reason.NOT_ADDRESSED),
        (("To: support@shop.example.com",), Reason.NOT_ADDRESSED),
        (("To: x@example.com", f"Bcc: {US}"), Reason.NOT_ADDRESSED),
        (("To: x@example.com", f"Delivered-To: {US}"), Reason.NOT_ADDRESSED),
        (("To:",), Reason.NOT_ADDRESSED),
    ],
)
def test_mail_that_is_not_addressed_to_us_is_not_answered(fields: tuple[str, ...], reason: Reason | None) -> None:
    assert why(mail(*fields)) == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (("List-Id: Support <support.shop.example>",), None),
        (("List-Id: <Support.Shop.Example>", "List-Post: <mailto:x@shop.example>", "Precedence: list"), None),
        (("List-Id: <support.shop.example>", "To: team@shop.example"), None),
        (("List-Id: <support.shop.example>", "Sender: team-bounces@shop.example"), None),
        (("List-Id: <support.shop.example>", "Auto-Submitted: auto-replied"), Reason.AUTOMATIC),
        (("List-Id: <support.shop.example>", "List-Id: <news.example.com>"), Reason.BULK),
        (("List-Id: <support.shop.example.evil.example>",), Reason.BULK),
    ],
)
def test_our_own_group_address_is_no_list(fields: tuple[str, ...], reason: Reason | None) -> None:
    assert why(mail(*fields)) == reason


def test_the_detail_says_what_was_seen() -> None:
    assert screened(mail("Auto-Submitted: auto-replied")).detail == "Auto-Submitted: auto-replied (RFC 3834)"
    assert screened(mail()).detail == ""
