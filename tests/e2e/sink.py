"""The mail server behind the daemon: `daemon.outbound.sink` in a thread of the tests, which no kill reaches."""

import asyncio
import threading
from pathlib import Path

from daemon.outbound.sink import Decide, Sink


class ThreadedSink:
    """A sink that runs until `close`."""

    def __init__(self, maildir: Path, *, kind: type[Sink] = Sink) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sink", daemon=True)
        self._thread.start()
        self._sink = kind(maildir)
        asyncio.run_coroutine_threadsafe(self._sink.start(), self._loop).result(10)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._sink.port

    def decide(self, decide: Decide) -> None:
        """Choose the answers from now on."""
        self._sink.decide = decide

    @property
    def kept(self) -> int:
        """How many mails came, by a sink's own `kept`."""
        return int(getattr(self._sink, "kept", len(self._sink.received)))

    def close(self) -> None:
        """Stop the server and its thread."""
        asyncio.run_coroutine_threadsafe(self._sink.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
