"""Large mailboxes and large mails: `make crash` runs these, and prints what they took."""

import socket
import time

import pytest

from tests.fixtures.dovecot import PASSWORD, Dovecot, running
from tests.fixtures.imap_reader import Intake, Open, mail, other_client, until

pytestmark = pytest.mark.long


def fill(server: Dovecot, user: str, count: int) -> None:
    """Old mails, a thousand a command (RFC 3502, RFC 7888): one by one they would take minutes."""
    with socket.create_connection(("127.0.0.1", server.imap)) as sock, sock.makefile("rb") as lines:

        def say(command: bytes) -> None:
            sock.sendall(command + b"\r\n")
            while (line := lines.readline()).startswith(b"*"):
                pass
            assert line.startswith(b"1 OK"), line

        say(f"1 LOGIN {user} {PASSWORD}".encode())
        for start in range(0, count, 1000):
            raws = (mail(f"old{number}").encode() for number in range(start, start + 1000))
            say(b"1 APPEND INBOX" + b"".join(b" {%d+}\r\n%s" % (len(raw), raw) for raw in raws))


async def test_a_mailbox_of_a_hundred_thousand_old_mails_is_begun_at_its_end(intake: Intake, reader: Open) -> None:
    with running("mail_location = mdbox:~/mdbox\n") as server:
        fill(server, "support", 100_000)
        began = time.monotonic()
        with other_client(server, "support") as client:
            assert len(client.search(["UID", "99001:*"])) == 1000
        indexed = time.monotonic() - began
        for turn in ("first start", "second start"):
            door = reader(port=server.imap, user="support", since="now")
            began = time.monotonic()
            await door.start()
            await door.look()
            took = f"{turn} {time.monotonic() - began:.3f} s, the server's own first index {indexed:.1f} s"
            print(f"100,000 old mails: {took}")  # noqa: T201 - a figure for docs/reliability.md
            await door.stop()
        door = reader(port=server.imap, user="support", since="now")
        await door.start()
        with other_client(server, "support") as client:
            client.append("INBOX", mail("new").encode())
        await until(lambda: intake.subjects == ["new"])


async def test_a_mail_of_fifty_megabytes_is_taken_whole_where_that_is_allowed_and_in_part_elsewhere(
    intake: Intake, reader: Open
) -> None:
    raw = mail("huge").encode() + (b"x" * 76 + b"\r\n") * (50_000_000 // 78)
    with running() as server:
        with other_client(server, "support") as client:
            client.append("INBOX", raw)
        began = time.monotonic()
        door = reader(port=server.imap, user="support", max_size=60_000_000)
        await door.start()
        await until(lambda: len(intake.arrivals) == 1, seconds=60)
        print(f"50 MB: {time.monotonic() - began:.2f} s")  # noqa: T201 - as above
        assert intake.arrivals[0].raw == raw
        await door.stop()
        intake.at = None
        await reader(port=server.imap, user="support").start()
        await until(lambda: len(intake.arrivals) == 2)
        assert (len(intake.arrivals[1].raw), intake.arrivals[1].oversize) == (100_000, len(raw))
