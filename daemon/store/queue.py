"""The one module that knows dbos: queues, ownership and restart of workflows; our own rows are the journal.

`notes` for whoever changes this: ids and plain JSON only go in; a workflow never raises; an id that was used once does
nothing when it is enqueued again, so every id carries an attempt (design, section 2).
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions
from sqlmodel import Session

from daemon.store.engine import Store

TRIAGE = "triage"
DELIVER = "deliver"
VERSION = "1"
"""Pinned: bump only to strand old workflows on purpose. `triage` and `deliver` read their state from rows, so that a
changed body can finish what an older one began."""
POLL = 0.1
"""Seconds between looks at a queue."""
_AT_ONCE = 500
_LOOK = 0.01
_LAST_ROWS = 5.0
"""Seconds that the engine's own rows may take at a stop."""
_PRIORITY = {"high": 1, "normal": 10, "low": 20}

T = TypeVar("T")
Workflow = Callable[..., Coroutine[Any, Any, None]]


def migrate(store: Store) -> None:
    """Make or upgrade the engine's own tables beside ours."""
    _quiet()
    DBOS.migrate(_url(store))


def _url(store: Store) -> str:
    return store.url.render_as_string(hide_password=False)


def _quiet() -> None:
    logging.getLogger("dbos").setLevel(logging.WARNING)


class Queue:
    """Enqueues in the caller's transaction; works in any process, without launching an engine."""

    def __init__(self, store: Store) -> None:
        _quiet()
        self._client = DBOSClient(
            system_database_engine=store.writer, serializer=DBOSPortableJSONSerializer(), lazy=True
        )

    def enqueue(
        self,
        session: Session,
        workflow: str,
        identifier: str,
        *arguments: str | int,
        delay: float = 0.0,
        priority: str = "normal",
    ) -> None:
        """Enqueue `workflow` under `identifier`; committed or rolled back with `session`.

        Args:
            session: a session of the store's writer, inside its transaction.
            workflow: TRIAGE or DELIVER.
            identifier: workflow id, new for each attempt.
            arguments: ids and numbers.
            delay: seconds before it may start.
            priority: high, normal or low.
        """
        options: EnqueueOptions = {
            "workflow_name": workflow,
            "queue_name": workflow,
            "workflow_id": identifier,
            "app_version": VERSION,
            "priority": _PRIORITY[priority],
        }
        if delay > 0:
            options["delay_seconds"] = delay
        self._client.enqueue_in_transaction(session, options, *arguments)

    def alive(self, identifiers: Sequence[str]) -> set[str]:
        """Those of the workflows that run, wait, or will be taken up at the next start of their process."""
        found: set[str] = set()
        for start in range(0, len(identifiers), _AT_ONCE):
            rows = self._client.list_workflows(
                workflow_ids=list(identifiers[start : start + _AT_ONCE]),
                status=["ENQUEUED", "DELAYED", "PENDING"],
                load_input=False,
                load_output=False,
            )
            found |= {row.workflow_id for row in rows}
        return found

    def delayed(self, identifier: str) -> bool:
        """Whether a workflow waits for its time."""
        return bool(self._client.list_workflows(workflow_ids=[identifier], status="DELAYED", load_input=False))

    def forget(self, identifiers: Sequence[str]) -> None:
        """Delete workflows, whatever their state; their rows stay."""
        self._client.delete_workflows(list(identifiers))

    def close(self) -> None:
        """Let go of the client."""
        self._client.destroy()


