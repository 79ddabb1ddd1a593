"""An SMTP server that keeps mail as Maildir: the demo's other end, and a server whose faults tests choose."""

import asyncio
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Phase = Literal["connect", "auth", "mail", "rcpt", "data", "content", "stored"]
"""Where a decision is asked for. `content`: the final dot has come and nothing is stored; `stored`: it is, and the
answer is due."""
Decide = Callable[[Phase], str | None]
"""None: as usual; an answer such as `451 4.3.0 Later`; `drop`: cut the connection; `hang`: never answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A mail that the sink took."""

    mail_from: str
    rcpt_to: tuple[str, ...]
    raw: bytes
    path: Path


class Sink:
    """The server; loopback only."""

    def __init__(
        self,
        maildir: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        decide: Decide | None = None,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
    ) -> None:
        """Set up; `start` listens.

        Args:
            maildir: made when it is not there.
            host: loopback address.
            port: 0: any free one; `port` tells which after `start`.
            decide: asked at each phase, to inject faults.
            tls: certificate; offers STARTTLS, or speaks TLS from the start when `implicit`.
            implicit: as on port 465.
            login: the user and password that must be given by AUTH; only with STARTTLS.
        """
        self.maildir = maildir
        self.host = host
        self.port = port
        self.decide: Decide = decide or (lambda _: None)
        self.received: list[Received] = []
        self.phases: list[Phase] = []
        self._tls = tls
        self._implicit = implicit
        self._login = login
        self._server: asyncio.Server | None = None
        self._sessions: set[_Connection] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is in use.
        """
        for folder in ("tmp", "new", "cur"):
            (self.maildir / folder).mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        tls = self._tls if self._implicit else None
        self._server = await loop.create_server(self._connection, self.host, self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and cut what is still open."""
        if self._server is None:
            return
        self._server.close()
        for session in tuple(self._sessions):
            session.cut()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    def ask(self, phase: Phase) -> str | None:
        """What is to happen at a phase."""
        self.phases.append(phase)
        return self.decide(phase)

    def keep(self, mail_from: str, rcpt_to: tuple[str, ...], raw: bytes) -> None:
        """Store a mail durably, as a delivery agent does: fsync, then rename from tmp/ to new/."""
        name = f"{time.time_ns()}.P{os.getpid()}Q{len(self.received)}.sink"
        path = self.maildir / "new" / name
        written = self.maildir / "tmp" / name
        with written.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        written.rename(path)
        _sync(path.parent)
        self.received.append(Received(mail_from=mail_from, rcpt_to=rcpt_to, raw=raw, path=path))

    def _connection(self) -> "_Connection":
        connection = _Connection(self, tls=None if self._implicit else self._tls, login=self._login)
        self._sessions.add(connection)
        return connection

    def forget(self, connection: "_Connection") -> None:
        """A connection has ended."""
        self._sessions.discard(connection)


class _Connection(SMTP):
    """One client, with a question to the sink at each step."""

    def __init__(self, sink: Sink, *, tls: ssl.SSLContext | None, login: tuple[str, str] | None) -> None:
        self._sink = sink
        super().__init__(
            _Handler(sink),
            hostname="sink.localhost",
            ident="triaged sink",
            loop=asyncio.get_running_loop(),
            tls_context=tls,
            auth_required=login is not None,
            auth_require_tls=True,
            authenticator=_authenticator(sink, login),
        )

    def cut(self) -> None:
        """End the connection without a word."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._sink.forget(self)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        # before the greeting (RFC 5321 section 3.1); aiosmtpd asks no handler there
        if await self._interfere("connect"):
            return
        await super()._handle_client()

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        if not await self._interfere("mail"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802 - as above
        if not await self._interfere("rcpt"):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 - as above
        if not await self._interfere("data"):
            await super().smtp_DATA(arg)

    async def push(self, status: Any) -> None:
        if isinstance(status, str) and status in {"drop", "hang"}:
            await self._act(status)
            return
        await super().push(status)

    async def _interfere(self, phase: Phase) -> bool:
        decision = self._sink.ask(phase)
        if decision is None:
            return False
        await self._act(decision)
        return True

    async def _act(self, decision: str) -> None:
        if decision == "drop":
            self.cut()
        elif decision == "hang":
            await asyncio.Event().wait()
        else:
            await super().push(decision)


class _Handler:
    """What aiosmtpd calls when a whole mail has come."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        decision = self._sink.ask("content")
        if decision is not None:
            return decision
        raw = bytes(envelope.original_content or b"")
        self._sink.keep(envelope.mail_from or "", tuple(envelope.rcpt_tos), raw)
        return self._sink.ask("stored") or "250 2.0.0 Stored"


def _authenticator(sink: Sink, login: tuple[str, str] | None) -> Callable[..., AuthResult]:
    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
    ) -> AuthResult:
        refused = sink.ask("auth") is not None
        known = login is not None and (given.login, given.password) == (login[0].encode(), login[1].encode())
        return AuthResult(success=known and not refused, handled=False)

    return authenticate


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
