"""What Prometheus reads, on both engines: the store counts, whoever starts or stops."""

import asyncio
from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.caps import BreakerConfig
from daemon.errors import StoreBusy, Unreachable
from daemon.review import paused
from daemon.store import breaker, switches, turns
from daemon.store.engine import Store
from daemon.store.tables import Delivery, DoorRow, Draft
from daemon.watch.metrics import Collector, Exposition
from handlers.contract import Reply, Turn, Usage
from tests.fixtures.mails import Desk, incoming
from tests.fixtures.office import Office

alone = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
"""What does not depend on the store is shown on one."""
Values = dict[str, float]


def parsed(text: str) -> Values:
    """`name` or `name:label` to value."""
    families = text_string_to_metric_families(text)
    return {
        ":".join((sample.name.removeprefix("triaged_"), *sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def read(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return str(answer.read().decode())


@pytest.fixture
def exposition(desk: Desk) -> Iterator[Exposition]:
    served = Exposition(Collector(desk.store, lambda: desk.now), "127.0.0.1", 0)
    yield served
    served.stop()


def scrape(exposition: Exposition) -> Values:
    return parsed(read(exposition.port))


def work(desk: Desk) -> None:
    """One mail of each fate."""
    desk.take(incoming(ignored="bulk"))
    desk.draft(sender="held@example.com")
    desk.draft(sender="sent@example.com", outcome="send")
    stored = desk.take(incoming(sender="waits@example.com"))
    claimed = desk.claim(stored.conversation)
    assert claimed is not None
    turn = Turn(number=1, results=(), reply=Reply(text="", model="m", usage=Usage(input_tokens=50, output_tokens=7)))
    vault = desk.store.vault
    desk.store.write_now(lambda session: turns.record_turn(session, vault, claimed, turn, now=desk.now))
    desk.store.write_now(lambda session: turns.postpone(session, desk.queue, claimed, now=desk.now, delay=60))


def test_every_fate_of_a_mail_is_counted_and_no_word_of_it_is_told(desk: Desk, exposition: Exposition) -> None:
    work(desk)
    desk.later(minutes=10)
    found = scrape(exposition)
    expected = {
        "mails_received_total:support": 4,
        "mails_ignored_total:bulk": 1,
        "mails_undecided": 1,
        "drafts_held_total:category-not-automatic": 1,
        "drafts_held:category-not-automatic": 1,
        "drafts_held_oldest_age_seconds": 600,
        "replies_sent_total:gate": 0,
        "replies_sent_total:person": 0,
        "replies_leaving:approved": 1,
        "replies_leaving:sending": 0,
        "replies_uncertain": 0,
        "model_calls_total": 1,
        "model_tokens_total:input": 50,
        "model_tokens_total:output": 7,
        "turns_postponed_total": 1,
        "paused": 0,
        "breaker_open": 0,
        "breaker_opened_total": 0,
        "store_busy_total": 0,
        "store_up": 1,
    }
    assert {name: found[name] for name in expected} == expected
    assert "example.com" not in read(exposition.port)


@alone
def test_counters_go_on_where_they_were_after_a_restart_and_never_count_twice(
    desk: Desk, exposition: Exposition
) -> None:
    for minutes in (0, 5, 0):
        work(desk)
        assert scrape(exposition) == scrape(exposition)
        desk.later(minutes=minutes)
    again = Collector(desk.store, lambda: desk.now)
    fresh = {
        (sample.name, *sample.labels.values()): sample.value for family in again.collect() for sample in family.samples
    }
    known = {
        (f"triaged_{name.partition(':')[0]}", *filter(None, [name.partition(":")[2]])): value
        for name, value in scrape(exposition).items()
    }
    assert fresh == known
    assert known["triaged_mails_received_total", "support"] == 12


@alone
def test_what_is_off_uncertain_or_away_is_told(desk: Desk, exposition: Exposition) -> None:
    vault, most = desk.store.vault, BreakerConfig(bounces=1)
    for _ in range(2):
        desk.store.write_now(lambda session: breaker.bounced(session, vault, most, now=desk.now))
    name = switches.name(mailbox="support")
    desk.store.write_now(lambda session: paused.pause(session, vault, name, by="eve", reason="", now=desk.now))
    draft = desk.draft(outcome="send")
    desk.set(Draft, draft, state="held", reasons="delivery-uncertain")
    desk.set(Delivery, desk.rows(Delivery, draft_id=draft)[0].id, state="uncertain")
    doors = {"support": "waiting for mail", "billing": "login refused"}
    for mailbox, state in doors.items():
        row = DoorRow(mailbox=mailbox, mode="live", state=state, since=desk.now, seen_at=desk.now)
        desk.store.write_now(lambda session, row=row: session.add(row))  # type: ignore[misc]
    found = scrape(exposition)
    assert (found["breaker_open"], found["breaker_opened_total"], found["paused"]) == (1, 1, 1)
    assert (found["replies_uncertain"], found["drafts_held:delivery-uncertain"]) == (1, 1)
    assert (found["mailbox_up:support"], found["mailbox_up:billing"]) == (1, 0)


@alone
def test_a_store_that_does_not_answer_is_told_and_the_rest_is_missing(
    desk: Desk, exposition: Exposition, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: Store, work: object) -> None:
        raise StoreBusy("The store did not answer.")

    monkeypatch.setattr(Store, "read_now", away)
    assert scrape(exposition) == {"store_up": 0, "store_busy_total": 0}


@alone
def test_an_address_that_is_taken_is_told_with_what_to_do(desk: Desk, exposition: Exposition) -> None:
    with pytest.raises(
        Unreachable, match=r"Address already in use\. Stop the program .* or change `\[watch\] metrics`"
    ):
        Exposition(Collector(desk.store, lambda: desk.now), "127.0.0.1", exposition.port)


@alone
async def test_a_daemon_that_works_is_read_and_stops(office: Office) -> None:
    office.house.change("triaged.toml", "[watch]", '[watch]\nmetrics = "127.0.0.1:0"')
    letters = [office.house.letter(kind) for kind in ("status", "question", "newsletter")]
    async with office.open():
        await office.post(*(letter.raw for letter in letters))
        await office.fates()
        loop = asyncio.get_running_loop()
        found = parsed(await loop.run_in_executor(office.daemon.tool_threads, read, office.daemon.metrics.port))
    assert found["mails_received_total:support"] == 3
    assert found["mails_ignored_total:bulk"] == 1
    assert (found["replies_sent_total:gate"], found["model_calls_total"]) == (1, 2)
