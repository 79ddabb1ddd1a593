"""What deliveries are made of: the adapters as Protocols, and all of them together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from daemon.config import Config
from daemon.outbound.smtp import Submission
from daemon.store.engine import Store
from daemon.store.job import Job
from daemon.store.queue import Queue


class Copies(Protocol):
    """Where copies of what was sent are filed (an IMAP account's Sent folder)."""

    async def find(self, mailbox: str, message_id: str) -> bool:
        """Whether Sent holds a mail with that Message-ID; False proves nothing."""
        ...

    async def file(self, mailbox: str, raw: bytes) -> None:
        """Put a copy into Sent."""
        ...

    def wanted(self, mailbox: str) -> bool:
        """Whether we are the ones who file copies for this mailbox."""
        ...


class Writes(Protocol):
    """Staged writes in the business database: T2."""

    async def apply(self, job: Job) -> str | None:
        """Apply every write of the draft, once; the sentence of a refusal, or None.

        Raises:
            Transient: the database could not answer; nobody knows whether it happened, ask again.
        """
        ...

    async def refuse(self, job: Job, detail: str) -> bool:
        """Make sure that they never happen; True when they have happened already.

        Raises:
            Transient: the database could not answer; nothing is decided, ask again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """What deliveries need."""

    store: Store
    queue: Queue
    config: Callable[[], Config]
    submission: Callable[[], Submission]
    writes: Writes
    copies: Copies
    look: Callable[[str], Awaitable[None]]
    """Commits what stands in a mailbox now: new mail, and what people answered by hand.

    Raises:
        Transient: the mailbox or the store can't be reached.
    """
    clock: Callable[[], datetime]
    alone: bool
    """Nobody else can be working on this store: what is found in `sending` has no worker any more."""
    active: set[str]
    """Deliveries that this process has in hand."""
    reached: Callable[[str, str], Awaitable[None]]
    """Called at each durable boundary with the delivery's id and the new state; the tests kill the process there."""
