"""What mail servers and senders do wrong, met by the real process: mail is refused, held, or waits."""

import random
import smtplib
from collections.abc import Iterator

import pytest

from tests.e2e.house import House
from tests.e2e.processes import PATIENCE, Runner, hand_in, wait_for
from tests.e2e.sink import ThreadedSink

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
HUGE = b"From: c1@example.com\r\nTo: support@shop.example\r\nSubject: Plans\r\n\r\n" + (b"x" * 76 + b"\r\n") * 770_000
"""60 MB."""


def content_refused(house: House, content: bytes) -> tuple[int, bytes]:
    """What the LMTP door answers for a mail that it does not take, told its size beforehand or not."""
    with smtplib.LMTP("127.0.0.1", house.lmtp, timeout=PATIENCE) as client:
        client.ehlo_or_helo_if_needed()
        client.mail("c1@example.com")
        client.rcpt("support@shop.example")
        return client.data(content)


def test_mail_that_no_one_can_read_is_refused_or_held_and_the_next_one_is_answered(
    house: House, runner: Runner
) -> None:
    maildir = '[mailbox.box]\nkind = "maildir"\naddress = "box@shop.example"\npath = "box"\nmode = "live"\n[smtp]'
    house.change("triaged.toml", "[smtp]", maildir)
    house.change("rules.toml", "sender.verified", "true")
    daemon = runner.start(house.directory)
    assert daemon.ready(), daemon.said()
    assert content_refused(house, HUGE) == (552, b"5.3.4 The mail is larger than 25000000 octets. Send a smaller one.")
    noise = random.Random(7).randbytes(30_000).replace(b"\n", b"\r\n")
    with smtplib.LMTP("127.0.0.1", house.lmtp, timeout=PATIENCE) as client:
        for content in (noise, b"no mail at all", b"\r\n\r\n\r\n", b"Subject: x"):
            assert client.sendmail("c1@example.com", ["support@shop.example"], content) == {}
    for number, content in enumerate((HUGE.replace(b"support@", b"box@"), noise, b"")):
        (house.directory / "box" / "tmp" / str(number)).write_bytes(content)
        (house.directory / "box" / "tmp" / str(number)).rename(house.directory / "box" / "new" / str(number))
    assert hand_in(house.lmtp, house.letter("status"))
    assert wait_for(lambda: house.fates()[0].outcome == "sent"), [*house.fates(), daemon.said()]
    assert wait_for(lambda: not list((house.directory / "box" / "new").iterdir())), daemon.said()
    assert wait_for(lambda: all(mail.state in {"held", "done"} for mail in house.mails())), daemon.said()
    bad = [mail for mail in house.mails() if mail.outcome != "sent"]
    assert len(bad) == 7
    assert {mail.outcome for mail in bad} <= {None, "ignored"}
    assert [mail.reason for mail in bad if mail.size > 25_000_000] == ["oversize"]
    assert "Traceback" not in daemon.said()


def test_replies_that_the_mail_server_refuses_wait_or_are_held(
    house: House, runner: Runner, sink: ThreadedSink
) -> None:
    daemon = runner.start(house.directory)
    assert daemon.ready(), daemon.said()
    answers: Iterator[str | None] = iter(["451 4.3.0 Later", "450 4.2.0 Busy"])
    sink.decide(lambda phase: next(answers, None) if phase == "rcpt" else None)
    assert hand_in(house.lmtp, house.letter("status"))
    assert wait_for(lambda: house.fates()[0].outcome == "sent"), [*house.fates(), daemon.said()]
    assert daemon.said().count("reply.waiting") == 2
    sink.decide(lambda phase: "550 5.1.1 No such user" if phase == "rcpt" else None)
    assert hand_in(house.lmtp, house.letter("status"))
    assert hand_in(house.lmtp, house.letter("cancel"))
    assert wait_for(lambda: all(fate.ended for fate in house.fates())), [*house.fates(), daemon.said()]
    told = [(fate.reason, fate.mails, fate.cancellations) for fate in house.fates()]
    assert told == [(None, 1, 0), ("refused-by-server", 0, 0), ("applied-not-sent", 0, 1)]
