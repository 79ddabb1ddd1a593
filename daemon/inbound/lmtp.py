"""The door for mail that a server hands over: LMTP (RFC 2033) and SMTP (RFC 5321); 250 only after the commit."""

import asyncio
import errno
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import AnyStr

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as Given
from aiosmtpd.smtp import Session as Client

from daemon.accounts import MailboxConfig
from daemon.errors import StoreUnusable, Unreachable
from daemon.inbound import loops
from daemon.inbound.address import normalise
from daemon.inbound.arrival import Arrival, Envelope, Receive
from tools.errors import Transient

log = structlog.get_logger()

IDLE = 300.0
"""Seconds that a silent client is kept (RFC 5321 section 4.5.3.2.7)."""
_UNIX = "unix:"
_LINE = 1_000_000
"""Octets of one line. RFC 5321 section 4.5.3.1.6 asks for 1,000 at least; real mail has longer ones."""
_DRAIN = 10.0
"""Seconds that `stop` waits for mail that is being committed."""
_MOST = 100
"""Recipients of one mail (RFC 5321 section 4.5.3.1.8 asks for at least as many)."""
_TAKEN = "250 2.6.0 Committed {}"
_LATER = "451 4.3.0 The mail could not be stored now. Send it again later."
_UNKNOWN = "550 5.1.1 No such mailbox here. Correct the address."
_TOO_MANY = "452 4.5.3 Too many recipients. Send the mail again to the others."
_TOO_LARGE = "552 5.3.4 The mail is larger than {} octets. Send a smaller one."
_DISCARDED = ("500 Line too long", "552 Error: Too much mail data")
"""How aiosmtpd answers for a mail that it read to its end and threw away."""


class Listener:
    """One mailbox's LMTP or SMTP port."""

    def __init__(self, name: str, config: MailboxConfig, receive: Receive) -> None:
        self._name = name
        self._listen = config.listen or ""
        self._lmtp = config.kind == "lmtp"
        self._largest = config.max_size
        self._handler = _Handler(name, config.addresses, receive, each=self._lmtp)
        self._server: asyncio.Server | None = None
        self._clients: set[SMTP] = set()

    @property
    def port(self) -> int:
        """The TCP port that it listens on; 0 for a unix socket or before `start`."""
        for each in self._server.sockets if self._server else ():
            if each.family != socket.AF_UNIX:
                return int(each.getsockname()[1])
        return 0

    @property
    def state(self) -> str:
        """What `triaged status` shows."""
        return f"listening on {self._listen}" if self._server else "stopped"

    async def start(self) -> None:
        """Listen.

        Raises:
            Unreachable: the address is in use or not ours.
        """
        loop = asyncio.get_running_loop()
        try:
            if self._listen.startswith(_UNIX):
                path = self._listen.removeprefix(_UNIX)
                _refuse_if_used(path)
                self._server = await loop.create_unix_server(self._connection, path)
                Path(path).chmod(0o660)  # noqa: ASYNC240 - one name of ours
            else:
                host, _, port = self._listen.rpartition(":")
                self._server = await loop.create_server(self._connection, host.strip("[]"), int(port))
        except (OSError, ValueError, OverflowError) as error:
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise Unreachable(
                f"Mailbox {self._name} can't listen on {self._listen}: {why}. "
                "Stop the program that uses the address, or change `listen`."
            ) from error

    async def stop(self) -> None:
        """Take no new mail. What is being committed gets its answer; what is still being sent comes again."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        if self._listen.startswith(_UNIX):
            Path(self._listen.removeprefix(_UNIX)).unlink(missing_ok=True)  # noqa: ASYNC240 - one name of ours
        await self._handler.drain()
        for client in tuple(self._clients):
            if client.transport is not None:
                client.transport.close()

    def _connection(self) -> SMTP:
        kind = _Lmtp if self._lmtp else _Smtp
        client = kind(
            self._handler,
            data_size_limit=self._largest,
            enable_SMTPUTF8=True,
            hostname=socket.gethostname(),
            ident="triaged",
            timeout=IDLE,
            loop=asyncio.get_running_loop(),
        )
        client.clients = self._clients
        self._clients.add(client)
        return client


class _Smtp(SMTP):
    """SMTP, with answers that say what to do."""

    line_length_limit = _LINE
    clients: set[SMTP] = set()  # noqa: RUF012 - the listener puts its own set here for each client

    async def push(self, status: AnyStr) -> None:
        """Answer; for a mail that was discarded, with one answer a recipient in LMTP (RFC 2033 section 4.2)."""
        if str(status).startswith(_DISCARDED):
            assert self.envelope is not None
            answers = [_TOO_LARGE.format(self.data_size_limit)] * self.answers(self.envelope)
            await super().push("\r\n".join(answers))
        else:
            await super().push(status)

    def answers(self, _envelope: Given) -> int:
        """How many answers follow the final dot."""
        return 1

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the client."""
        self.clients.discard(self)
        super().connection_lost(error)


