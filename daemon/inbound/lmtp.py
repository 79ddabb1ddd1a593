"""Takes mail over LMTP (RFC 2033) or SMTP (RFC 5321), and says 250 only after it is committed (promise P1)."""

import asyncio
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as Given
from aiosmtpd.smtp import Session as Client

from daemon.config import MailboxConfig
from daemon.errors import StoreUnusable, Unreachable
from daemon.inbound.arrival import Arrival, Envelope, Receive
from tools.errors import Transient

log = structlog.get_logger()

_UNIX = "unix:"
_TAKEN = "250 2.6.0 Committed"
_LATER = "451 4.3.0 The mail could not be stored; try again later"
_UNKNOWN = "550 5.1.1 No such mailbox here"
_TOO_MANY = "452 4.5.3 Too many recipients"
_MOST = 100
"""Recipients of one mail (RFC 5321 section 4.5.3.1.8 asks for at least as many)."""
IDLE = 300.0
"""Seconds that a silent client is kept (RFC 5321 section 4.5.3.2.7)."""


class Listener:
    """The door of a mailbox with `kind = "lmtp"` or `kind = "smtp"`."""

    def __init__(self, name: str, config: MailboxConfig, receive: Receive) -> None:
        assert config.listen is not None
        self._listen = config.listen
        self._lmtp = config.kind == "lmtp"
        self._most = config.max_size
        self._handler = _Handler(name, config.addresses, receive, each=self._lmtp)
        self._server: asyncio.Server | None = None
        self._clients: set[SMTP] = set()

    @property
    def port(self) -> int:
        """The TCP port, also when the configuration says 0."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen.

        Raises:
            Unreachable: the address is in use or can't be bound.
        """
        loop = asyncio.get_running_loop()
        try:
            if self._listen.startswith(_UNIX):
                path = Path(self._listen.removeprefix(_UNIX))
                _remove_stale(path)
                self._server = await loop.create_unix_server(self._connection, str(path))
                path.chmod(0o660)
            else:
                host, _, port = self._listen.rpartition(":")
                self._server = await loop.create_server(self._connection, host.strip("[]"), int(port))
        except (OSError, ValueError) as error:
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise Unreachable(
                f"Can't listen on {self._listen}: {why}. Stop what uses it, or choose another `listen`."
            ) from error

    async def stop(self) -> None:
        """Take no new mail; what is in the middle of a mail gets no 250 and comes again."""
        if self._server is None:
            return
        self._server.close()
        for client in tuple(self._clients):
            if client.transport is not None:
                client.transport.close()
        await self._server.wait_closed()

    def _connection(self) -> SMTP:
        kind = _Lmtp if self._lmtp else _Smtp
        client = kind(
            self._handler,
            data_size_limit=self._most,
            enable_SMTPUTF8=True,
            hostname=socket.gethostname(),
            ident="triaged",
            timeout=IDLE,
            loop=asyncio.get_running_loop(),
        )
        client.clients = self._clients
        self._clients.add(client)
        return client


class _Leaving(SMTP):
    """Is forgotten by the listener when its client leaves."""

    clients: set[SMTP] = set()  # noqa: RUF012 - replaced by the listener's set for each client

    def connection_lost(self, error: Exception | None) -> None:
        self.clients.discard(self)
        super().connection_lost(error)


class _Smtp(_Leaving):
    """SMTP."""


class _Lmtp(_Leaving, LMTP):
    """LMTP."""


class _Handler:
    """What aiosmtpd calls; every answer is decided here."""

    def __init__(self, name: str, addresses: frozenset[str], receive: Receive, *, each: bool) -> None:
        self._name = name
        self._addresses = addresses
        self._receive = receive
        self._each = each

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _client: Client, envelope: Given, address: str, _options: list[str]
    ) -> str:
        if address.lower() not in self._addresses:
            return _UNKNOWN
        if len(envelope.rcpt_tos) >= _MOST:
            return _TOO_MANY
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _client: Client, envelope: Given) -> str:  # noqa: N802 - aiosmtpd's name
        answer = await self._take(envelope)
        # RFC 2033 section 4.2: one answer for each recipient; ours all stand for the same mailbox
        return "\r\n".join([answer] * len(envelope.rcpt_tos)) if self._each else answer

    async def _take(self, envelope: Given) -> str:
        content = envelope.original_content or b""
        arrival = Arrival(
            mailbox=self._name,
            raw=content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"),
            received_at=datetime.now(UTC),
            envelope=Envelope(mail_from=envelope.mail_from or "", rcpt_to=tuple(envelope.rcpt_tos)),
        )
        try:
            receipt = await self._receive(arrival)
        except (Transient, StoreUnusable) as error:
            log.warning("lmtp.not-committed", mailbox=self._name, why=type(error).__name__)
            return _LATER
        except Exception as error:  # noqa: BLE001 - a mail that we failed on must stay with the sender's server
            log.exception("lmtp.failed", mailbox=self._name, error=type(error).__name__)
            return _LATER
        return f"{_TAKEN} {receipt.message}"


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more; another daemon's is left."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
