"""The reader in IDLE against a real Dovecot: what wakes it, and how it notices that the server is gone."""

import asyncio
import os
import signal
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from daemon.errors import StoreBusy, Unreachable
from daemon.inbound.arrival import Arrival, DoorState, Receipt
from daemon.inbound.imap import Reader
from tests.fixtures.dovecot import Dovecot
from tests.fixtures.imap_reader import QUICK, Intake, Open, deliver, mail, other_client, put, until

NEVER = replace(QUICK, round=3600.0)
"""No round ends within a test."""


async def idling(door: Reader) -> None:
    await door.start()
    await until(lambda: door.state is DoorState.WAITING)


def imap_processes(server: Dovecot) -> list[int]:
    """The processes that serve logged-in connections."""
    assert server.process is not None
    listed = subprocess.run(["ps", "-o", "pid=,args=", "-g", str(server.process.pid)], capture_output=True, check=True)
    lines = [line.split(None, 1) for line in listed.stdout.decode().splitlines()]
    return [int(pid) for pid, name in lines if name.startswith("dovecot/imap") and "login" not in name]


async def test_new_mail_wakes_the_reader_without_a_poll(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    door = reader(poll="1h", timing=NEVER)
    await idling(door)
    deliver(dovecot, user, "one")
    await until(lambda: intake.subjects == ["one"])
    deliver(dovecot, user, "two", "three")
    await until(lambda: intake.subjects == ["one", "two", "three"])


async def test_mail_that_comes_while_the_reader_is_busy_does_not_wait_for_the_next_round(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    """Its EXISTS comes in the answer to another command, and IDLE does not repeat it."""
    receive = intake.receive

    async def delivering(arrival: Arrival) -> Receipt:
        if not intake.arrivals:
            await asyncio.get_running_loop().run_in_executor(None, deliver, dovecot, user, "meanwhile")
        return await receive(arrival)

    intake.receive = delivering  # type: ignore[method-assign]
    await reader(poll="1h", timing=NEVER).start()
    deliver(dovecot, user, "one")
    await until(lambda: intake.subjects == ["one", "meanwhile"])


async def test_what_the_loop_asks_for_interrupts_idle_and_all_of_it_runs_on_one_thread(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    """F8: two threads on one connection break it."""
    door = reader(poll="1h", timing=NEVER)
    await idling(door)
    names = await asyncio.gather(*(door.ask(lambda _: threading.current_thread().name) for _ in range(8)))
    assert set(names) == {"imap-support"}
    assert await door.ask(lambda client: client.search(["UID", "1:*"]), folder="Sent") == []
    deliver(dovecot, user, "one")
    await until(lambda: intake.subjects == ["one"])


async def test_a_look_returns_when_all_that_was_there_is_committed(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    door = reader(poll="1h", timing=NEVER)
    await idling(door)
    deliver(dovecot, user, "one", "two")
    await door.look()
    assert intake.subjects == ["one", "two"]
    intake.refuse = 1_000_000
    deliver(dovecot, user, "three")
    with pytest.raises(StoreBusy):
        await door.look()
    assert door.state is DoorState.STORE_AWAY
    intake.refuse = 0
    await door.look()
    assert intake.subjects == ["one", "two", "three"]


async def test_work_that_fails_of_itself_is_the_callers_matter(reader: Open) -> None:
    door = reader(poll="1h", timing=NEVER)
    await idling(door)
    with pytest.raises(ZeroDivisionError):
        await door.ask(lambda _: 1 // 0)
    with pytest.raises(Unreachable, match=r"folder Nowhere.*Check its folders") as refused:
        await door.ask(lambda client: client.noop(), folder="Nowhere")
    assert "example" not in str(refused.value)
    assert door.state is DoorState.WAITING


async def test_a_connection_that_is_killed_in_idle_is_noticed_at_once_and_made_again_once(
    mortal_dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    """F4: idle_check() says [] of a dead connection, again and again."""
    door = reader(port=mortal_dovecot.imap, poll="1h", timing=NEVER)
    await idling(door)
    for pid in imap_processes(mortal_dovecot):
        os.kill(pid, signal.SIGKILL)
    await until(lambda: DoorState.UNREACHABLE in [state for state, _, _ in intake.told])
    deliver(mortal_dovecot, user, "after")
    await until(lambda: intake.subjects == ["after"])
    assert [failures for state, _, failures in intake.told if state is DoorState.UNREACHABLE] == [1]


async def test_a_server_that_freezes_in_idle_is_left_when_done_gets_no_answer(
    mortal_dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    """F4: only DONE finds out. What was asked meanwhile is refused, not kept waiting."""
    door = reader(port=mortal_dovecot.imap, poll="1h", timing=replace(NEVER, timeout=0.3))
    await idling(door)
    mortal_dovecot.signal(signal.SIGSTOP)
    with pytest.raises(Unreachable):
        await door.look()
    await until(lambda: door.state is DoorState.UNREACHABLE)
    mortal_dovecot.signal(signal.SIGCONT)
    deliver(mortal_dovecot, user, "after")
    await until(lambda: intake.subjects == ["after"])


async def test_a_server_that_is_restarted_in_idle_loses_nothing(
    mortal_dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    """F5: SIGTERM does not end a connection in IDLE; the round does."""
    door = reader(port=mortal_dovecot.imap, timing=replace(QUICK, round=0.2))
    await idling(door)
    await asyncio.get_running_loop().run_in_executor(None, mortal_dovecot.stop)
    mortal_dovecot.start()
    deliver(mortal_dovecot, user, "after")
    await until(lambda: intake.subjects == ["after"])


async def test_a_folder_that_is_deleted_and_made_anew_under_the_reader_is_read_again(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    """F12: the selected folder is a ghost from then on; the next round's SELECT, or an error, finds out."""
    with other_client(dovecot, user) as client:
        client.create_folder("Anfragen für heute")
        door = reader(folder="Anfragen für heute", since="now", timing=replace(QUICK, round=0.2))
        await idling(door)
        client.append("Anfragen für heute", mail("before").encode())
        await until(lambda: intake.subjects == ["before"])
        assert intake.at is not None
        old = intake.at.uidvalidity
        client.delete_folder("Anfragen für heute")
        client.create_folder("Anfragen für heute")
        client.append("Anfragen für heute", mail("of last year").encode(), (), datetime(2025, 11, 2, 9, tzinfo=UTC))
        client.append("Anfragen für heute", mail("after").encode())
        await until(lambda: intake.subjects == ["before", "after"])
        await until(lambda: intake.at is not None and intake.at.uidvalidity != old)
        client.append("Anfragen für heute", mail("and again").encode())
        await until(lambda: intake.subjects == ["before", "after", "and again"])


async def test_other_clients_that_flag_and_expunge_all_the_time_cost_no_mail(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    await idling(reader(poll="1h", timing=NEVER))
    kept = [f"s{number}" for number in range(40) if number % 3]
    stop = threading.Event()

    def meddle() -> None:
        with other_client(dovecot, user) as client:
            while not stop.is_set():
                uids = client.search()
                client.add_flags(uids, [b"\\Flagged"], silent=True) if uids else client.noop()
                client.delete_messages([uid for uid in uids if uid % 3 == 1], silent=True)
                client.expunge()

    thread = threading.Thread(target=meddle)
    thread.start()
    try:
        for number in range(0, 40, 5):
            await asyncio.get_running_loop().run_in_executor(
                None, deliver, dovecot, user, *(f"s{each}" for each in range(number, number + 5))
            )
        await until(lambda: set(kept) <= set(intake.subjects))
    finally:
        stop.set()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
    assert len(intake.subjects) == len(set(intake.subjects))


async def test_the_position_in_time_of_a_folder_is_kept_with_its_highest_modseq(
    dovecot: Dovecot, user: str, intake: Intake, reader: Open
) -> None:
    """F9: HIGHESTMODSEQ is told only when CONDSTORE was enabled, which must be before SELECT."""
    put(dovecot, user, "one", datetime(2026, 11, 2, 9, tzinfo=UTC))
    await idling(reader())
    await until(lambda: intake.at is not None and intake.at.caught_up_at is not None)
    assert intake.at is not None
    assert (intake.at.modseq or 0) > 0
    assert intake.arrivals[0].received_at == datetime(2026, 11, 2, 9, tzinfo=UTC)


async def test_a_reader_that_is_stopped_stops_at_once_even_when_the_server_does_not_answer(
    mortal_dovecot: Dovecot, user: str, reader: Open
) -> None:
    door = reader(port=mortal_dovecot.imap, poll="1h", timing=replace(NEVER, timeout=3600.0, farewell=0.1))
    await idling(door)
    mortal_dovecot.signal(signal.SIGSTOP)
    await asyncio.wait_for(door.stop(), 10)
    assert door.state is DoorState.STOPPED
    with pytest.raises(Unreachable, match="closed"):
        await door.look()
