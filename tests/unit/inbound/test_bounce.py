"""What became of a mail of ours is read from what servers send back, standard or not; nobody can make it up."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import marks
from daemon.gate.verdict import Reason
from daemon.inbound import bounce, loops, parse
from daemon.inbound.arrival import Envelope
from daemon.store.notification import Notification

KEY = b"k" * 32
OURS = marks.message_id(KEY, "m1", 2, "shop.example")
TOKEN = marks.loop_token(KEY, "m1", 2)
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)

RETURNED = f"""\
Received: from shop.example (shop.example [192.0.2.1]) by mx.example.com
From: Shop <support@shop.example>
To: ana@example.com
Subject: Re: Where is my order?
Message-ID: <{OURS}>
References: <abc@mail.example.com>
"""

REPORT = """\
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
To: support@shop.example
Subject: {subject}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.com.

--B
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
X-Postfix-Queue-ID: 4F1B
Arrival-Date: Mon, 23 Nov 2026 09:00:00 +0000 (UTC)

Final-Recipient: rfc822; ana@example.com
Original-Recipient: rfc822;ana@example.com
Action: {action}
Status: {status}
Remote-MTA: dns; inner.example.com
Diagnostic-Code: smtp; {diagnostic}

--B
Content-Description: Undelivered Message
Content-Type: {kind}

{returned}
--B--
"""


def report(**changes: str) -> str:
    values = {
        "subject": "Undelivered Mail Returned to Sender",
        "action": "failed",
        "status": "5.1.1",
        "diagnostic": "550 5.1.1 <ana@example.com>: Recipient address rejected:\n    User unknown",
        "kind": "message/rfc822",
        "returned": RETURNED + "\nYour order is on its way.\n",
    }
    return REPORT.format(**{**values, **changes})


def read(mail: str, *, mail_from: str | None = "") -> Notification | None:
    """As the screen reads it."""
    raw = mail.replace("\n", "\r\n").encode()
    parsed = parse.read(raw, id="b1", mailbox="support", received_at=NOW)
    ours = frozenset({"support@shop.example"})
    case = loops.Case(
        message=parsed.message,
        root=parsed.root,
        envelope=Envelope(mail_from=mail_from),
        addresses=ours,
        own_addresses=ours,
        own_lists=frozenset(),
        mark_key=KEY,
    )
    found = loops.automatic(case)
    return bounce.read(parsed.root, parsed.message, found[0] if found else None, mark_key=KEY)


def plain(text: str, *, sender: str = "MAILER-DAEMON@mx.example.com", fields: str = "Subject: failure notice\n") -> str:
    return f"From: {sender}\nTo: support@shop.example\n{fields}\n{text}"


def test_a_standard_report_names_the_mail_the_status_and_what_the_server_said() -> None:
    assert read(report()) == Notification(
        answered="m1",
        revision=2,
        action="failed",
        status="5.1.1",
        diagnostic="550 5.1.1 <ana@example.com>: Recipient address rejected: User unknown",
    )


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_what_is_no_failure_is_told_as_what_it_is(action: str) -> None:
    found = read(report(action=action, status="4.0.0" if action == "delayed" else "2.0.0"))
    assert found is not None
    assert found.action == action


@pytest.mark.parametrize(
    ("status", "action"), [("5.0.0", "failed"), ("4.4.7 (expired)", "delayed"), ("2.0.0", "delivered"), ("", "unknown")]
)
def test_without_an_action_the_class_of_the_status_says_it(status: str, action: str) -> None:
    found = read(report(status=status).replace("Action: failed\n", ""))
    assert found is not None
    assert found.action == action


def test_of_several_recipients_the_one_that_failed_counts() -> None:
    second = "250 2.0.0 ok\n\nFinal-Recipient: rfc822; b@example.com\nAction: FAILED (relay)\nStatus: 5.2.2"
    found = read(report(action="delivered", status="2.0.0", diagnostic=second))
    assert found is not None
    assert (found.action, found.status) == ("failed", "5.2.2")


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/global", "message/rfc822"])
def test_the_headers_alone_are_enough(kind: str) -> None:
    assert read(report(kind=kind, returned=RETURNED)) is not None


def test_a_relay_that_wrote_a_message_id_of_its_own_left_our_loop_token() -> None:
    rewritten = RETURNED.replace(OURS, "rewritten@relay.example")
    assert read(report(returned=rewritten)) is None
    assert read(report(returned=f"{rewritten}X-Triaged-Loop: {TOKEN}\n")) is not None


def test_a_mail_that_a_person_of_ours_wrote_in_the_same_thread_is_not_our_reply() -> None:
    theirs = RETURNED.replace(OURS, "by-hand@shop.example").replace("<abc@", f"<{OURS}> <abc@")
    assert read(report(returned=theirs)) is None


def test_a_report_without_the_mail_is_known_by_its_thread() -> None:
    bare = report(returned="X-Nothing: here\n").replace("MIME-Version", f"References: <x@y> <{OURS}>\nMIME-Version")
    assert read(bare) is not None
    told = report(returned="X-Nothing: here\n").replace("X-Postfix-Queue-ID: 4F1B", f"X-Original-Message-ID: <{OURS}>")
    assert read(told) is not None


QMAIL = f"""\
Hi. This is the qmail-send program at example.com.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ana@example.com>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <support@shop.example>
{RETURNED}
Your order is on its way.
"""
EXCHANGE = f"""\
Your message did not reach some or all of the intended recipients.

