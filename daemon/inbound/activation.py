"""Takes over sockets that systemd opened before the daemon was started (sd_listen_fds(3), systemd.socket(5))."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

PREFIX = "systemd"
_FIRST = 3
"""The first descriptor that is passed (SD_LISTEN_FDS_START)."""


def asked(listen: str) -> bool:
    """Whether an address means a socket of systemd: `systemd`, or `systemd:NAME` for one of several."""
    return listen == PREFIX or listen.startswith(f"{PREFIX}:")


def take(listen: str, environment: Mapping[str, str] = os.environ) -> socket.socket:
    """The listening socket that `listen` means, as a descriptor of our own.

    Args:
        listen: `systemd` for the only one, `systemd:NAME` for that with `FileDescriptorName=NAME`.
        environment: where systemd says what it passed.

    Raises:
        OSError: it was not passed; the message says what was.
    """
    passed = _passed(environment)
    name = listen.partition(":")[2]
    found = [number for number, known in passed.items() if not name or known == name]
    if not passed:
        raise OSError("systemd passed no socket: start triaged.socket, and the daemon as its service")
    if len(found) != 1:
        names = ", ".join(sorted(set(passed.values())))
        raise OSError(f"systemd passed {len(passed)} sockets, named {names}: write `systemd:NAME` of one of them")
    opened = socket.socket(fileno=os.dup(found[0]))
    if opened.type != socket.SOCK_STREAM or not opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        opened.close()
        raise OSError("the socket that systemd passed does not listen: use ListenStream= and Accept=no")
    opened.setblocking(False)
    return opened


def _passed(environment: Mapping[str, str]) -> dict[int, str]:
    """Descriptor to name; nothing if they are meant for another process."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return {}
    with suppress(ValueError):
        count = int(environment.get("LISTEN_FDS", "0"))
        names = environment.get("LISTEN_FDNAMES", "").split(":") + ["unknown"] * count
        return dict(zip(range(_FIRST, _FIRST + count), names, strict=False))
    return {}
