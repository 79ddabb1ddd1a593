"""Hands a mail to the submission server, in steps that tell a certain non-delivery from one that nobody can know.

RFC 5321 section 4.2.5 and 6.1: the server takes responsibility with its answer to the final dot. Everything that
fails before that dot is a certain non-delivery; a missing answer after it is `Uncertain`.
"""

import asyncio
import contextlib
import functools
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.accounts import SmtpConfig
from daemon.errors import LoginRefused, Refused4xx, Uncertain, Unreachable
from daemon.loopback import is_loopback
from daemon.outbound.idle import Idle, Kept, leave
from daemon.outbound.login import log_in
from daemon.outbound.smtp_answers import plain, refusals, refused, told
from daemon.secrets import Credential
from tools.errors import Permanent, TriagedError

if TYPE_CHECKING:
    from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPResponse

FINAL: Final = 600.0
"""Seconds to wait for the answer to the final dot (RFC 5321 section 4.5.3.2.6)."""
_FAREWELL = 2.0
_FLUSH = 0.002
_START_INPUT = 354
_OK = 250
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"(?m)^\.")

Proof = Callable[[], Awaitable[Credential]]
"""What a login is proven with, asked at each login.

Raises:
    Unreachable: it can't be had; `LoginRefused` where a person has to do something first.
    tools.located.Faults: the file of a password can't be read.
"""


