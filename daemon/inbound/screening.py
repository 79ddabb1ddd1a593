"""Parses and screens mail in processes of its own, which are killed when a mail takes too long."""

import asyncio
import hashlib
import multiprocessing
from concurrent.futures import TimeoutError as TookTooLong

import structlog
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from daemon.gate.verdict import Reason
from daemon.inbound.arrival import Arrival
from daemon.inbound.screen import ScreenConfig, Screened, screen
from handlers.contract import Message, Sender

log = structlog.get_logger()

PROCESSES = 2
SECONDS = 2.0
"""What a mail may take; a process that takes longer is killed and replaced."""


class Screening:
    """A pool of processes that know how to read mail."""

    def __init__(self, *, processes: int = PROCESSES, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._processes = processes
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPool:
        # spawned, not forked: the daemon has threads, and a lock that one of them holds would be held for ever
        return ProcessPool(max_workers=self._processes, context=multiprocessing.get_context("spawn"))

    def _schedule(self, arrival: Arrival, config: ScreenConfig, identifier: str) -> "ProcessFuture[Screened]":
        def schedule() -> "ProcessFuture[Screened]":
            return self._pool.schedule(screen, args=(arrival, config), kwargs={"id": identifier}, timeout=self._seconds)

        try:
            return schedule()
        except RuntimeError:
            # a pool whose processes could not be started gives up for good: the mail after it deserves another try
            log.warning("screening.restarted")
            self._pool = self._new_pool()
            return schedule()

    async def screen(self, arrival: Arrival, config: ScreenConfig, identifier: str) -> Screened:
        """Parse and screen a mail. Never raises for what the mail is: one that can't be read is held as it is."""
        try:
            screened: Screened = await asyncio.wrap_future(self._schedule(arrival, config, identifier))
        except (TookTooLong, ProcessExpired, MemoryError) as error:
            log.warning("mail.unreadable", message=identifier, why=type(error).__name__)
            return unreadable(arrival, identifier)
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
