import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.watch.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(1)
        yield server


def _notifier(server: socket.socket, **more: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": server.getsockname(), **more})


def test_ready_carries_the_status_line(systemd: socket.socket) -> None:
    _notifier(systemd).ready("3 mailboxes\n0 held")
    assert systemd.recv(4096) == b"READY=1\nSTATUS=3 mailboxes 0 held"


def test_reloading_carries_the_monotonic_time_that_systemd_asks_for(systemd: socket.socket) -> None:
    _notifier(systemd).reloading()
    first, second = systemd.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert second.removeprefix("MONOTONIC_USEC=").isdigit()


def test_stopping_status_and_alive_are_single_assignments(systemd: socket.socket) -> None:
    notifier = _notifier(systemd)
    notifier.stopping()
    notifier.status("idle")
    notifier.status("")
    notifier.alive()
    assert [systemd.recv(4096) for _ in range(3)] == [b"STOPPING=1", b"STATUS=idle", b"WATCHDOG=1"]


def test_an_abstract_address_is_reached() -> None:
    name = secrets.token_hex(8)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name)
        server.settimeout(1)
        Notifier({"NOTIFY_SOCKET": "@" + name}).alive()
        assert server.recv(4096) == b"WATCHDOG=1"


def test_without_systemd_nothing_is_said_and_nothing_fails(tmp_path: Path) -> None:
    Notifier({}).ready("x")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("x")


def test_the_watchdog_is_fed_at_half_of_its_time(systemd: socket.socket) -> None:
    assert _notifier(systemd, WATCHDOG_USEC="30000000").watchdog_interval == 15
    assert _notifier(systemd, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid())).watchdog_interval == 15


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}]
)
def test_no_watchdog_is_fed_that_is_not_ours(systemd: socket.socket, more: dict[str, str]) -> None:
    assert _notifier(systemd, **more).watchdog_interval is None
