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
from daemon.inbound import activation, loops
from daemon.inbound.address import normalise
from daemon.inbound.arrival import Arrival, DoorState, Envelope, Receive
from daemon.inbound.condition import Condition, Tell, unheard
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
_STORE_AWAY = "The store can't take mail now; the server in front keeps it and sends it again."
_FAULT = "Something unexpected happened; the log has it, and the server in front keeps the mail."
_GRAVE = ("451", "452", "552")
"""Answers that an operator should hear of; the others are every stranger's mistakes."""


class Listener:
    """One mailbox's LMTP or SMTP port."""

    def __init__(self, name: str, config: MailboxConfig, receive: Receive, tell: Tell = unheard) -> None:
        """Nothing is opened yet; `tell` hears of each change of the state."""
        self.condition = Condition(tell)
        self._name = name
        self._listen = config.listen or ""
        self._lmtp = config.kind == "lmtp"
        self._largest = config.max_size
        self._handler = _Handler(
            name, config.addresses, receive, self.condition, each=self._lmtp, where=f"listening on {self._listen}"
        )
        self._server: asyncio.Server | None = None
        self._clients: set[SMTP] = set()

    @property
    def port(self) -> int:
        """The TCP port that it listens on; 0 for a unix socket or before `start`."""
        for each in self._server.sockets if self._server else ():
            if each.family != socket.AF_UNIX:
                return int(each.getsockname()[1])
        return 0

    async def start(self) -> None:
        """Listen.

        Raises:
            Unreachable: the address is in use or not ours.
        """
        try:
            self._server = await self._bind()
        except (OSError, ValueError, OverflowError) as error:
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            told = f"Mailbox {self._name} can't listen on {self._listen}: {why}. "
            told += "Stop the program that uses the address, or change `listen`."
            self.condition.ill(DoorState.FAILING, told)
            raise Unreachable(told) from error
        self.condition.well(DoorState.WAITING, f"listening on {self._listen}")

    async def _bind(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        if activation.asked(self._listen):
            return await loop.create_server(self._connection, sock=activation.take(self._listen))
        if self._listen.startswith(_UNIX):
            return await loop.create_server(self._connection, sock=_unix(self._listen.removeprefix(_UNIX)))
        host, _, port = self._listen.rpartition(":")
        return await loop.create_server(self._connection, host.strip("[]"), int(port))

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
        self.condition.well(DoorState.STOPPED)

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
        client.mailbox = self._name
        self._clients.add(client)
        return client


class _Smtp(SMTP):
    """SMTP, with answers that say what to do."""

    line_length_limit = _LINE
    clients: set[SMTP] = set()  # noqa: RUF012 - the listener puts its own set here for each client
    mailbox = ""

    async def push(self, status: AnyStr) -> None:
        """Answer; for a mail that was discarded, with one answer a recipient in LMTP (RFC 2033 section 4.2)."""
        answer = str(status)
        if answer.startswith(_DISCARDED):
            assert self.envelope is not None
            answer = "\r\n".join([_TOO_LARGE.format(self.data_size_limit)] * self.answers(self.envelope))
        if answer[0] in "45":
            # the code only: the words may hold what the client said (promise P15)
            tell = log.warning if answer.startswith(_GRAVE) else log.info
            tell("lmtp.refused", mailbox=self.mailbox, code=int(answer[:3]))
        await super().push(answer)

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

    def __init__(
        self,
        name: str,
        addresses: frozenset[str],
        receive: Receive,
        condition: Condition,
        *,
        each: bool,
        where: str,
    ) -> None:
        self._name = name
        self._condition = condition
        self._where = where
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
            self._condition.ill(DoorState.STORE_AWAY, _STORE_AWAY)
            return _LATER
        except Exception as error:
            log.exception("lmtp.failed", mailbox=self._name, error=type(error).__name__)
            self._condition.ill(DoorState.FAILING, _FAULT)
            return _LATER
        self._condition.well(DoorState.WAITING, self._where)
        return _TAKEN.format(receipt.message)


def _bare(path: str) -> str:
    """A path of the envelope without its angle brackets."""
    return path.strip().removeprefix("<").removesuffix(">")


def _unix(path: str) -> socket.socket:
    """A socket for user and group, in the place of one that a dead process left.

    Raises:
        OSError: somebody listens there, something else lies there, or we may not.
    """
    _refuse_if_used(path)
    file = Path(path)
    if file.is_socket():
        file.unlink()
    opened = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(opened.fileno(), 0o660)  # before it has a name: nobody else connects in between (unix(7))
        opened.bind(path)
        file.chmod(0o660)  # the umask may have taken the group's right away
    except OSError:
        opened.close()
        raise
    return opened


def _refuse_if_used(path: str) -> None:
    """Tell whether somebody listens: a socket may be taken over from the dead only.

    Raises:
        OSError: somebody listens.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
