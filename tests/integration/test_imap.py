"""IMAP against a real Dovecot: nothing lost, nothing twice, in order, through restarts and other clients."""

import asyncio
import contextlib
import signal
import smtplib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

from daemon.accounts import MailboxConfig
from daemon.errors import StoreBusy, Unreachable
from daemon.inbound import imap
from daemon.inbound.arrival import Arrival, Receipt
from daemon.inbound.imap import Reader
from daemon.store.position import Position
from tests.fixtures.dovecot import PASSWORD, Dovecot


@dataclass
class Desk:
    """A store in memory: what was committed, and the cursor that moved with it."""

    arrivals: list[Arrival] = field(default_factory=list)
    at: tuple[int, int] | None = None
    refuse: int = 0
    """How many mails are refused before the next is taken."""

    async def receive(self, arrival: Arrival) -> Receipt:
        if self.refuse:
            self.refuse -= 1
            raise StoreBusy("The store is busy. It is tried again.")
        assert arrival.position is not None
        self.arrivals.append(arrival)
        self.at = (arrival.position.uidvalidity, arrival.position.uid)
        return Receipt(message=f"m{len(self.arrivals)}")

    async def cursor(self) -> tuple[int, int] | None:
        return self.at

    async def begin(self, position: Position) -> None:
        self.at = (position.uidvalidity, position.uid)

    @property
    def subjects(self) -> list[str]:
        return [arrival.raw.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for arrival in self.arrivals]


Open = Callable[..., Reader]


@pytest.fixture
def user(dovecot: Dovecot) -> str:
    return dovecot.user()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def reader(dovecot: Dovecot, user: str, desk: Desk) -> AsyncIterator[Open]:
    """Makes readers of the user's INBOX, and stops them at the end."""
    opened: list[Reader] = []

    def make(**changes: Any) -> Reader:
        settings: dict[str, Any] = {
            "kind": "imap",
            "address": "support@shop.example",
            "host": "127.0.0.1",
            "port": dovecot.imap,
            "tls": "none",
            "user": user,
            "password_file": Path("unused"),
            "poll": 0.1,
            "since": "all",
        }
        password = changes.pop("password", PASSWORD)
        config = MailboxConfig.model_validate(settings | changes)
        made = Reader(
            "support", config, password=lambda: password, receive=desk.receive, cursor=desk.cursor, begin=desk.begin
        )
        opened.append(made)
        return made

    yield make
    await asyncio.gather(*(each.stop() for each in opened))