class Submission:
    """The submission server."""

    def __init__(
        self,
        config: SmtpConfig,
        credential: Proof | None = None,
        *,
        final: float = FINAL,
        idle: Idle | None = None,
    ) -> None:
        """Take the settings; `open` connects.

        Args:
            config: `[smtp]`; `ca_file` absolute, and `user` set where there is AUTH.
            credential: asked for what `config.user` logs in with, at each login.
            final: seconds to wait for the answer to the final dot, if `config.timeout` is not longer.
            idle: keeps the connection for the next mail; None: each mail has its own.

        Raises:
            Permanent: the CA file can't be read, or a password would cross the network in clear.
        """
        self.config = config
        self._credential = credential
        self._final = max(config.timeout, final)
        self._idle = idle
        self._tls = None if config.tls == "none" else _tls(config)
        if config.user and config.tls == "none" and not is_loopback(config.host):
            raise Permanent("The SMTP password would cross the network in clear. Set smtp.tls to starttls or implicit.")

    @property
    def name(self) -> str:
        """The server, for messages."""
        return f"{self.config.host}:{self.config.port}"

    async def open(self, mail_from: str, rcpt_to: str, *, size: int | None = None) -> "Opened":
        """Go as far as the accepted recipient: connect, TLS, AUTH, MAIL FROM, RCPT TO.

        Args:
            mail_from: reverse-path; empty for `<>`.
            rcpt_to: the one recipient.
            size: octets of the mail, told to servers that ask (RFC 1870).

        Raises:
            Refused4xx: sender or recipient are refused for now.
            Refused5xx: sender or recipient are refused for good.
            Unreachable: no connection, no TLS, or no login: that is about the server and not about this mail.
        """
        if self._idle is not None and (kept := self._idle.take(self.config)):
            # Whatever is wrong with a connection that waited proves nothing: a new one is asked the same.
            with contextlib.suppress(TriagedError):
                return await self._begin(kept.client, kept.mails, mail_from, rcpt_to, size)
        client = self._client()
        try:
            await self._connect(client)
        except BaseException:
            client.close()
            raise
        return await self._begin(client, 0, mail_from, rcpt_to, size)

    async def _begin(self, client: "SMTP", mails: int, mail_from: str, rcpt_to: str, size: int | None) -> "Opened":
        try:
            await self._envelope(client, mail_from, rcpt_to, size)
        except BaseException:
            client.close()
            raise
        return Opened(
            client, self.name, timeout=self.config.timeout, final=self._final, keep=partial(self._keep, mails)
        )

    def _keep(self, mails: int, client: "SMTP") -> bool:
        return self._idle is not None and self._idle.put(self.config, Kept(client=client, mails=mails + 1))

    async def prove(self) -> None:
        """Connect, log in, and leave: shows that mail could be handed in.

        Raises:
            Unreachable: it could not; `LoginRefused` where the server or the provider refuses the login.
        """
        client = self._client()
        try:
            await self._connect(client)
            with contextlib.suppress(Exception):
                await client.quit(timeout=_FAREWELL)
        finally:
            client.close()

    def _client(self) -> "SMTP":
        from aiosmtplib import SMTP

        return SMTP(
            hostname=self.config.host,
            username=None,
            timeout=self.config.timeout,
            use_tls=self.config.tls == "implicit",
            start_tls=False,  # by hand: what it answers decides which error it is
            tls_context=self._tls,
            local_hostname=_own_name(),
        )

    async def _connect(self, client: "SMTP") -> None:
        from aiosmtplib import SMTPAuthenticationError, SMTPException

        # before the server is asked: a provider may take longer to answer than a server waits for AUTH
        proof = await self._credential() if self._credential and self.config.user else None
        try:
            await client.connect(sock=await self._socket())
            await client.ehlo()
            if self.config.tls == "starttls":
                await client.starttls()
                await client.ehlo()
            if proof:
                await log_in(client, self.config.user or "", proof)
        except SMTPAuthenticationError as error:
            raise self._login_refused(error) from error
        except (SMTPException, OSError, TimeoutError, ValueError) as error:
            raise Unreachable(
                f"The mail server {self.name} could not be used: {told(error)}. See [smtp] in triaged.toml."
            ) from error

    def _login_refused(self, error: "SMTPAuthenticationError") -> Unreachable:
        said = f"The mail server {self.name} refuses the login: {told(error)}."
        if 400 <= error.code < 500:  # noqa: PLR2004 - RFC 4954 section 6: not now
            return Unreachable(f"{said} It is tried again.")
        if self.config.oauth:
            return LoginRefused(f"{said} Run `triaged login {self.config.oauth}`, or allow SMTP to its account.")
        return LoginRefused(f"{said} Correct `user` and `password_file` in [smtp].")

    async def _socket(self) -> socket.socket:
        """A connected socket: names are resolved in a thread of our own, not in the default executor.

        Raises:
            OSError: no address of the server accepts a connection.
        """
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(_resolver(), _resolve, self.config.host, self.config.port)
        failed: OSError = OSError("the name has no address")
        for family, kind, protocol, _, target in found:
            sock = socket.socket(family, kind, protocol)
            sock.setblocking(False)
            try:
                async with asyncio.timeout(self.config.timeout):
                    await loop.sock_connect(sock, target)
            except OSError as error:  # TimeoutError is one
                sock.close()
                failed = error
                continue
            except BaseException:
                sock.close()
                raise
            return sock
        raise failed

    async def _envelope(self, client: "SMTP", mail_from: str, rcpt_to: str, size: int | None) -> None:
        options = [f"SIZE={size}"] if size is not None and client.supports_extension("size") else []
        async with refusals(self.name, "the sender"):
            await client.mail(mail_from, options=options)
        async with refusals(self.name, "the recipient"):
            await client.rcpt(rcpt_to)


