"""A Maildir: what is delivered into it is taken once, and stays in new/ until it is committed."""

import asyncio
import contextlib
import mailbox
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.accounts import MailboxConfig
from daemon.errors import StoreBusy, Unreachable
from daemon.inbound import maildir
from daemon.inbound.arrival import Arrival, DoorState, Receipt
from daemon.inbound.condition import Tell, unheard
from daemon.inbound.maildir import Watcher


@dataclass
class Desk:
    """A store in memory."""

    arrivals: list[Arrival] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)

    async def receive(self, arrival: Arrival) -> Receipt:
        if self.fails:
            raise self.fails.pop(0)
        self.arrivals.append(arrival)
        return Receipt(message=f"m{len(self.arrivals)}")

    @property
    def bodies(self) -> list[bytes]:
        return [arrival.raw for arrival in self.arrivals]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def watch(desk: Desk, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts watchers, and stops them at the end."""
    opened: list[Watcher] = []

    async def start(*, rescan: float = 30, tell: Tell = unheard, **changes: Any) -> Watcher:
        settings = {"kind": "maildir", "address": "support@shop.example", "path": tmp_path} | changes
        config = MailboxConfig.model_validate(settings)
        watcher = Watcher("support", config, desk.receive, tell, rescan=rescan, retry=0.05)
        await watcher.start()
        opened.append(watcher)
        return watcher

    yield start
    await asyncio.gather(*(each.stop() for each in opened))


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def deliver(path: Path, raw: bytes) -> None:
    for folder in ("tmp", "new", "cur"):
        (path / folder).mkdir(exist_ok=True)
    mailbox.Maildir(path).add(raw)


def names(path: Path, folder: str) -> list[str]:
    return sorted(file.name for file in (path / folder).iterdir())


async def test_what_waits_and_what_comes_is_taken_and_put_into_cur(
    watch: Callable[..., Any], desk: Desk, tmp_path: Path
) -> None:
    deliver(tmp_path, b"A: 1\n\nwaited")
    watcher = await watch()
    await until(lambda: len(desk.arrivals) == 1)
    deliver(tmp_path, b"A: 1\n\ncame")  # seen by inotify: the rescan is half a minute away
    await until(lambda: len(names(tmp_path, "cur")) == 2)
    assert desk.bodies == [b"A: 1\n\nwaited", b"A: 1\n\ncame"]
    assert names(tmp_path, "new") == []
    assert all(name.endswith(":2,") for name in names(tmp_path, "cur"))
    assert abs((desk.arrivals[0].received_at - datetime.now(UTC)).total_seconds()) < 60
    assert (watcher.condition.state, watcher.condition.failures) == (DoorState.WAITING, 0)
    assert watcher.condition.detail == f"watching {tmp_path}"


async def test_a_file_stays_in_new_until_it_is_committed(watch: Callable[..., Any], desk: Desk, tmp_path: Path) -> None:
    desk.fails = [StoreBusy("busy"), StoreBusy("busy")]
    deliver(tmp_path, b"A: 1\n\nx")
    told: list[DoorState] = []
    await watch(tell=lambda state, _, __: told.append(state))
    await until(lambda: len(desk.fails) == 1)
    assert len(names(tmp_path, "new")) == 1
    await until(lambda: DoorState.STORE_AWAY in told)
    await until(lambda: len(names(tmp_path, "cur")) == 1)
    await until(lambda: told[-1] is DoorState.WAITING)
    assert desk.arrivals[0].file == names(tmp_path, "cur")[0].removesuffix(":2,")
    assert len(desk.arrivals) == 1


async def test_a_fault_of_ours_neither_ends_the_watch_nor_stops_the_others(
    watch: Callable[..., Any], desk: Desk, tmp_path: Path
) -> None:
    desk.fails = [ValueError("a fault of ours")]
    deliver(tmp_path, b"A: 1\n\none")
    deliver(tmp_path, b"A: 1\n\ntwo")
    await watch()
    await until(lambda: len(names(tmp_path, "cur")) == 2)
    assert sorted(desk.bodies) == [b"A: 1\n\none", b"A: 1\n\ntwo"]


async def test_a_file_that_can_not_be_read_is_left_and_told_and_read_once_it_can_be(
    watch: Callable[..., Any], desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1.broken").symlink_to(tmp_path / "loop")
    (tmp_path / "loop").symlink_to(tmp_path / "new" / "1.broken")
    deliver_to = tmp_path / "new" / "2.good"
    deliver_to.write_bytes(b"A: 1\n\ngood")
    watcher = await watch(rescan=0.1)
    await until(lambda: len(desk.arrivals) == 1)
    assert names(tmp_path, "new") == ["1.broken"]
    await until(lambda: "1.broken" in watcher.condition.detail)
    assert watcher.condition.state is DoorState.FAILING
    (tmp_path / "loop").unlink()
    (tmp_path / "loop").write_bytes(b"A: 1\n\nmended")
    await until(lambda: len(desk.arrivals) == 2)
    await until(lambda: watcher.condition.state is DoorState.WAITING)


async def test_a_folder_in_new_is_left(watch: Callable[..., Any], desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "new" / "folder").mkdir(parents=True)
    watcher = await watch()
    await until(lambda: "folder" in watcher.condition.detail)
    assert desk.arrivals == []


async def test_hidden_files_and_tmp_are_not_mail(watch: Callable[..., Any], desk: Desk, tmp_path: Path) -> None:
    for name in ("new/.hidden", "tmp/1.half"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"A: 1\n\nx")
    await watch(rescan=0.05)
    await asyncio.sleep(0.2)
    assert desk.arrivals == []


async def test_a_mail_over_the_limit_comes_with_its_first_part_and_its_size(
    watch: Callable[..., Any], desk: Desk, tmp_path: Path
) -> None:
    deliver(tmp_path, b"A: 1\n\n" + b"x" * 150_000)
    await watch(max_size=120_000)
    await until(lambda: len(desk.arrivals) == 1)
    assert desk.arrivals[0].oversize == 150_006
    assert len(desk.arrivals[0].raw) == 100_000


async def test_a_mail_that_can_not_be_put_away_is_told_and_not_lost(
    watch: Callable[..., Any], desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Watcher, "_put_away", full)
    deliver(tmp_path, b"A: 1\n\nx")
    watcher = await watch()
    await until(lambda: "No space left" in watcher.condition.detail)
    assert len(names(tmp_path, "new")) == 1


async def test_without_inotify_the_rescan_finds_mail(
    watch: Callable[..., Any], desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any, **__: Any) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("inotify_simple.INotify.__init__", none)
    await watch(rescan=0.05)
    deliver(tmp_path, b"A: 1\n\nx")
    await until(lambda: len(desk.arrivals) == 1)


async def test_stop_finishes_the_mail_that_is_being_committed(
    watch: Callable[..., Any], desk: Desk, tmp_path: Path
) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()
    receive = desk.receive

    async def slow(arrival: Arrival) -> Receipt:
        began.set()
        await go_on.wait()
        return await receive(arrival)

    desk.receive = slow  # type: ignore[method-assign]
    deliver(tmp_path, b"A: 1\n\none")
    deliver(tmp_path, b"A: 1\n\ntwo")
    watcher = await watch()
    await began.wait()
    stopping = asyncio.ensure_future(watcher.stop())
    await asyncio.sleep(0.05)
    go_on.set()
    await stopping
    assert watcher.condition.state is DoorState.STOPPED
    assert len(names(tmp_path, "cur")) == len(names(tmp_path, "new")) == 1


async def test_a_path_that_can_not_be_used_is_told(watch: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unreachable, match=r"can't be used: Not a directory\. Correct `path`"):
        await watch(path=tmp_path / "file")


async def test_stop_gives_up_a_commit_that_hangs(
    watch: Callable[..., Any], desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maildir, "_DRAIN", 0.1)
    began = asyncio.Event()

    async def hang(arrival: Arrival) -> Receipt:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    desk.receive = hang  # type: ignore[method-assign]
    deliver(tmp_path, b"A: 1\n\none")
    watcher = await watch()
    await began.wait()
    with contextlib.suppress(asyncio.CancelledError):
        await watcher.stop()
    assert len(names(tmp_path, "new")) == 1


async def test_a_file_whose_name_is_no_utf_8_is_taken_under_a_name_that_every_store_holds(
    watch: Callable[..., Any], desk: Desk, tmp_path: Path
) -> None:
    await watch()
    name = os.fsdecode(b"1.M2.m\xfcller")
    (tmp_path / "new" / name).write_bytes(b"mail")
    await until(lambda: bool(desk.arrivals))
    assert desk.arrivals[0].file == "1.M2.m\\xfcller"
    await until((tmp_path / "cur" / f"{name}:2,").exists)
