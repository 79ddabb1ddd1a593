"""Wakes a thread that waits on a socket: a self-pipe, so that a call need not wait for the end of an IDLE."""

import contextlib
import select
import socket
from typing import Protocol


class Readable(Protocol):
    """Something with a file descriptor."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...


class Waker:
    """One thread waits, any thread pokes; a poke that comes before the wait is not lost."""

    def __init__(self) -> None:
        self._waiting, self._poking = socket.socketpair()
        self._waiting.setblocking(False)
        self._poking.setblocking(False)

    def poke(self) -> None:
        """End the wait that is under way, or the next one. Never blocks."""
        with contextlib.suppress(OSError):  # full: the thread wakes anyway; closed: nobody waits any more
            self._poking.send(b"!")

    def wait(self, seconds: float, beside: Readable | None = None) -> None:
        """Wait until poked, until `beside` has something to read, or until the time is up."""
        poller = select.poll()
        poller.register(self._waiting, select.POLLIN)
        if beside is not None:
            poller.register(beside, select.POLLIN)
        poller.poll(max(0.0, seconds) * 1000)
        with contextlib.suppress(BlockingIOError):
            while self._waiting.recv(4096):
                pass

    def close(self) -> None:
        """Close both ends; only the thread that waits may do it."""
        self._waiting.close()
        self._poking.close()
