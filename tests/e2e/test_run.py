"""`triaged run` as systemd and people see it: signals, notifications, and what keeps it from starting."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from daemon.outbound.sink import Phase
from tests.e2e.house import House
from tests.e2e.processes import PATIENCE, Daemon, Runner, hand_in, wait_for
from tests.e2e.sink import ThreadedSink
from tests.e2e.test_kill import MailServer, settled

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def refused(runner: Runner, house: House, **options: str) -> Daemon:
    """A daemon that did not start."""
    daemon = runner.start(house.directory, **options)
    assert daemon.gone(within=PATIENCE)
    assert "Traceback" not in daemon.said()
    return daemon


def test_sigterm_ends_it_with_0_and_nothing_is_lost(house: House, runner: Runner) -> None:
    server = MailServer(house)
    for _ in range(4):
        server.accept("status", "cancel")
    daemon = runner.start(house.directory)
    assert daemon.ready(), daemon.said()
    server.flush()
    daemon.signal(signal.SIGTERM)
    assert daemon.gone(within=20), daemon.said()
    assert (daemon.code, daemon.said().count("Traceback")) == (0, 0), daemon.said()
    assert daemon.alone(within=5)
    daemon = runner.start(house.directory)
    assert wait_for(lambda: settled(house, server)), [*house.fates(), daemon.said()]
    assert [(fate.outcome, fate.mails, fate.cancellations) for fate in house.fates()] == [
        ("sent", 1, 0),
        ("sent", 1, 1),
    ] * 4


def test_sighup_loads_a_release_or_keeps_the_old_one_and_says_why(house: House, runner: Runner) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{house.directory}")
        systemd.settimeout(PATIENCE)
        daemon = runner.start(house.directory, NOTIFY_SOCKET=f"@{house.directory}")
        assert systemd.recv(1000).startswith(b"READY=1\nSTATUS=reading support")
        house.change("rules.toml", "sender.verified", "sender.verifyed")
        daemon.signal(signal.SIGHUP)
        assert systemd.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert systemd.recv(1000) == b"READY=1"
        assert "daemon.reload-refused" in daemon.said()
        assert "rules.toml:4" in daemon.said()
        assert hand_in(house.lmtp, house.letter("status"))
        assert wait_for(lambda: house.fates()[0].outcome == "sent"), [*house.fates(), daemon.said()]
        house.change("rules.toml", "sender.verifyed", "!sender.verified")
        daemon.signal(signal.SIGHUP)
        assert wait_for(lambda: "daemon.reloaded" in daemon.said())
        assert hand_in(house.lmtp, house.letter("status"))
        assert wait_for(lambda: house.fates()[1].reason == "no-rule"), [*house.fates(), daemon.said()]
        daemon.signal(signal.SIGTERM)
        assert wait_for(lambda: systemd.recv(1000) == b"STOPPING=1")


def test_a_second_daemon_on_one_sqlite_store_is_refused(house: House, runner: Runner) -> None:
    assert runner.start(house.directory).ready()
    second = refused(runner, house)
    assert (second.code, second.said().count("\n")) == (1, 1)
    assert f"Another `triaged run` uses {house.directory}/triaged.db. Stop it first" in second.said()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DELETE FROM alembic_version", "Run `triaged db upgrade`."),
        ("UPDATE alembic_version SET version_num = '9999'", "Install the newer version again, or restore a backup."),
    ],
)
def test_a_store_of_another_schema_is_left_alone(house: House, runner: Runner, change: str, told: str) -> None:
    with closing(sqlite3.connect(house.directory / "triaged.db")) as store, store:
        store.execute(change)
    daemon = refused(runner, house)
    assert daemon.code == 78
    assert told in daemon.said()


def test_a_port_in_use_is_told_and_can_be_tried_again(house: House, runner: Runner) -> None:
    with socket.create_server(("127.0.0.1", house.lmtp)):
        daemon = refused(runner, house)
    assert daemon.code == 3
    assert f"Mailbox support can't listen on 127.0.0.1:{house.lmtp}: Address already in use." in daemon.said()
    assert daemon.alone(within=5)


def test_a_store_in_a_folder_that_can_not_be_written_is_told(house: House) -> None:
    state = house.directory / "state"
    state.mkdir()
    for name in ("triaged.db", "keys.db", "master.key"):
        (house.directory / name).rename(state / name)
    house.change("triaged.toml", f"{house.directory}/triaged.db", f"{state}/triaged.db")
    house.change("triaged.toml", "sqlite:///keys.db", f"sqlite:///{state}/keys.db")
    state.chmod(0o555)
    # root may write everywhere, unless it gives that right up: capabilities(7)
    humbly = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    command = [*humbly, str(Path(sys.executable).with_name("triaged")), "run", "--config", str(house.directory)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    state.chmod(0o755)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert f"The store {state}/triaged.db can't be written: Permission denied. Check the owner" in ended.stderr


def test_a_store_that_is_not_there_is_told(house: House, runner: Runner) -> None:
    (house.directory / "triaged.db").unlink()
    daemon = refused(runner, house)
    assert daemon.code == 1
    assert f"Run `triaged db upgrade --config {house.directory}`." in daemon.said()


def test_faults_of_the_configuration_are_told_all_at_once(house: House, runner: Runner) -> None:
    house.change("triaged.toml", "retry_first", "retry_frist")
    (house.directory / "api.key").unlink()
    daemon = refused(runner, house)
    assert daemon.code == 78
    assert "retry_frist" in daemon.said()
    shutil.rmtree(house.directory / "handlers")
    house.change("triaged.toml", "retry_frist", "retry_first")
    daemon = refused(runner, house)
    assert daemon.code == 78
    assert "api.key" in daemon.said()


def test_sigterm_waits_for_the_answer_to_a_reply_that_is_on_its_way(
    house: House, runner: Runner, sink: ThreadedSink
) -> None:
    asked, answered = threading.Event(), threading.Event()

    def slowly(phase: Phase) -> None:
        if phase == "stored":
            asked.set()
            assert answered.wait(PATIENCE)

    sink.decide(slowly)
    daemon = runner.start(house.directory)
    assert daemon.ready(), daemon.said()
    assert hand_in(house.lmtp, house.letter("status"))
    assert asked.wait(PATIENCE)
    daemon.signal(signal.SIGTERM)
    assert wait_for(lambda: "daemon.stopping" in daemon.said())
    assert not daemon.gone(within=0.5), "it waits"
    answered.set()
    assert daemon.gone(within=20), daemon.said()
    assert (house.fates()[0].outcome, house.fates()[0].mails) == ("sent", 1), daemon.said()