The following recipient(s) could not be reached:

      ana@example.com on 23.11.2026 09:00
            The e-mail account does not exist at the organization this message was sent to.
            <mx.example.com #5.1.1 smtp; 550 5.1.1 RESOLVER.ADR.RecipNotFound; not found>

Original message headers:
Subject: Re: Where is my order?
Message-ID: <{OURS}>
"""
HTML = f"<p>Diese Nachricht konnte nicht zugestellt werden: 550 5.7.1</p><pre>Message-ID: &lt;{OURS}&gt;</pre>"


def test_qmail_writes_a_letter() -> None:
    found = read(plain(QMAIL))
    assert found is not None
    assert (found.action, found.status) == ("failed", "5.1.1")
    assert found.diagnostic == "Sorry, no mailbox here by that name. (#5.1.1)"


def test_old_exchange_lists_the_headers_in_the_text() -> None:
    found = read(plain(EXCHANGE, fields="Subject: Undeliverable: Re: Where is my order?\n"))
    assert found is not None
    assert (found.action, found.status) == ("failed", "5.1.1")


def test_a_page_of_html_that_quotes_the_message_id() -> None:
    fields = "Subject: Unzustellbar: Re: Wo?\nContent-Type: text/html; charset=utf-8\n"
    found = read(plain(HTML, fields=fields, sender="postmaster@mx.example.com"))
    assert found is not None
    assert (found.action, found.status) == ("failed", "5.7.1")


def test_exim_names_the_failed_recipients_in_a_field() -> None:
    fields = "Subject: Mail delivery failed: returning message to sender\nX-Failed-Recipients: ana@example.com\n"
    text = f"  ana@example.com\n    host mx.example.com: 550 no such user\n\n------ This is a copy ------\n\n{RETURNED}"
    found = read(plain(text, fields=fields))
    assert found is not None
    assert (found.action, found.diagnostic) == ("failed", "host mx.example.com: 550 no such user")


def test_a_warning_in_free_form_is_a_delay() -> None:
    fields = "Subject: Warning: message 1abc delayed 24 hours\n"
    found = read(plain(f"It has not yet been delivered and will be retried.\n{RETURNED}", fields=fields))
    assert found is not None
    assert found.action == "delayed"


def test_an_answering_machine_with_an_empty_return_path_reports_no_failure() -> None:
    fields = f"Subject: Thank you for your mail\nIn-Reply-To: <{OURS}>\n"
    found = read(plain("I am away until Monday.", sender="ana@example.com", fields=fields))
    assert found is not None
    assert found.action == "unknown"
    fields += "Auto-Submitted: auto-replied\n"
    assert read(plain("I am away until Monday.", sender="ana@example.com", fields=fields)) is None


def test_what_a_person_writes_is_no_bounce_whatever_it_quotes() -> None:
    mail = plain(QMAIL, sender="ana@example.com", fields="Subject: Look at this\n")
    assert read(mail, mail_from="ana@example.com") is None


def test_nobody_can_make_up_a_mail_of_ours() -> None:
    forged = marks.message_id(b"another key" * 3, "m1", 2, "shop.example")
    assert read(report(returned=RETURNED.replace(OURS, forged))) is None
    other = OURS.replace(".2.", ".3.")
    assert read(report(returned=RETURNED.replace(OURS, other))) is None


@given(st.text(max_size=300), st.binary(max_size=300))
def test_no_report_however_broken_stops_the_reader(text: str, octets: bytes) -> None:
    noise = octets.decode("latin-1").replace("\n", " ")
    mail = report(status=text, diagnostic=noise, action=noise, returned=f"{text}\nMessage-ID: <{OURS}>\n")
    parsed = parse.read(mail.encode("utf-8", "replace"), id="b", mailbox="support", received_at=NOW)
    found = bounce.read(parsed.root, parsed.message, Reason.BOUNCE, mark_key=KEY)
    assert found is None or found.answered == "m1"