class Opened:
    """A connection on which the recipient was accepted: one mail may follow."""

    def __init__(
        self, client: "SMTP", name: str, *, timeout: float, final: float, keep: Callable[["SMTP"], bool]
    ) -> None:
        self._client = client
        self._name = name
        self._timeout = timeout
        self._final = final
        self._keep = keep

    async def send(self, raw: bytes, *, timeout: float | None = None) -> str:  # noqa: ASYNC109 - a deadline for the dot, not for the call
        """Send the mail, and return what the server answered to the final dot.

        Args:
            raw: RFC 5322.
            timeout: seconds within which the final dot must leave. When they are over, the connection is cut before
                it, and the mail certainly did not leave.

        Raises:
            Refused4xx: not taken, for now; also when the connection or the time ended before the final dot.
            Refused5xx: not taken, for good.
            Uncertain: the final dot left, and no answer came.
        """
        try:
            await self._content(raw, self._timeout if timeout is None else timeout)
            answer = await self._finish()
        except BaseException:
            leave(self._client)
            raise
        if not self._keep(self._client):
            leave(self._client)
        return answer

    async def abandon(self) -> None:
        """Give up before DATA: nothing was sent."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_FAREWELL):
                await self._client.rset()
                if self._keep(self._client):
                    return
        leave(self._client)

    async def _content(self, raw: bytes, timeout: float) -> None:  # noqa: ASYNC109 - as `send`
        """DATA, and everything but the final dot. Whatever fails here, the mail did not leave."""
        content = _LEADING_DOT.sub(b"..", _LINE_END.sub(b"\r\n", raw))
        try:
            async with asyncio.timeout(timeout), refusals(self._name, "the mail"):
                answer = await self._client.execute_command(b"DATA")
                if answer.code != _START_INPUT:
                    raise refused(self._name, "the mail", answer.code, answer.message)
                await self._write(content if content.endswith(b"\r\n") else content + b"\r\n")
        except (TimeoutError, Unreachable) as error:
            self._client.close()
            why = "it was too slow" if isinstance(error, TimeoutError) else "the connection ended"
            raise Refused4xx(
                f"{self._name} did not get the whole mail: {why} before the end. It is tried again.", code=421
            ) from error

    async def _write(self, content: bytes) -> None:
        """Write, and wait until the kernel has it all: only then may the dot follow.

        Raises:
            ConnectionError: the connection ended.
        """
        protocol = self._client.protocol
        if protocol is None:
            raise ConnectionResetError("connection lost")
        protocol.write(content)
        while (transport := self._client.transport) is not None and not transport.is_closing():
            if isinstance(transport, asyncio.WriteTransport) and not transport.get_write_buffer_size():
                return
            await asyncio.sleep(_FLUSH)
        raise ConnectionResetError("connection lost")

    async def _finish(self) -> str:
        """The final dot, and its answer."""
        from aiosmtplib import SMTPException

        protocol = self._client.protocol
        if protocol is None:
            raise Refused4xx(
                f"{self._name} closed the connection before the end of the mail. It is tried again.", code=421
            )
        try:
            protocol.write(b".\r\n")
            answer: SMTPResponse = await protocol.read_response(timeout=self._final)
        except (SMTPException, OSError) as error:
            raise Uncertain(
                f"{self._name} got the whole mail and did not answer. Nobody can know whether it was delivered; "
                "it is not sent again by itself."
            ) from error
        if answer.code == _OK:
            return f"{answer.code} {plain(answer.message)}"
        refusal = refused(self._name, "the mail", answer.code, answer.message)
        if isinstance(refusal, Unreachable):  # neither 250 nor a refusal: the server's answer says nothing
            raise Uncertain(
                f"{self._name} answered {answer.code} to the whole mail. Nobody can know whether it was delivered."
            )
        raise refusal


def _tls(config: SmtpConfig) -> ssl.SSLContext:
    try:
        written = config.ca_file.stat().st_mtime_ns if config.ca_file else 0
        return _context(config.ca_file, written)
    except OSError as error:
        raise Permanent(
            f"smtp.ca_file {config.ca_file} can't be used: {error}. Correct the path or the file."
        ) from error


@functools.lru_cache(maxsize=4)
def _context(ca_file: Path | None, _written: int) -> ssl.SSLContext:
    """Kept, since reading the system's certificates takes some 20 ms; a file that was written anew is read anew."""
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


@functools.cache
def _resolver() -> ThreadPoolExecutor:
    """The one thread that looks up names."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="smtp-resolve")


def _resolve(
    host: str, port: int
) -> Sequence[
    tuple[
        socket.AddressFamily,
        socket.SocketKind,
        int,
        str,
        tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
    ]
]:
    return socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)


def _own_name() -> str:
    """What EHLO says (RFC 5321 section 4.1.4): our name if it is a full one, else an address literal."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