class Engine:
    """Runs the workflows of this process, and takes up those that a crash interrupted."""

    def __init__(self, store: Store, *, executor: str, in_flight: int) -> None:
        """Prepare the engine.

        Args:
            store: whose database holds the engine's tables.
            executor: unique per process, stable across restarts on one host.
            in_flight: mails triaged at the same time.
        """
        self._in_flight = in_flight
        config: DBOSConfig = {
            "name": "triaged",
            "system_database_url": _url(store),
            "application_version": VERSION,
            "executor_id": executor,
            "log_level": "WARNING",
            "serializer": DBOSPortableJSONSerializer(),
            "run_migrations": False,
        }
        if store.sqlite:
            config["sys_db_pool_size"] = 1  # more would fight for SQLite's one writer
        self._config = config
        self._at_work: set[asyncio.Task[Any] | None] = set()
        self._parked: set[asyncio.Task[Any] | None] = set()
        self._given_up_at_a_stop: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._closing = False

    async def launch(self, workflows: dict[str, Workflow]) -> None:
        """Register the workflows and start; call it inside the running loop, on which they then run."""
        _quiet()
        self._dbos = DBOS(config=self._config)
        for name, body in workflows.items():
            DBOS.workflow(name=name, max_recovery_attempts=1_000_000)(self._counted(body))
        DBOS.launch()
        await DBOS.register_queue_async(TRIAGE, worker_concurrency=self._in_flight, polling_interval_sec=POLL)
        await DBOS.register_queue_async(DELIVER, worker_concurrency=self._in_flight, polling_interval_sec=POLL)

    def _counted(self, body: Workflow) -> Workflow:
        async def run(*arguments: Any) -> None:
            task = asyncio.current_task()
            if self._closing or not await self._came_to_its_end(task, body(*arguments)):
                # neither done nor failed: it stays pending, and the next launch takes it up
                self._parked.add(task)
                await asyncio.Event().wait()

        return run

    async def _came_to_its_end(self, task: asyncio.Task[Any] | None, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work; False when a stop interrupted what it waited for."""
        self._at_work.add(task)
        self._idle.clear()
        try:
            await work
        except asyncio.CancelledError:
            if not self._closing or (task is not None and task.cancelling()):
                raise
            return False
        finally:
            self._at_work.discard(task)
            if not self._at_work:
                self._idle.set()
        return True

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for work of a workflow that changes nothing and may take long, such as the answer of a model.

        A stop does not wait for it: it is cancelled, and the workflow is taken up again at the next launch.
        """
        task = asyncio.create_task(work)
        if self._closing:
            task.cancel()
        self._given_up_at_a_stop.add(task)
        try:
            return await task
        finally:
            self._given_up_at_a_stop.discard(task)

    async def destroy(self, *, drain: float, threads: Executor) -> None:
        """Begin nothing new; wait up to `drain` seconds for what runs, but not for models.

        What is left starts again at the next launch.
        """
        self._closing = True
        for task in self._given_up_at_a_stop:
            task.cancel()
        if self._at_work:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), drain)
        # off the loop: the engine waits for its threads, and they for what they have begun on the loop
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(threads, self._stop_dequeuing)
        await self._settle()
        await loop.run_in_executor(threads, partial(DBOS.destroy, destroy_registry=True))
        logging.getLogger("dbos").setLevel(logging.ERROR)  # it warns of each task that is cancelled
        left = {task for task in self._parked | self._at_work if task is not None}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_LAST_ROWS)

    async def _settle(self) -> None:
        """Wait for what is on its way to its body, or from it to its last row.

        The engine needs its executor there; to shut that down now would make a failure of it.
        """
        until = time.monotonic() + _LAST_ROWS
        tasks = self._dbos._workflow_tasks  # noqa: SLF001 - the engine has no public list
        while tasks - self._parked - self._at_work and time.monotonic() < until:  # noqa: ASYNC110 - the engine sets no event
            await asyncio.sleep(_LOOK)

    def _stop_dequeuing(self) -> None:
        for event in self._dbos.background_thread_stop_events:
            event.set()
        for thread in threading.enumerate():
            if thread.name.startswith("queue-worker-") or "(queue_thread)" in thread.name:
                thread.join(_LAST_ROWS)

    @staticmethod
    def sweep(before: float) -> int:
        """Delete finished entries older than `before` (seconds since 1970); how many were deleted."""
        until = datetime.fromtimestamp(before, UTC).isoformat()
        swept = 0
        while finished := DBOS.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            end_time=until,
            limit=_AT_ONCE,
            load_input=False,
            load_output=False,
        ):
            DBOS.delete_workflows([workflow.workflow_id for workflow in finished])
            swept += len(finished)
        return swept
