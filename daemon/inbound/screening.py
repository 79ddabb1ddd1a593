"""Parses and screens mail in processes of its own, which are killed when a mail takes too long."""

import asyncio
import hashlib
import multiprocessing
from collections.abc import Iterable, Mapping
from concurrent.futures import TimeoutError as TookTooLong
from typing import Protocol

import structlog
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from daemon.gate.verdict import Reason
from daemon.inbound.arrival import Arrival
from daemon.inbound.dkim import KeyRecord
from daemon.inbound.screen import ScreenConfig, Screened, screen
from handlers.contract import Message, Sender

log = structlog.get_logger()

PROCESSES = 2
SECONDS = 2.0
"""What a mail may take; a process that takes longer is killed and replaced."""


class Keys(Protocol):
    """Where DKIM keys come from: `daemon.inbound.resolver.KeyResolver`."""

    async def look_up(self, names: Iterable[str]) -> Mapping[str, KeyRecord]:
        """What the DNS says of each name; never raises."""
        ...


class Screening:
    """A pool of processes that know how to read mail."""

    def __init__(self, *, keys: Keys | None = None, processes: int = PROCESSES, seconds: float = SECONDS) -> None:
        """Start the processes.

        Args:
            keys: asked for the keys of signatures; None: none can be had.
            processes: how many.
            seconds: what a mail may take, without the look-up of keys.
        """
        self._keys = keys
        self._seconds = seconds
        self._processes = processes
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPool:
        # spawned, not forked: the daemon has threads, and a lock that one of them holds would be held for ever
        return ProcessPool(max_workers=self._processes, context=multiprocessing.get_context("spawn"))

    def _schedule(
        self, arrival: Arrival, config: ScreenConfig, identifier: str, keys: Mapping[str, KeyRecord] | None
    ) -> "ProcessFuture[Screened]":
        def schedule() -> "ProcessFuture[Screened]":
            named = {"id": identifier, "keys": keys}
            return self._pool.schedule(screen, args=(arrival, config), kwargs=named, timeout=self._seconds)

        try:
            return schedule()
        except RuntimeError:
            # a pool whose processes could not be started gives up for good: the mail after it deserves another try
            log.warning("screening.restarted")
            self._pool = self._new_pool()
            return schedule()

    async def screen(self, arrival: Arrival, config: ScreenConfig, identifier: str) -> Screened:
        """Parse and screen a mail. Never raises for what the mail is: one that can't be read is held as it is.

        A mail whose signatures could prove its sender is screened a second time, with their keys; the processes don't
        wait for the DNS meanwhile.
        """
        screened = await self._once(arrival, config, identifier, None)
        if screened is None:
            return unreadable(arrival, identifier)
        if not screened.wanted or self._keys is None:
            return screened
        keys = await self._keys.look_up(screened.wanted)
        # who verified nothing in time stays unverified
        return await self._once(arrival, config, identifier, keys) or screened

    async def _once(
        self, arrival: Arrival, config: ScreenConfig, identifier: str, keys: Mapping[str, KeyRecord] | None
    ) -> Screened | None:
        """One look at a mail; None: it took too long, or too much memory."""
        try:
            screened: Screened = await asyncio.wrap_future(self._schedule(arrival, config, identifier, keys))
        except (TookTooLong, ProcessExpired, MemoryError) as error:
            log.warning("mail.unreadable", message=identifier, why=type(error).__name__)
            return None
        return screened

    def close(self) -> None:
        """End the processes."""
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble leaves it without annotations
        self._pool.join()


def unreadable(arrival: Arrival, identifier: str) -> Screened:
    """What is known of a mail that nobody could read: enough to store it and let a person look."""
    message = Message(
        id=identifier,
        mailbox=arrival.mailbox,
        sender=Sender(address=arrival.envelope.mail_from or "", detail="The mail could not be parsed in time."),
        received_at=arrival.received_at,
        size=arrival.oversize or len(arrival.raw),
        notes=(Reason.UNPARSABLE.value, *([Reason.OVERSIZE.value] if arrival.oversize else [])),
    )
    return Screened(
        message=message,
        automatic=None,
        detail="Parsing took too long and was stopped.",
        digest=hashlib.sha256(arrival.raw).hexdigest(),
        party=message.sender.address,
        base_subject="",
    )
