"""P3: what no header shows is stopped by counting: sending turns itself off, and stays off until a person looked."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from sqlmodel import Session

from daemon.caps import BreakerConfig
from daemon.cli import invoke
from daemon.review import paused
from daemon.store import breaker, switches
from daemon.store.tables import Delivery, Draft, LimitRow, Record
from tests.fixtures.floor import WRITE, Floor
from tests.fixtures.mails import Desk
from tests.fixtures.office import Office

alone = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
"""What does not depend on the store is shown on one."""


def strict(floor: Floor, **most: int) -> None:
    """Let the breaker open early."""
    floor.reload("limits", breaker=BreakerConfig(**most))


def drafts(desk: Desk, number: int) -> list[str]:
    """Automatic replies to as many senders."""
    return [desk.draft(outcome="send", sender=f"c{len(desk.rows(Delivery))}@example.com") for _ in range(number)]


def off(desk: Desk) -> list[tuple[str, str, str]]:
    found = desk.store.read_now(lambda session: switches.every(session, desk.store.vault))
    return [(row.name, row.by, why) for row, why in found]


def resume(floor: Floor) -> int | None:
    desk = floor.desk
    return desk.store.write_now(
        lambda session: paused.resume(session, desk.queue, switches.BREAKER, by="eve", now=desk.now)
    )


async def test_one_reply_too_many_turns_sending_off_and_the_reply_waits(floor: Floor) -> None:
    strict(floor, replies=2)
    first, second, third, fourth = drafts(floor.desk, 4)
    with structlog.testing.capture_logs() as logs:
        assert [await floor.run(each) for each in (first, second, third, fourth)] == ["done", "done"] + ["approved"] * 2
    assert len(floor.sink.received) == 2
    assert off(floor.desk) == [("breaker", "triaged", "more than 2 automatic replies within ten minutes")]
    assert [each["log_level"] for each in logs if each["event"] == "breaker.opened"] == ["error"]
    assert len(floor.desk.rows(Record, kind="breaker-opened")) == 1


@alone
async def test_it_stays_off_until_a_person_resumes_and_then_counts_anew(floor: Floor) -> None:
    strict(floor, replies=2)
    replies = drafts(floor.desk, 5)
    for each in replies:
        await floor.run(each)
    floor.desk.later(hours=12)
    assert await floor.run(replies[2]) == "approved", "no time ends it"
    assert resume(floor) == 3
    assert [await floor.run(each) for each in replies[2:]] == ["done", "done", "approved"]
    assert len(off(floor.desk)) == 1
    assert resume(floor) == 1
    assert resume(floor) is None


@alone
async def test_while_it_is_open_nothing_leaves_that_a_person_approved_either(floor: Floor) -> None:
    strict(floor, replies=1)
    for each in drafts(floor.desk, 2):
        await floor.run(each)
    held = floor.desk.draft(sender="eva@example.com")
    floor.approve(held)
    assert await floor.run(held) == "approved"
    resume(floor)
    assert await floor.run(held) == "done"


@alone
async def test_what_people_approve_is_no_loop_and_is_not_counted(floor: Floor) -> None:
    strict(floor, replies=1)
    for number in range(3):
        draft = floor.desk.draft(sender=f"c{number}@example.com")
        floor.approve(draft)
        assert await floor.run(draft) == "done"
    assert off(floor.desk) == []


@alone
async def test_a_write_is_not_applied_for_a_reply_that_may_not_leave(floor: Floor) -> None:
    strict(floor, replies=1)
    await floor.run(*drafts(floor.desk, 1))
    draft = floor.desk.draft(outcome="send", sender="eva@example.com", writes=(WRITE,))
    assert await floor.run(draft) == "approved"
    assert floor.shop.applied == 0
    resume(floor)
    assert await floor.run(draft) == "done"
    assert floor.shop.applied == 1


@alone
@pytest.mark.parametrize("phase", ["rcpt", "content"])
async def test_mails_that_are_refused_for_good_turn_sending_off(floor: Floor, phase: str) -> None:
    strict(floor, refusals=2)
    floor.sink.decide = lambda asked: "550 5.7.1 We know you" if asked == phase else None
    first, second, third, fourth = drafts(floor.desk, 4)
    for each in (first, second, third):
        await floor.run(each)
        assert floor.held_for(each) == "refused-by-server"
    floor.sink.decide = lambda _: None
    assert await floor.run(fourth) == "approved"
    assert "refused for good" in off(floor.desk)[0][2]


@alone
def test_mails_that_come_back_turn_sending_off_unless_they_come_slowly(desk: Desk) -> None:
    most, vault = BreakerConfig(bounces=3), desk.store.vault

    def bounce() -> None:
        desk.store.write_now(lambda session: breaker.bounced(session, vault, most, now=desk.now))

    for _ in range(9):
        bounce()
        desk.later(minutes=25)
    assert off(desk) == []
    for _ in range(4):
        bounce()
    assert off(desk) == [("breaker", "triaged", "more than 3 of our mails came back within an hour")]


def test_several_workers_do_not_send_more_together(desk: Desk) -> None:
    most, vault = BreakerConfig(replies=5), desk.store.vault

    def send(session: Session) -> bool:
        if not breaker.may_send(session, vault, most, now=desk.now):
            return False
        breaker.sending(session, most, now=desk.now)
        return True

    with ThreadPoolExecutor(4) as workers:
        sent = list(workers.map(lambda _: desk.store.write_now(send), range(20)))
    assert sum(sent) == 5
    assert len(off(desk)) == 1


def test_a_breaker_that_opens_twice_at_once_is_one(desk: Desk) -> None:
    most, vault = BreakerConfig(bounces=1, refusals=1), desk.store.vault
    counters: list[Callable[..., None]] = [breaker.bounced, breaker.refused] * 5
    with ThreadPoolExecutor(4) as workers:
        list(
            workers.map(
                lambda count: desk.store.write_now(lambda session: count(session, vault, most, now=desk.now)), counters
            )
        )
    assert len(off(desk)) == 1
    assert len(desk.rows(Record, kind="breaker-opened")) == 1
    desk.store.write_now(breaker.close)
    assert [row for row in desk.rows(LimitRow) if row.bucket] == []


@alone
async def test_a_loop_that_shows_in_no_header_ends_and_a_restart_does_not_take_it_up(office: Office) -> None:
    """The other side answers every reply at once: another address, another subject, no reference, nothing automatic."""
    office.house.change("triaged.toml", "[limits.breaker]\nreplies = 100000", "[limits.breaker]\nreplies = 4")

    async def write() -> None:
        letter = office.house.letter("status")
        await office.post(letter.raw.replace(b"Subject: ", f"Subject: {letter.number} ".encode()))

    async def answer_everything() -> None:
        answered = 0
        while True:
            while answered < len(office.sink.received):
                await write()
                answered += 1
            await asyncio.sleep(0.02)

    def is_off() -> bool:
        store = office.daemon.store
        found = store.read_now(lambda session: switches.off(session, mailbox="support", handler=None))
        return found == switches.BREAKER

    async with office.open():
        other = asyncio.create_task(answer_everything())
        await write()
        await office.until(is_off)
        other.cancel()
    assert len(office.sink.received) == 4

    async with office.open():
        assert is_off()
        await write()
        await office.until(lambda: office.house.fates()[-1].reason == "breaker-open")
        assert office.house.fates()[-1].state == "held"
    assert len(office.sink.received) == 4

    assert invoke(["resume", "breaker", "--config", str(office.house.directory)]) == 0
    async with office.open():
        await office.until(lambda: len(office.sink.received) > 4)


@alone
@pytest.mark.parametrize("what", ["the address", "a file of ours"])
async def test_what_no_server_refused_does_not_turn_sending_off(floor: Floor, what: str) -> None:
    strict(floor, refusals=1)
    if what == "a file of ours":
        floor.reload("smtp", tls="starttls", ca_file=Path("/nowhere/ca.pem"))
    letter = "ü" if what == "the address" else "u"
    for number in range(3):
        await floor.run(floor.desk.draft(outcome="send", sender=f"{letter}{number}@example.com"))
    assert off(floor.desk) == []
    held = [row.reasons for row in floor.desk.rows(Draft) if row.state == "held"]
    assert held == (["unaddressable"] * 3 if what == "the address" else [])
