"""IMAP against a real Dovecot: nothing lost, nothing twice, in order, through restarts and other clients."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from imapclient import IMAPClient

from daemon.errors import Unreachable
from daemon.inbound.arrival import Arrival, DoorState, Receipt
from daemon.secrets import Credential
from daemon.store.position import FolderCursor
from tests.fixtures.dovecot import PASSWORD, Dovecot
from tests.fixtures.imap_reader import QUICK, Intake, Open, deliver, other_client, until


async def test_mail_is_taken_in_uid_order_and_the_cursor_ends_at_the_last(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    deliver(dovecot, user, *(f"s{number}" for number in range(7)))
    await reader().start()
    await until(lambda: len(intake.arrivals) == 7)
    assert intake.subjects == [f"s{number}" for number in range(7)]
    assert [arrival.position.uid for arrival in intake.arrivals if arrival.position] == list(range(1, 8))
    assert all(abs((arrival.received_at.timestamp()) - time.time()) < 60 for arrival in intake.arrivals)
    assert all(arrival.received_at.tzinfo for arrival in intake.arrivals)


async def test_mail_that_comes_later_is_taken_once(dovecot: Dovecot, user: str, intake: Intake, reader: Open) -> None:
    door = reader()
    await door.start()
    deliver(dovecot, user, "one")
    await until(lambda: len(intake.arrivals) == 1)
    deliver(dovecot, user, "two")
    await until(lambda: len(intake.arrivals) == 2)
    await door.look()  # `n:*` names the last mail even when it is old (F3)
    assert intake.subjects == ["one", "two"]


async def test_a_restart_goes_on_behind_what_was_committed(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    deliver(dovecot, user, "one", "two")
    first = reader()
    await first.start()
    await until(lambda: len(intake.arrivals) == 2)
    await first.stop()
    assert first.state is DoorState.STOPPED
    deliver(dovecot, user, "three")
    await reader().start()
    await until(lambda: len(intake.arrivals) == 3)
    assert intake.subjects == ["one", "two", "three"]


async def test_since_now_leaves_old_mail_alone_and_loses_none_that_comes_before_the_next_start(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    deliver(dovecot, user, "old")
    first = reader(since="now")
    await first.start()
    await until(lambda: intake.at is not None)
    await first.stop()
    deliver(dovecot, user, "new")
    await reader(since="now").start()
    await until(lambda: len(intake.arrivals) == 1)
    assert intake.subjects == ["new"]


@pytest.mark.parametrize(("days", "taken"), [(-1, 2), (1, 0)])
async def test_since_a_date_takes_what_came_from_then_on(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open, days: int, taken: int
) -> None:
    deliver(dovecot, user, "one", "two")
    door = reader(since=date.today() + timedelta(days=days))  # noqa: DTZ011 - IMAP dates are local
    await door.start()
    await door.look()
    assert len(intake.arrivals) == taken


async def test_a_mail_that_can_not_be_committed_comes_again_before_those_behind_it(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    deliver(dovecot, user, "one", "two")
    intake.refuse = 3
    await reader().start()
    await until(lambda: len(intake.arrivals) == 2)
    assert intake.subjects == ["one", "two"]


async def test_a_rebuilt_folder_is_read_again_from_its_beginning(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    deliver(dovecot, user, "one")
    intake.at = FolderCursor(uidvalidity=1, last_uid=500)  # another UIDVALIDITY than the folder's
    await reader().start()
    await until(lambda: len(intake.arrivals) == 1)
    await until(lambda: intake.at is not None and intake.at.last_uid == 1)


async def test_mail_that_another_client_deletes_meanwhile_is_passed_over(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    deliver(dovecot, user, *(f"s{number}" for number in range(60)))  # more than one FETCH takes
    receive = intake.receive

    async def deleting(arrival: Arrival) -> Receipt:
        if not intake.arrivals:
            with other_client(dovecot, user) as client:
                client.delete_messages([55, 56, 57], silent=True)
                client.expunge()
        return await receive(arrival)

    intake.receive = deleting  # type: ignore[method-assign]
    await reader().start()
    await until(lambda: "s59" in intake.subjects)
    assert intake.subjects == [f"s{number}" for number in range(60) if number not in {54, 55, 56}]


async def test_a_mail_over_the_limit_comes_with_its_first_part_and_its_size(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    deliver(dovecot, user, "huge", size=300_000)
    await reader(max_size=200_000).start()
    await until(lambda: len(intake.arrivals) == 1)
    arrival = intake.arrivals[0]
    assert arrival.oversize is not None
    assert arrival.oversize > 300_000 - 78
    assert len(arrival.raw) == 100_000
    assert b"Subject: huge" in arrival.raw


async def test_a_server_that_dies_is_waited_for_and_nothing_is_lost(
    mortal_dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    door = reader(port=mortal_dovecot.imap)
    await door.start()
    deliver(mortal_dovecot, user, "before")
    await until(lambda: len(intake.arrivals) == 1)
    mortal_dovecot.kill()
    await until(lambda: door.state is DoorState.UNREACHABLE)
    with pytest.raises(Unreachable, match="can't be reached"):
        await door.find("INBOX", "x@y")
    mortal_dovecot.start()
    deliver(mortal_dovecot, user, "after")
    await until(lambda: len(intake.arrivals) == 2)
    assert intake.subjects == ["before", "after"]


async def test_a_wrong_password_is_told_and_not_hammered_and_a_corrected_one_is_tried_at_once(
    dovecot: Dovecot, user: str, reader: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    password, looked = "wrong", 0
    login = IMAPClient.plain_login

    def counted(self: IMAPClient, name: str, secret: str) -> Any:
        tried.append(secret)
        return login(self, name, secret)

    def credential() -> Credential:
        nonlocal looked
        looked += 1
        return Credential(password)

    monkeypatch.setattr(IMAPClient, "plain_login", counted)
    door = reader(credential=credential, timing=replace(QUICK, steady=0.02))
    await door.start()
    await until(lambda: door.state is DoorState.LOGIN_REFUSED)
    assert "password_file" in door.detail
    before = looked
    await until(lambda: looked > before + 5)
    assert tried == ["wrong"]
    password = PASSWORD
    await until(lambda: door.state is DoorState.WAITING)
    assert tried == ["wrong", PASSWORD]


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_tls_is_checked_against_the_ca_file(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open, tls: str
) -> None:
    deliver(dovecot, user, "one")
    port = dovecot.imaps if tls == "implicit" else dovecot.imap
    await reader(tls=tls, port=port, ca_file=dovecot.ca_file).start()
    await until(lambda: len(intake.arrivals) == 1)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_password_leaves(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open, tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IMAPClient, "plain_login", lambda *_: pytest.fail("the password was sent"))
    port = dovecot.imaps if tls == "implicit" else dovecot.imap
    door = reader(tls=tls, port=port)
    await door.start()
    await until(lambda: door.state is DoorState.TLS_REFUSED)
    assert "ca_file" in door.detail


async def test_a_copy_is_put_into_sent_and_found_by_its_message_id(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    door = reader()
    await door.start()
    assert not await door.find("Sent", "1@shop.example")
    raw = b"Message-ID: <1@shop.example>\r\nSubject: x\r\n\r\nHello\r\n"
    when = datetime(2026, 11, 2, 9, tzinfo=UTC)
    uidvalidity = await door.ask(lambda client: client.folder_status("Sent")[b"UIDVALIDITY"])
    assert await door.append("Sent", raw, ("\\Seen",), when) == (uidvalidity, 1)  # F10
    assert await door.find("Sent", "1@shop.example")
    assert not await door.find("Sent", "2@shop.example")
    with other_client(dovecot, user, "Sent") as client:
        assert b"\\Seen" in client.get_flags([1])[1]
        client.normalise_times = False
        assert client.fetch([1], ["INTERNALDATE"])[1][b"INTERNALDATE"] == when
    deliver(dovecot, user, "still read")
    await until(lambda: len(intake.arrivals) == 1)


async def test_a_folder_that_does_not_exist_is_told_and_reading_goes_on(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    door = reader()
    await door.start()
    with pytest.raises(Unreachable, match="folders and rights"):
        await door.find("Nowhere", "1@shop.example")
    deliver(dovecot, user, "one")
    await until(lambda: len(intake.arrivals) == 1)


async def test_no_literal_is_formatted_for_a_debug_log(reader: Open) -> None:
    door = reader()
    await door.start()
    assert await door.ask(lambda client: client._imap.debug) == 0  # F7: ten times the CPU otherwise
