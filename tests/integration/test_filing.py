"""The reconciler of a mailbox: whatever happens in between, the mailbox ends up showing what the store says."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from daemon.errors import Unreachable
from daemon.outbound import filing as reconciler
from daemon.outbound.filing import Filing
from daemon.store.engine import Store
from daemon.store.filing import Done, Lying, Shelved, Shown
from daemon.store.position import Position
from daemon.store.queue import Queue
from daemon.store.tables import Mail
from tests.fixtures.mails import Desk, incoming

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@dataclass
class Box:
    """A mailbox in memory."""

    shown: dict[str, Shown] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)
    away: int = 0
    """How many calls fail before the next is served."""
    refuses: set[str] = field(default_factory=set)
    refused_folder: str = ""
    lost: dict[str, Position] = field(default_factory=dict)
    """Message-ID to place, of what was moved without a note."""

    async def show(self, mails: Sequence[Lying]) -> Shelved:
        self.calls.append([mail.message for mail in mails])
        if self.away:
            self.away -= 1
            raise Unreachable("The mailbox can't be reached. It is tried again.")
        if mails[0].folder == self.refused_folder:
            raise Unreachable("The mailbox refuses. Check its folders and rights.")
        if self.lost:
            return Shelved(done=tuple(Done(mail=mail, missing=True, sought="Held") for mail in mails))
        taken = [mail for mail in mails if mail.message not in self.refuses]
        self.shown |= {mail.message: mail.wanted for mail in taken}
        refused = ("No such folder.",) if len(taken) < len(mails) else ()
        return Shelved(done=tuple(Done(mail=mail) for mail in taken), refused=refused)

    async def find(self, folder: str, message_ids: Sequence[str]) -> Mapping[str, Position]:
        assert folder == "Held"
        return {key: self.lost[key] for key in message_ids if key in self.lost}


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    queue = Queue(store)
    yield Desk(store=store, queue=queue)
    queue.close()


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def filing(desk: Desk, box: Box, monkeypatch: pytest.MonkeyPatch) -> Filing:
    monkeypatch.setattr(reconciler, "_FIRST", 0.01)
    return Filing("support", box, desk.store, every=30, gather=0)


def take(desk: Desk, uid: int, folder: str = "INBOX") -> str:
    return desk.take(incoming(position=Position(folder=folder, uidvalidity=7, uid=uid))).message


@asynccontextmanager
async def running(filing: Filing) -> AsyncIterator[None]:
    task = asyncio.create_task(filing.run())
    yield
    task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_each_change_is_shown_once(desk: Desk, box: Box, filing: Filing) -> None:
    one, two = take(desk, 1), take(desk, 2)
    await filing.sweep()
    await filing.sweep()
    assert box.calls == [sorted([one, two])]
    desk.set(Mail, one, state="held")
    await filing.sweep()
    assert box.shown == {one: Shown.HELD, two: Shown.TAKEN}
    assert box.calls[1:] == [[one]]


async def test_a_commit_wakes_it_and_a_mailbox_that_is_away_is_waited_for(desk: Desk, box: Box, filing: Filing) -> None:
    async with running(filing):
        box.away = 3
        message = take(desk, 1)
        filing.wake()
        await until(lambda: message in box.shown)
    assert len(box.calls) == 4


async def test_what_is_decided_in_another_process_is_seen_by_the_next_look(desk: Desk, box: Box) -> None:
    async with running(Filing("support", box, desk.store, every=0.01, gather=0)):
        message = take(desk, 1)
        await until(lambda: message in box.shown)


async def test_a_fault_of_ours_does_not_end_it(desk: Desk, box: Box, filing: Filing) -> None:
    broken = [ValueError("a fault of ours")]
    show = box.show

    async def fail(mails: Sequence[Lying]) -> Shelved:
        if broken:
            raise broken.pop()
        return await show(mails)

    box.show = fail  # type: ignore[method-assign]
    message = take(desk, 1)
    async with running(filing):
        await until(lambda: message in box.shown)


async def test_batches_reach_every_mail_also_behind_those_that_are_refused(
    desk: Desk, box: Box, filing: Filing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "BATCH", 2)
    ids = sorted(take(desk, number) for number in range(1, 6))
    box.refuses = set(ids[:3])
    await filing.sweep()
    assert set(box.shown) == set(ids[3:])
    before = len(box.calls)
    await filing.sweep()
    assert len(box.calls) == before, "what was refused is not asked for again at once"
    box.refuses = set()
    await Filing("support", box, desk.store).sweep()
    assert set(box.shown) == set(ids)


async def test_mails_of_each_folder_go_together(desk: Desk, box: Box, filing: Filing) -> None:
    here, there = {take(desk, 1), take(desk, 2)}, {take(desk, 3, "Held")}
    await filing.sweep()
    assert sorted(map(set, box.calls), key=len) == [there, here]


async def test_a_folder_that_refuses_keeps_no_other_from_being_shown(desk: Desk, box: Box, filing: Filing) -> None:
    box.refused_folder = "Dropbox"
    take(desk, 1, "Dropbox")
    shown = take(desk, 2)
    await filing.sweep()
    await filing.sweep()
    assert (list(box.shown), len(box.calls)) == ([shown], 2)


async def test_a_move_that_was_made_and_not_noted_is_noted_when_it_is_found(
    desk: Desk, box: Box, filing: Filing
) -> None:
    found = desk.take(incoming(message_id="one@example.com", position=Position(folder="INBOX", uidvalidity=7, uid=1)))
    gone = take(desk, 2)
    box.lost = {"one@example.com": Position(folder="Held", uidvalidity=9, uid=40)}
    await filing.sweep()
    row = desk.mail(found.message)
    assert (row.folder, row.uid, row.filed) == ("Held", 40, None)
    assert desk.mail(gone).folder is None
    box.lost = {}
    await filing.sweep()
    assert box.shown == {found.message: Shown.TAKEN}
