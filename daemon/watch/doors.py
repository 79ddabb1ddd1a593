"""Keeps in the store what the doors are doing: at once when one fails or works again, else once a minute."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

import structlog

from daemon.inbound.arrival import DoorState
from daemon.inbound.condition import Tell
from daemon.store import doors
from daemon.store.doors import Door
from daemon.store.engine import Store
from tools.errors import TriagedError

log = structlog.get_logger()

EVERY = 60.0
"""Seconds between two signs of life."""
GATHER = 1.0
"""The shortest time between two commits, seconds."""
_BUSY = {DoorState.READING.value, DoorState.WAITING.value}
"""A door at work goes from one to the other with each mail; that alone is not worth a commit."""


class Doors:
    """What each door said last."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], *, every: float = EVERY, gather: float = GATHER
    ) -> None:
        self._store = store
        self._clock = clock
        self._every = every
        self._gather = gather
        self._doors: dict[str, Door] = {}
        self._news = asyncio.Event()

    def listener(self, mailbox: str, mode: str) -> Tell:
        """What a door calls when its state changes; `mode` is that of its mailbox, which a reload does not change."""
        self._hear(mailbox, mode, DoorState.STARTING, "", 0)
        return partial(self._hear, mailbox, mode)

    def _hear(self, mailbox: str, mode: str, state: DoorState, detail: str, failures: int) -> None:
        now, before = self._clock(), self._doors.get(mailbox)
        same = before is not None and (before.state == state.value or {before.state, state.value} <= _BUSY)
        since = before.since if before is not None and same else now
        self._doors[mailbox] = Door(
            mailbox=mailbox,
            state=state.value,
            mode=mode,
            detail=detail,
            failures=failures,
            since=since,
            seen_at=now,
            login_ends=before.login_ends if before else None,
        )
        if before is None or not same or (before.detail, before.failures) != (detail, failures):
            self._news.set()

    def login_ends(self, mailbox: str, at: datetime | None) -> None:
        """Hear when a person has to log in again; None: not known."""
        if mailbox in self._doors:
            self._doors[mailbox] = replace(self._doors[mailbox], login_ends=at)

    async def run(self) -> None:
        """Keep the store up to date, for ever."""
        while True:
            self._news.clear()
            await self.keep()
            await asyncio.sleep(self._gather)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._every)

    async def keep(self) -> None:
        """Write what is known now; a store that is busy gets it the next time."""
        now = self._clock()
        said = [replace(door, seen_at=now) for door in self._doors.values()]
        try:
            await self._store.write(partial(doors.keep, vault=self._store.vault, doors=said))
        except TriagedError as error:
            log.warning("doors.not-kept", why=type(error).__name__)
        except Exception as error:
            log.exception("doors.not-kept", error=type(error).__name__)
