"""Gives the token that a mailbox logs in with, and refreshes it before it ends."""

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from daemon.errors import LoginRefused, NotPossible, OAuthRefused, Unreachable
from daemon.oauth.client import Client
from daemon.oauth.tokens import TokenFile, Tokens
from daemon.secrets import Credential
from tools.errors import Permanent

log = structlog.get_logger()

MARGIN: Final = 300.0
"""Seconds before its end at which a token is refreshed; one that lives for less than twice as long: at its half."""
AGAIN: Final = 900.0
"""Seconds until a refresh that was refused is tried again; a new login is noticed at once."""
_LATER = 30.0
"""Seconds until a provider that could not be reached is asked again."""
_LATE = 10.0
"""Seconds before its end until which a token is used where no other can be had."""
_OUR_REGISTRATION = frozenset({"invalid_client", "unauthorized_client"})


class Grant:
    """What a mailbox was granted; for any thread.

    The refresh token that a refresh brings is on the disk before the access token beside it is used, and all who
    could refresh hold one lock, so that a provider that takes each refresh token only once gets each only once. A
    process that is killed between the provider's answer and the write loses the new one: with such a provider a
    person then has to log in again.
    """

    def __init__(
        self,
        file: TokenFile,
        *,
        client: Callable[[], Client],
        fingerprint: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the parts.

        Args:
            file: where the tokens are.
            client: our registration at the provider; may ask the provider where its endpoints are.
            fingerprint: of the configuration that the login must belong to.
            clock: seconds since 1970.
        """
        self._file = file
        self._client = client
        self._fingerprint = fingerprint
        self._clock = clock
        self._failed: tuple[str, float, Unreachable] | None = None

    def credential(self) -> Credential:
        """A token that is good for some minutes; blocks while it is refreshed.

        Raises:
            LoginRefused: a person has to log in, or to correct the client's registration.
            Unreachable: the provider can't be reached, or the disk takes nothing.
        """
        tokens = self._read()
        if self._due(tokens):
            try:
                tokens = self._refreshed()
            except (Unreachable, NotPossible) as error:
                if self._clock() > tokens.expires - _LATE:
                    raise error if isinstance(error, Unreachable) else Unreachable(str(error)) from error
        return Credential(tokens.access, "token")

    async def ask(self) -> Credential:
        """`credential` without blocking the loop."""
        return await asyncio.get_running_loop().run_in_executor(_threads(), self.credential)

    async def ends(self) -> float | None:
        """When a person has to log in again, in seconds since 1970; None: not known, or it is put off by itself.

        Refreshes what is due: a login that nobody uses ends with some providers.

        Raises:
            LoginRefused, Unreachable: as `credential`.
        """
        await self.ask()
        tokens = await asyncio.get_running_loop().run_in_executor(_threads(), self._read)
        return None if tokens.renewed else tokens.login_ends

    def _read(self) -> Tokens:
        tokens = self._file.read()
        if tokens.client != self._fingerprint:
            raise LoginRefused(
                f"The login of {self._file.mailbox} belongs to another provider or client than triaged.toml names. "
                f"Run `triaged login {self._file.mailbox}`."
            )
        return tokens

    def _due(self, tokens: Tokens) -> bool:
        return self._clock() > tokens.expires - min(MARGIN, (tokens.expires - tokens.begun) / 2)

    def _refreshed(self) -> Tokens:
        with self._file.locked():
            tokens = self._read()
            if not self._due(tokens):
                return tokens  # whoever held the lock before us has refreshed
            self._refuse_again(tokens)
            self._file.write(tokens)  # a disk that takes nothing is noticed while the old refresh token is still good
            fresh = self._ask(tokens)
            self._file.write(fresh)
        log.info("oauth.refreshed", mailbox=self._file.mailbox)
        return fresh

    def _ask(self, tokens: Tokens) -> Tokens:
        try:
            answer = self._client().refresh(tokens.refresh)
            return Tokens.granted(answer, client=self._fingerprint, now=self._clock(), before=tokens)
        except Permanent as error:
            refused = LoginRefused(f"The login of {self._file.mailbox} is refused. {error} {self._advice(error)}")
            self._failed = (tokens.refresh, self._clock() + AGAIN, refused)
            raise refused from error
        except Unreachable as error:
            self._failed = (tokens.refresh, self._clock() + _LATER, error)
            raise

    def _refuse_again(self, tokens: Tokens) -> None:
        """Say what the provider has just said about the same refresh token, without asking it.

        Raises:
            LoginRefused, Unreachable: what it was.
        """
        if self._failed is None or self._failed[0] != tokens.refresh or self._clock() >= self._failed[1]:
            return
        raise type(self._failed[2])(str(self._failed[2]))

    def _advice(self, error: Permanent) -> str:
        if isinstance(error, OAuthRefused) and error.code in _OUR_REGISTRATION:
            return "Correct `client_id` and `client_secret_file`; a client's secret may have expired."
        return f"Run `triaged login {self._file.mailbox}`."


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """The threads that wait for providers, so that the loop need not."""
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="oauth")
