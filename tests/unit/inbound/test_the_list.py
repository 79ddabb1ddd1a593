"""The list of what gets no automatic answer, entry by entry, in both directions.

The details of each entry are in test_loops.py. What a person must see is in test_the_list_waits.py.
"""

import pytest

from daemon import marks
from daemon.gate.verdict import Reason
from tests.unit.inbound.entries import TEXT, Entry, Mail, cases, fields, hops, part
from tests.unit.inbound.mail import KEY, US, screened

OURS = marks.message_id(KEY, "m1", 2, "shop.example")
TOKEN = marks.loop_token(KEY, "m1", 2)
STATUS = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.com\n\nAction: failed"

LIST = (
    Entry(
        told="null reverse-path",
        reason=Reason.BOUNCE,
        suppressed=(Mail(mail_from=""), fields("Return-Path: <>"), fields("Return-Path: < > (no sender)")),
        answered=(Mail(mail_from="ana@example.com"), Mail(mail_from=None), fields("Return-Path: <ana@example.com>")),
    ),
    Entry(
        told="Auto-Submitted other than no: in any field, folded, in any case, with comments and parameters",
        reason=Reason.AUTOMATIC,
        suppressed=(
            fields("Auto-Submitted: auto-replied"),
            fields("AUTO-SUBMITTED: Auto-Generated"),
            fields("Auto-Submitted:\r\n auto-replied"),
            fields("Auto-Submitted: (vacation (1)) auto-replied (by sieve)"),
            fields('Auto-Submitted: auto-notified; owner-email="ana@example.com"'),
            fields("Auto-Submitted: no", "Auto-Submitted: auto-replied"),
            fields("Auto-Submitted: auto-replied", "Auto-Submitted: no"),
            fields("Auto-Submitted: something-new"),
        ),
        answered=(
            fields("Auto-Submitted: no"),
            fields("Auto-Submitted: NO"),
            fields("Auto-Submitted: (not) no (really)"),
            fields("Auto-Submitted: no; x=y"),
            fields("Auto-Submitted: no", "Auto-Submitted: no"),
        ),
    ),
    Entry(
        told="Precedence bulk, list, junk",
        reason=Reason.BULK,
        suppressed=(fields("Precedence: bulk"), fields("Precedence: List"), fields("Precedence: junk (really)")),
        answered=(fields("Precedence: first-class"), fields("Precedence: special-delivery")),
    ),
    Entry(told="Precedence auto_reply", reason=Reason.AUTOMATIC, suppressed=(fields("Precedence: auto_reply"),)),
    Entry(
        told="List-Id and any List-* field",
        reason=Reason.BULK,
        suppressed=(
            fields("List-Id: <news.example.com>"),
            fields("List-Unsubscribe: <https://example.com/u>"),
            fields("List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
            fields("List-Help: <mailto:help@example.com>"),
            fields("LIST-OWNER: <mailto:o@example.com>"),
            fields("List-Id: Ours <support.shop.example>", "List-Id: <news.example.com>"),
        ),
        answered=(fields("List-Id: Ours <support.shop.example>", "List-Post: <mailto:x@shop.example>"),),
    ),
    Entry(
        told="X-Auto-Response-Suppress All, OOF or AutoReply among others",
        reason=Reason.AUTOMATIC,
        suppressed=(
            fields("X-Auto-Response-Suppress: All"),
            fields("X-Auto-Response-Suppress: DR, OOF"),
            fields("X-Auto-Response-Suppress: dr,rn,AUTOREPLY"),
        ),
        answered=(
            fields("X-Auto-Response-Suppress: DR, RN"),
            fields("X-Auto-Response-Suppress: DR, NDR, RN, NRN"),
            fields("X-Auto-Response-Suppress: None"),
        ),
    ),
    Entry(
        told="MAILER-DAEMON, postmaster",
        reason=Reason.BOUNCE,
        suppressed=(Mail(sender="MAILER-DAEMON@example.com"), Mail(sender="Postmaster <postmaster@example.com>")),
        answered=(Mail(sender="postmaster.ana@example.com"), Mail(sender='"postmaster" <ana@example.com>')),
    ),
    Entry(
        told="no-reply",
        reason=Reason.AUTOMATIC,
        suppressed=(
            Mail(sender="no-reply@example.com"),
            Mail(sender="NoReply@example.com"),
            Mail(sender="do_not_reply@example.com"),
            Mail(sender="orders-noreply@example.com"),
            fields("Sender: no-reply@example.com"),
        ),
        answered=(Mail(sender="reply@example.com"), Mail(sender="ana@no-reply.example.com")),
    ),
    Entry(
        told="-request, owner-, bounce and VERP senders",
        reason=Reason.BULK,
        suppressed=(
            Mail(sender="news-request@example.com"),
            Mail(sender="owner-news@example.com"),
            Mail(sender="bounce@example.com"),
            Mail(mail_from="bounces+17-support=shop.example@example.com"),
            Mail(mail_from="news-support=shop.example@lists.example.com"),
            fields("Return-Path: <b-7-support=shop.example@lists.example.com>"),
            fields("Return-Path: (x) <bounce-17@example.com>"),
            fields("Sender: owner-news@example.com (the list)"),
        ),
        answered=(
            Mail(sender="requests@example.com"),
            Mail(mail_from="SRS0=HHH=TT=example.com=ana@forward.example.org"),
            Mail(mail_from="prvs=1234abcd=ana@example.com"),
            Mail(mail_from="ana=home@example.com"),
        ),
    ),
    Entry(
        told="ourselves, any of our mailboxes, our Message-ID",
        reason=Reason.OWN_MAIL,
        suppressed=(
            Mail(sender=US),
            Mail(sender="SALES@Shop.Example"),
            Mail(sender="support+x@shop.example"),
            fields(f"Message-ID: <{OURS}>"),
        ),
        answered=(Mail(sender="ana@shop.example"), fields(f"In-Reply-To: <{OURS}>", f"References: <{OURS}>")),
    ),
    Entry(
        told="our loop token, X-Loop",
        reason=Reason.LOOP,
        suppressed=(fields(f"X-Triaged-Loop: {TOKEN}"), fields("X-Loop: us"), fields("X-Loop:")),
        answered=(fields("X-Triaged-Loop: forged.1.00000000000000000000"), fields("X-Looping: yes")),
    ),
    Entry(
        told="delivery status notification, also with a sender",
        reason=Reason.BOUNCE,
        suppressed=(
            part("Content-Type: multipart/report; report-type=delivery-status", TEXT, STATUS),
            part("Content-Type: multipart/REPORT; report-type=Delivery-Status", TEXT, STATUS),
            part("Content-Type: multipart/mixed", TEXT, STATUS),
            part("Content-Type: multipart/mixed", TEXT, STATUS.replace("/delivery", "/global-delivery")),
            fields("X-Failed-Recipients: ana@example.com"),
            fields("Subject: Undelivered Mail Returned to Sender"),
        ),
        answered=(
            part("Content-Type: multipart/mixed", TEXT, f"Content-Type: message/rfc822\n\nSubject: x\n\n{STATUS}"),
            fields("Subject: Undeliverable items?"),
        ),
    ),
    Entry(
        told="MDN, ARF, DMARC and TLS reports",
        reason=Reason.AUTOMATIC,
        suppressed=(
            part("Content-Type: multipart/report; report-type=disposition-notification", TEXT),
            part("Content-Type: multipart/mixed", TEXT, "Content-Type: message/disposition-notification\n\nx: y"),
            part("Content-Type: multipart/report; report-type=feedback-report", TEXT),
            part(
                "Content-Type: multipart/mixed", TEXT, "Content-Type: message/feedback-report\n\nFeedback-Type: abuse"
            ),
            part("Content-Type: multipart/report; report-type=tlsrpt", TEXT),
            part("Content-Type: multipart/mixed", TEXT, "Content-Type: application/tlsrpt+gzip\n\nx"),
            fields("TLS-Report-Domain: shop.example", "TLS-Report-Submitter: example.com"),
            fields("Subject: Report Domain: shop.example Submitter: example.com Report-ID: <1>"),
        ),
        answered=(fields("Disposition-Notification-To: ana@example.com"), fields("Subject: Report on my domain")),
    ),
    Entry(
        told="calendar replies",
        reason=Reason.AUTOMATIC,
        suppressed=(
            part(
                "Content-Type: multipart/alternative",
                TEXT,
                "Content-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR",
            ),
            part("Content-Type: multipart/mixed", TEXT, "Content-Type: text/calendar\n\nBEGIN:VCALENDAR\nMETHOD:REPLY"),
            part(
                "Content-Type: multipart/mixed", TEXT, "Content-Type: application/ics\n\nBEGIN:VCALENDAR\nmethod:reply"
            ),
            Mail(fields=("Content-Type: text/calendar; method=reply",), body="BEGIN:VCALENDAR"),
        ),
        answered=(
            part(
                "Content-Type: multipart/alternative",
                TEXT,
                "Content-Type: text/calendar; method=REQUEST\n\nMETHOD:REQUEST",
            ),
            part("Content-Type: multipart/mixed", TEXT, "Content-Type: text/calendar\n\nMETHOD:PUBLISH"),
            Mail(body="METHOD:REPLY"),
        ),
    ),
    Entry(
        told="out of office by subject alone, in several languages and in encoded words",
        reason=Reason.AUTOMATIC,
        suppressed=(
            fields("Subject: Out of Office: my order"),
            fields("Subject: Automatische Antwort: Bestellung"),
            fields("Subject: =?utf-8?Q?R=C3=A9ponse_automatique_:_commande?="),
            fields("Subject: =?utf-8?B?UmVzcHVlc3RhIGF1dG9tw6F0aWNh?="),
        ),
        answered=(fields("Subject: Re: Out of Office: my order"), fields("Subject: Out of office hours delivery?")),
    ),
    Entry(
        told="X-Autoreply, X-FC-Machinegenerated, X-MS-Exchange-Inbox-Rules-Loop",
        reason=Reason.AUTOMATIC,
        suppressed=(
            fields("X-Autoreply: yes"),
            fields("X-Autorespond: vacation"),
            fields("X-Mail-Autoreply: 1"),
            fields("X-FC-Machinegenerated: true"),
            fields("X-MS-Exchange-Inbox-Rules-Loop: support@shop.example"),
        ),
        answered=(
            fields("X-Autoreply: no"),
            fields("X-FC-Machinegenerated: false"),
            fields("X-MS-Exchange-CrossTenant-Id: 1"),
        ),
    ),
    Entry(
        told="not addressed to us in To, Cc or Resent-*",
        reason=Reason.NOT_ADDRESSED,
        suppressed=(
            fields("To: else@example.com"),
            fields("To: undisclosed-recipients:;"),
            fields("To: else@example.com", f"Bcc: {US}", f"Delivered-To: {US}"),
            fields(f'To: "{US}" <else@example.com>'),
        ),
        answered=(
            fields("To: else@example.com", f"Cc: Us <{US.upper()}>"),
            fields("To: else@example.com", f"Resent-To: {US}"),
            fields("To: else@example.com", f"Resent-Cc: Us <{US}>"),
            fields(f"To: Friends: else@example.com, {US};"),
        ),
    ),
    Entry(
        told="spam flag of our filter",
        reason=Reason.SPAM,
        suppressed=(
            fields("X-Spam-Flag: YES"),
            fields("X-Spam: Yes"),
            fields("X-Spam-Status: Yes, score=9.1 required=5.0"),
            fields("X-Bogosity: Spam, tests=bogofilter, spamicity=0.99"),
            fields("X-Spamd-Result: default: True [16.00 / 15.00]"),
            fields("X-Rspamd-Action: add header"),
            fields("X-DSPAM-Result: Spam"),
            fields("X-Barracuda-Spam-Flag: YES"),
            fields("X-MS-Exchange-Organization-SCL: 6"),
            fields("X-Forefront-Antispam-Report: CIP:192.0.2.1;CTRY:US;SFV:SPM;SCL:9;"),
        ),
        answered=(
            fields("X-Spam-Flag: NO"),
            fields("X-Spam-Status: No, score=-1.0"),
            fields("X-Bogosity: Ham, spamicity=0.01"),
            fields("X-Spamd-Result: default: False [1.00 / 15.00]"),
            fields("X-Rspamd-Action: no action"),
            fields("X-DSPAM-Result: Innocent"),
            fields("X-MS-Exchange-Organization-SCL: 1"),
            fields("X-MS-Exchange-Organization-SCL: -1"),
            fields("X-Forefront-Antispam-Report: CIP:192.0.2.1;CTRY:US;SFV:NSPM;SCL:1;"),
        ),
    ),
    Entry(told="more than 30 hops", reason=Reason.LOOP, suppressed=(hops(31), hops(80)), answered=(hops(30), hops(1))),
)


@pytest.mark.parametrize(("reason", "each"), cases(LIST, suppressed=True))
def test_what_must_not_be_answered_automatically_is_not(reason: Reason, each: Mail) -> None:
    assert screened(each.raw(), mail_from=each.mail_from).automatic == reason


@pytest.mark.parametrize(("reason", "each"), cases(LIST, suppressed=False))
def test_what_a_person_may_have_written_is_not_suppressed(reason: Reason, each: Mail) -> None:
    assert screened(each.raw(), mail_from=each.mail_from).automatic is None
