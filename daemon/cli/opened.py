"""Opens the store for a command, checks its schema, and closes it again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from daemon import config as configuration
from daemon.cli.output import resolve_config
from daemon.config import Config
from daemon.store import schema
from daemon.store.engine import Store, opened
from daemon.store.queue import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The configuration and the store that a command works on."""

    config: Config
    store: Store
    queue: Queue

    def now(self) -> datetime:
        """The present, aware."""
        return datetime.now(UTC)


@contextmanager
def open_store(
    directory: Path | None, *, read: Callable[[Path], Config] = configuration.for_command
) -> Iterator[Opened]:
    """The store of the configuration in `directory`, as `read` reads it.

    Raises:
        Faults: the configuration.
        StoreUnusable, SchemaMismatch: the store.
    """
    config = read(resolve_config(directory))
    store = opened(config)
    try:
        schema.check(store)
        queue = Queue(store)
        try:
            yield Opened(config=config, store=store, queue=queue)
        finally:
            queue.close()
    finally:
        store.close()
