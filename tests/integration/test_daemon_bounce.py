"""A reply leaves, and what a mail server sends back about it reaches the person who has to know."""

import pytest
from sqlmodel import select

from daemon.store.tables import Draft
from tests.fixtures.office import Office

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)

_REPORT = b"""\
From: MAILER-DAEMON@mx.example.com\r
To: support@shop.example\r
Subject: Undelivered Mail Returned to Sender\r
Message-ID: <report@mx.example.com>\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="B"\r
\r
--B\r
Content-Type: text/plain\r
\r
I could not deliver it.\r
--B\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.example.com\r
\r
Final-Recipient: rfc822; c0@example.com\r
Action: failed\r
Status: 5.2.2\r
Diagnostic-Code: smtp; 552 5.2.2 Mailbox full\r
\r
--B\r
Content-Type: message/rfc822\r
\r
%s\r
--B--\r
"""


async def test_a_mail_that_came_back_is_held_and_no_model_is_asked(office: Office) -> None:
    letter = office.house.letter("status")
    async with office.open():
        await office.post(letter.raw)
        (fate,) = await office.fates()
        assert (fate.outcome, fate.mails) == ("sent", 1)
        asked = len(office.brain.requests)
        await office.post(_REPORT % office.sink.received[0].raw)
        await office.until(lambda: office.house.fates()[0].reason == "bounced")
        drafts = office.daemon.store.read_now(lambda session: session.exec(select(Draft)).all())
    assert [(draft.state, draft.reasons, draft.priority) for draft in drafts] == [("held", "bounced", "high")]
    assert len(office.brain.requests) == asked
    assert len(office.sink.received) == 1
