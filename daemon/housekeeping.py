"""Forgets what nobody needs any more: finished workflows, and what was spent longer ago than any limit looks back."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from daemon.gate import charges
from daemon.release import Release
from daemon.store import limits
from daemon.store.engine import Store
from daemon.store.queue import Engine

log = structlog.get_logger()
INTERVAL = 3600.0
"""Seconds between two rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What is kept in order."""

    store: Store
    release: Callable[[], Release]
    threads: Executor
    clock: Callable[[], datetime]


async def keep(house: House) -> None:
    """Go round for ever; what fails is tried again in the next round."""
    rounds: dict[str, Callable[[House], Awaitable[int]]] = {
        "workflows.forgotten": forget_workflows,
        "limits.forgotten": forget_spending,
    }
    while True:
        await asyncio.sleep(INTERVAL)
        for event, work in rounds.items():
            try:
                log.info(event, number=await work(house))
            except Exception as error:
                log.exception("housekeeping.failed", work=event, error=type(error).__name__)


async def forget_workflows(house: House) -> int:
    """Delete finished entries of the engine, since our own rows tell the story; how many."""
    before = house.clock().timestamp() - house.release().config.retention.workflows
    return await asyncio.get_running_loop().run_in_executor(house.threads, Engine.sweep, before)


async def forget_spending(house: House) -> int:
    """Delete what no limit of the active release counts any more; how many rows."""
    release = house.release()
    before = house.clock() - timedelta(seconds=charges.longest(release.config, release.handlers.values()))
    forgotten = 0
    while some := await house.store.write(lambda session: limits.prune(session, before)):
        forgotten += some
    return forgotten
