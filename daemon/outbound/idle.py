"""Keeps a connection to the mail server for the next mail, for some seconds and some mails."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.accounts import SmtpConfig

if TYPE_CHECKING:
    from aiosmtplib import SMTP

SECONDS: Final = 10.0
"""How long it may wait: servers close what is silent for minutes, and count what is open."""
MAILS: Final = 50
"""How many mails one connection may carry: many servers refuse more than a hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A connection that carried mails already."""

    client: "SMTP"
    mails: int


class Idle:
    """At most one connection, on which nothing is under way."""

    def __init__(self, *, seconds: float = SECONDS, mails: int = MAILS) -> None:
        self._seconds = seconds
        self._mails = mails
        self._held: tuple[SmtpConfig, Kept] | None = None
        self._end: asyncio.TimerHandle | None = None

    def take(self, config: SmtpConfig) -> Kept | None:
        """The connection, if there is one that was made with these settings and that nobody has closed."""
        if self._held is None:
            return None
        made_with, kept = self._held
        if made_with != config or not kept.client.is_connected:
            self.close()
            return None
        self._let_go()
        return kept

    def put(self, config: SmtpConfig, kept: Kept) -> bool:
        """Keep a connection; False when it has done enough, or another is kept: the caller leaves then."""
        if self._held is not None or kept.mails >= self._mails or not kept.client.is_connected:
            return False
        self._held = (config, kept)
        self._end = asyncio.get_running_loop().call_later(self._seconds, self.close)
        return True

    def close(self) -> None:
        """Leave the server."""
        if self._held is not None:
            leave(self._held[1].client)
        self._let_go()

    def _let_go(self) -> None:
        self._held = None
        if self._end is not None:
            self._end.cancel()
            self._end = None


def leave(client: "SMTP") -> None:
    """QUIT, without waiting for its answer: what the server said about a mail has to be stored at once."""
    with contextlib.suppress(Exception):
        if client.protocol is not None:
            client.protocol.write(b"QUIT\r\n")
    client.close()