class _Lmtp(_Smtp, LMTP):
    """LMTP."""

    def answers(self, envelope: Given) -> int:
        """One for each recipient."""
        return len(envelope.rcpt_tos)


class _Handler:
    """What aiosmtpd calls; every answer is decided here."""

    def __init__(self, name: str, addresses: frozenset[str], receive: Receive, *, each: bool) -> None:
        self._name = name
        self._addresses = frozenset(normalise(address) or address for address in addresses)
        self._receive = receive
        self._each = each
        self._busy: set[asyncio.Task[str]] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _client: Client, envelope: Given, address: str, _options: list[str]
    ) -> str:
        """Take our own addresses, with or without a `+tag`."""
        normal = normalise(_bare(address))
        if not self._addresses & {normal, loops.untagged(normal)}:
            return _UNKNOWN
        if len(envelope.rcpt_tos) >= _MOST:
            return _TOO_MANY
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _client: Client, envelope: Given) -> str:  # noqa: N802 - aiosmtpd's name
        """Hand the mail in, once for all recipients, since they are one mailbox; answer when it is committed."""
        task = asyncio.get_running_loop().create_task(self._take(envelope))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        # A client that leaves while the commit runs, which cancels us, must not tear it apart.
        answer = await asyncio.shield(task)
        return "\r\n".join([answer] * len(envelope.rcpt_tos)) if self._each else answer

    async def handle_exception(self, error: Exception) -> str:
        """Whatever goes wrong in the dialogue, the mail is still the client's."""
        log.error("lmtp.failed", mailbox=self._name, error=type(error).__name__)
        return _LATER

    async def drain(self) -> None:
        """Wait for the commits that are under way, and for their answers to be written."""
        if self._busy:
            await asyncio.wait(self._busy, timeout=_DRAIN)
            await asyncio.sleep(0.01)

    async def _take(self, envelope: Given) -> str:
        content = envelope.content or b""
        arrival = Arrival(
            mailbox=self._name,
            raw=content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"),
            received_at=datetime.now(UTC),
            envelope=Envelope(mail_from=_bare(envelope.mail_from or ""), rcpt_to=tuple(map(_bare, envelope.rcpt_tos))),
        )
        try:
            receipt = await self._receive(arrival)
        except (Transient, StoreUnusable) as error:
            log.warning("lmtp.not-committed", mailbox=self._name, why=type(error).__name__)
            return _LATER
        except Exception as error:
            log.exception("lmtp.failed", mailbox=self._name, error=type(error).__name__)
            return _LATER
        return _TAKEN.format(receipt.message)


def _bare(path: str) -> str:
    """A path of the envelope without its angle brackets."""
    return path.strip().removeprefix("<").removesuffix(">")


def _refuse_if_used(path: str) -> None:
    """Tell whether somebody listens: asyncio would take the socket over from them, as it should from the dead.

    Raises:
        OSError: somebody listens.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
