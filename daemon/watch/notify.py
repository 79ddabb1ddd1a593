"""Tells systemd how the daemon is: ready, stopping, reloading, alive (the protocol of sd_notify(3))."""

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Speaks to the service manager over the socket in `NOTIFY_SOCKET`; says nothing where there is none.

    A message that can't be delivered is dropped: systemd has its own time limits for a daemon that fell silent.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL byte that begins an abstract address (unix(7)).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._interval = _interval(environment)

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds between two calls of `alive`: half of what systemd allows; None: no watchdog is set."""
        return self._interval

    def ready(self, status: str = "") -> None:
        """The store and the mailboxes are proven, work has begun."""
        self._send("READY=1", *_status(status))

    def reloading(self) -> None:
        """A new release is being loaded; `ready` ends it. The time stamp is what Type=notify-reload asks for."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """No new work is begun."""
        self._send("STOPPING=1")

    def status(self, status: str) -> None:
        """One line for `systemctl status`: counts and states, never anything of a mail (promise P15)."""
        self._send(*_status(status))

    def alive(self) -> None:
        """The work loop turns; to be called from the loop itself, at least every `watchdog_interval`."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address or not lines:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            try:
                channel.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                return


def _status(status: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(status.split())}",) if status else ()


def _interval(environment: Mapping[str, str]) -> float | None:
    microseconds = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdigit() or int(microseconds) == 0 or meant != str(os.getpid()):
        return None
    return int(microseconds) / 2_000_000