def deliver(dovecot: Dovecot, user: str, *subjects: str, size: int = 0) -> None:
    """Deliver mails over Dovecot's LMTP."""
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp) as client:
        for subject in subjects:
            filling = ("x" * 76 + "\r\n") * (size // 78)
            mail = f"From: a@example.com\r\nTo: support@shop.example\r\nSubject: {subject}\r\n\r\nHello\r\n{filling}"
            client.sendmail("a@example.com", [f"{user}@localhost"], mail)


@contextlib.contextmanager
def other_client(dovecot: Dovecot, user: str, folder: str = "INBOX") -> Any:
    with IMAPClient("127.0.0.1", dovecot.imap, ssl=False, timeout=10) as client:
        client.login(user, PASSWORD)
        client.select_folder(folder)
        yield client


async def until(condition: Callable[[], bool], what: str = "it did not happen", seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


async def test_mail_is_taken_in_uid_order_and_the_cursor_ends_at_the_last(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open
) -> None:
    deliver(dovecot, user, *(f"s{number}" for number in range(7)))
    await reader().start()
    await until(lambda: len(desk.arrivals) == 7)
    assert desk.subjects == [f"s{number}" for number in range(7)]
    assert [arrival.position.uid for arrival in desk.arrivals if arrival.position] == list(range(1, 8))
    assert all(abs((arrival.received_at.timestamp()) - time.time()) < 60 for arrival in desk.arrivals)
    assert all(arrival.received_at.tzinfo for arrival in desk.arrivals)


async def test_mail_that_comes_later_is_taken_once(dovecot: Dovecot, user: str, desk: Desk, reader: Open) -> None:
    await reader().start()
    deliver(dovecot, user, "one")
    await until(lambda: len(desk.arrivals) == 1)
    deliver(dovecot, user, "two")
    await until(lambda: len(desk.arrivals) == 2)
    await asyncio.sleep(0.4)  # several polls; `n:*` names the last mail even when it is old (F3)
    assert desk.subjects == ["one", "two"]


async def test_a_restart_goes_on_behind_what_was_committed(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open
) -> None:
    deliver(dovecot, user, "one", "two")
    first = reader()
    await first.start()
    await until(lambda: len(desk.arrivals) == 2)
    await first.stop()
    assert first.state == "stopped"
    deliver(dovecot, user, "three")
    await reader().start()
    await until(lambda: len(desk.arrivals) == 3)
    assert desk.subjects == ["one", "two", "three"]


async def test_since_now_leaves_old_mail_alone_and_loses_none_that_comes_before_the_next_start(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open
) -> None:
    deliver(dovecot, user, "old")
    first = reader(since="now")
    await first.start()
    await until(lambda: desk.at is not None)
    await first.stop()
    deliver(dovecot, user, "new")
    await reader(since="now").start()
    await until(lambda: len(desk.arrivals) == 1)
    assert desk.subjects == ["new"]


@pytest.mark.parametrize(("days", "taken"), [(-1, 2), (1, 0)])
async def test_since_a_date_takes_what_came_from_then_on(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open, days: int, taken: int
) -> None:
    deliver(dovecot, user, "one", "two")
    await reader(since=date.today() + timedelta(days=days)).start()  # noqa: DTZ011 - IMAP dates are local
    await until(lambda: desk.at is not None)
    await asyncio.sleep(0.3)
    assert len(desk.arrivals) == taken


async def test_a_mail_that_can_not_be_committed_comes_again_before_those_behind_it(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "_STORE_WAIT", 0.05)
    deliver(dovecot, user, "one", "two")
    desk.refuse = 3
    await reader().start()
    await until(lambda: len(desk.arrivals) == 2)
    assert desk.subjects == ["one", "two"]


async def test_committed_mail_is_marked_and_stays_unseen(dovecot: Dovecot, user: str, desk: Desk, reader: Open) -> None:
    deliver(dovecot, user, "one")
    await reader().start()
    await until(lambda: len(desk.arrivals) == 1)

    def flags() -> tuple[bytes, ...]:
        with other_client(dovecot, user) as client:
            return tuple(client.get_flags([1])[1])

    await until(lambda: b"$Triaged" in flags())
    assert b"\\Seen" not in flags()


async def test_a_rebuilt_folder_is_read_again_from_its_beginning(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open
) -> None:
    deliver(dovecot, user, "one")
    desk.at = (1, 500)  # another UIDVALIDITY than the folder's
    await reader().start()
    await until(lambda: len(desk.arrivals) == 1)
    assert desk.at is not None
    assert desk.at[1] == 1


async def test_mail_that_another_client_deletes_meanwhile_is_passed_over(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open
) -> None:
    deliver(dovecot, user, *(f"s{number}" for number in range(20)))
    receive = desk.receive

    async def deleting(arrival: Arrival) -> Receipt:
        if not desk.arrivals:
            with other_client(dovecot, user) as client:
                client.delete_messages([5, 6, 7], silent=True)
                client.expunge()
        return await receive(arrival)

    desk.receive = deleting  # type: ignore[method-assign]
    await reader().start()
    await until(lambda: "s19" in desk.subjects)
    assert desk.subjects == [f"s{number}" for number in range(20) if number not in {4, 5, 6}]


async def test_a_mail_over_the_limit_comes_with_its_first_part_and_its_size(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open
) -> None:
    deliver(dovecot, user, "huge", size=300_000)
    await reader(max_size=200_000).start()
    await until(lambda: len(desk.arrivals) == 1)
    arrival = desk.arrivals[0]
    assert arrival.oversize is not None
    assert arrival.oversize > 300_000 - 78
    assert len(arrival.raw) == 100_000
    assert b"Subject: huge" in arrival.raw


async def test_a_server_that_dies_is_waited_for_and_nothing_is_lost(
    mortal_dovecot: Dovecot, user: str, desk: Desk, reader: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "_FIRST_WAIT", 0.05)
    door = reader(port=mortal_dovecot.imap)
    await door.start()
    deliver(mortal_dovecot, user, "before")
    await until(lambda: len(desk.arrivals) == 1)
    mortal_dovecot.kill()
    await until(lambda: "lost or refused" in door.state)
    with pytest.raises(Unreachable, match="can't be reached"):
        await door.find("INBOX", "x@y")
    mortal_dovecot.start()
    deliver(mortal_dovecot, user, "after")
    await until(lambda: len(desk.arrivals) == 2)
    assert desk.subjects == ["before", "after"]


async def test_a_server_that_freezes_is_noticed_and_left(
    mortal_dovecot: Dovecot, user: str, desk: Desk, reader: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "_FIRST_WAIT", 0.05)
    monkeypatch.setattr(imap, "TIMEOUT", 0.3)
    door = reader(port=mortal_dovecot.imap)
    await door.start()
    await until(lambda: door.state == "waiting for mail")
    mortal_dovecot.signal(signal.SIGSTOP)
    await until(lambda: "lost or refused" in door.state)
    mortal_dovecot.signal(signal.SIGCONT)
    deliver(mortal_dovecot, user, "after")
    await until(lambda: desk.subjects == ["after"])


async def test_a_wrong_password_is_told_and_not_hammered(
    dovecot: Dovecot, user: str, reader: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = 0
    login = IMAPClient.login

    def counted(self: IMAPClient, *args: Any) -> Any:
        nonlocal logins
        logins += 1
        return login(self, *args)

    monkeypatch.setattr(IMAPClient, "login", counted)
    door = reader(password="wrong", user="x" + user)
    await door.start()
    await until(lambda: "refuses the login" in door.state)
    await asyncio.sleep(0.5)
    assert logins == 1
    assert "password_file" in door.state


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_tls_is_checked_against_the_ca_file(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open, tls: str
) -> None:
    deliver(dovecot, user, "one")
    port = dovecot.imaps if tls == "implicit" else dovecot.imap
    await reader(tls=tls, port=port, ca_file=dovecot.ca_file).start()
    await until(lambda: len(desk.arrivals) == 1)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_password_leaves(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open, tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IMAPClient, "login", lambda *_: pytest.fail("the password was sent"))
    port = dovecot.imaps if tls == "implicit" else dovecot.imap
    door = reader(tls=tls, port=port)
    await door.start()
    await until(lambda: "certificate" in door.state)
    assert "ca_file" in door.state


async def test_a_copy_is_put_into_sent_and_found_by_its_message_id(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open
) -> None:
    door = reader()
    await door.start()
    assert not await door.find("Sent", "1@shop.example")
    await door.append("Sent", b"Message-ID: <1@shop.example>\r\nSubject: x\r\n\r\nHello\r\n", ("\\Seen",))
    assert await door.find("Sent", "1@shop.example")
    assert not await door.find("Sent", "2@shop.example")
    with other_client(dovecot, user, "Sent") as client:
        assert b"\\Seen" in client.get_flags([1])[1]
    deliver(dovecot, user, "still read")
    await until(lambda: len(desk.arrivals) == 1)


async def test_a_folder_that_does_not_exist_is_told_and_reading_goes_on(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open
) -> None:
    door = reader()
    await door.start()
    with pytest.raises(Unreachable, match="folders and rights"):
        await door.find("Nowhere", "1@shop.example")
    deliver(dovecot, user, "one")
    await until(lambda: len(desk.arrivals) == 1)


async def test_mail_is_flagged_and_moved_also_into_a_new_folder_with_letters_of_its_language(
    dovecot: Dovecot, user: str, desk: Desk, reader: Open
) -> None:
    deliver(dovecot, user, "one", "two")
    door = reader()
    await door.start()
    await until(lambda: len(desk.arrivals) == 2)
    first, second = (arrival.position for arrival in desk.arrivals)
    assert first is not None
    assert second is not None
    await door.mark(first, keywords=("$TriagedHeld", "\\Flagged"))
    await door.mark(second, move_to="Rückfragen")
    await door.mark(second, move_to="Rückfragen")  # it is gone from here: nothing happens
    stale = Position(folder="INBOX", uidvalidity=first.uidvalidity + 1, uid=first.uid)
    await door.mark(stale, move_to="Trash")
    with other_client(dovecot, user) as client:
        assert client.search() == [1]
        assert {b"$TriagedHeld", b"\\Flagged", b"$Triaged"} <= set(client.get_flags([1])[1])
    with other_client(dovecot, user, "Rückfragen") as client:
        assert len(client.search()) == 1


async def test_no_literal_is_formatted_for_a_debug_log(
    dovecot: Dovecot, user: str, reader: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[IMAPClient] = []
    connect = Reader._connect

    def kept(self: Reader) -> IMAPClient:
        made.append(connect(self))
        return made[-1]

    monkeypatch.setattr(Reader, "_connect", kept)
    await reader().start()
    await until(lambda: bool(made))
    assert made[0]._imap.debug == 0  # F7: ten times the CPU otherwise
