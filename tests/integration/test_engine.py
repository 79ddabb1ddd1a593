"""The workflow engine behind its one module."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sized
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlmodel import Session

from daemon.store.engine import Store
from daemon.store.queue import TRIAGE, Engine, Queue


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def until(happened: Sized, number: int) -> None:
    for _ in range(200):
        if len(happened) >= number:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"only {happened} happened")


async def test_what_is_enqueued_in_a_transaction_runs_and_what_is_rolled_back_does_not(
    store: Store, threads: ThreadPoolExecutor
) -> None:
    happened: list[str] = []

    async def triage(conversation: str, number: int) -> None:
        happened.append(f"{conversation}:{number}")

    queue, engine = Queue(store), Engine(store, executor="test", in_flight=4)

    def enqueue(name: str, *, fail: bool) -> None:
        def work(session) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a session
            queue.enqueue(session, TRIAGE, f"triage:{name}:1", name, 1)
            if fail:
                raise LookupError

        store.write_now(work)

    await engine.launch({TRIAGE: triage})
    with pytest.raises(LookupError):
        enqueue("rolled-back", fail=True)
    enqueue("kept", fail=False)
    await until(happened, 1)
    await asyncio.sleep(0.3)
    assert happened == ["kept:1"]
    await engine.destroy(drain=5, threads=threads)
    queue.close()


async def test_a_stop_waits_for_what_runs_and_what_is_left_runs_after_the_next_start(
    store: Store, threads: ThreadPoolExecutor
) -> None:
    happened: list[str] = []
    started, may_end = asyncio.Event(), asyncio.Event()

    async def slow(conversation: str, number: int) -> None:
        happened.append(f"begun {conversation}")
        started.set()
        await may_end.wait()
        happened.append(f"ended {conversation}")

    queue, engine = Queue(store), Engine(store, executor="test", in_flight=4)
    store.write_now(lambda session: queue.enqueue(session, TRIAGE, "triage:a:1", "a", 1))
    await engine.launch({TRIAGE: slow})
    await started.wait()
    asyncio.get_running_loop().call_later(0.3, may_end.set)
    await engine.destroy(drain=5, threads=threads)
    assert happened == ["begun a", "ended a"]

    started.clear()
    may_end.clear()
    store.write_now(lambda session: queue.enqueue(session, TRIAGE, "triage:b:1", "b", 1))
    engine = Engine(store, executor="test", in_flight=4)
    await engine.launch({TRIAGE: slow})
    await started.wait()
    begun = time.monotonic()
    await engine.destroy(drain=0.2, threads=threads)
    assert time.monotonic() - begun < 5

    may_end.set()
    engine = Engine(store, executor="test", in_flight=4)
    await engine.launch({TRIAGE: slow})
    await until(happened, 5)
    assert happened[-1] == "ended b"
    await engine.destroy(drain=5, threads=threads)
    queue.close()


async def test_a_stop_amid_a_burst_leaves_each_workflow_done_or_to_be_done_and_logs_no_failure(
    store: Store, threads: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    happened: set[str] = set()
    numbers = {str(number) for number in range(24)}

    async def quick(conversation: str, number: int) -> None:
        await asyncio.sleep(0)
        happened.add(conversation)

    queue = Queue(store)

    def enqueue(session: Session) -> None:
        for number in numbers:
            queue.enqueue(session, TRIAGE, f"triage:{number}:1", number, 1)

    store.write_now(enqueue)
    for enough in (1, len(numbers)):
        engine = Engine(store, executor="test", in_flight=len(numbers))
        await engine.launch({TRIAGE: quick})
        await until(happened, enough)
        await engine.destroy(drain=5, threads=threads)
    assert happened == numbers
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    queue.close()


async def test_a_stop_does_not_wait_for_a_model_and_its_turn_begins_again_at_the_next_start(
    store: Store, threads: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    happened: list[str] = []
    asked, answers = asyncio.Event(), asyncio.Event()
    queue = Queue(store)

    async def ask() -> None:
        happened.append("asked")
        asked.set()
        await answers.wait()

    async def start() -> Engine:
        engine = Engine(store, executor="test", in_flight=4)

        async def turn(conversation: str, number: int) -> None:
            await engine.unless_stopped(ask())
            happened.append("answered")

        await engine.launch({TRIAGE: turn})
        return engine

    store.write_now(lambda session: queue.enqueue(session, TRIAGE, "triage:a:1", "a", 1))
    engine = await start()
    await asked.wait()
    await engine.destroy(drain=3600, threads=threads)
    assert happened == ["asked"]

    answers.set()
    engine = await start()
    await until(happened, 3)
    await engine.destroy(drain=5, threads=threads)
    assert happened == ["asked", "asked", "answered"]
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    queue.close()


async def test_what_is_less_urgent_begins_after_what_came_later(store: Store, threads: ThreadPoolExecutor) -> None:
    happened: list[str] = []

    async def turn(conversation: str, number: int) -> None:
        happened.append(conversation)

    queue, engine = Queue(store), Engine(store, executor="test", in_flight=1)

    def enqueue(session: Session) -> None:
        for name, priority in (("old", "low"), ("fresh", "normal"), ("asked for", "high")):
            queue.enqueue(session, TRIAGE, f"triage:{name}:1", name, 1, priority=priority)

    store.write_now(enqueue)
    await engine.launch({TRIAGE: turn})
    await until(happened, 3)
    await engine.destroy(drain=5, threads=threads)
    assert happened == ["asked for", "fresh", "old"]
    queue.close()
