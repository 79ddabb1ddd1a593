"""The one place that talks through the Anthropic SDK: one request, one attempt, and errors in our words."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from daemon.brain import abilities, messages, refusals
from daemon.brain.abilities import Abilities
from handlers.contract import BrainBusy, BrainFailed

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

ANTHROPIC = "https://api.anthropic.com"
_LOGGERS = ("anthropic", "httpx2", "httpcore2")
_ASK_ABILITIES = 10.0
"""Seconds for the look-up of a model's abilities; the call can do without."""


class Connection:
    """A pool of connections to one model server; every model of it shares them."""

    def __init__(self, *, api_key: str, base_url: str = "", timeout: float = 60.0) -> None:
        """Open nothing yet.

        Args:
            api_key: empty for a server that wants none.
            base_url: empty: Anthropic.
            timeout: seconds for one whole call, from the first byte sent to the last one read.
        """
        self._api_key = api_key
        self._base_url = base_url or ANTHROPIC
        self._timeout = timeout
        self._client: AsyncAnthropic | None = None
        self._abilities: dict[str, Abilities] = {}
        self._opening = asyncio.Lock()

    async def start(self) -> None:
        """Load the SDK (seconds of CPU) in a thread of its own, so that nothing else waits for it."""
        async with self._opening:
            if self._client is not None:
                return
            executor = ThreadPoolExecutor(1, thread_name_prefix="anthropic-sdk")
            try:
                self._client = await asyncio.get_running_loop().run_in_executor(executor, self._open)
            finally:
                executor.shutdown(wait=False)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def abilities(self, model: str) -> Abilities:
        """What the model accepts; asked once. A server that can't say gets the plain request."""
        if model not in self._abilities:
            try:
                document = await self._get(model)
            except BrainBusy:
                return Abilities()
            except BrainFailed:
                document = None
            self._abilities[model] = abilities.read(document)
        return self._abilities[model]

    async def ask(self, model: str) -> None:
        """Ask the server for a model, which costs no token.

        Raises:
            BrainBusy: no answer.
            BrainFailed: it does not know the model, or not this question, or refuses the key.
        """
        await self._get(model)

    async def create(self, body: Mapping[str, Any]) -> Any:
        """Send one request to the Messages API and return the JSON of the answer.

        Raises:
            BrainBusy: no answer, or one that says: later.
            BrainFailed: an answer that says: never.
        """
        client = await self._ready()
        call = client.messages.with_raw_response.create(**body, timeout=self._timeout)
        return await self._attempt(call, limit=self._timeout)

    async def _get(self, model: str) -> Any:
        client = await self._ready()
        return await self._attempt(client.models.with_raw_response.retrieve(model), limit=_ASK_ABILITIES)

    async def _ready(self) -> "AsyncAnthropic":
        await self.start()
        assert self._client is not None
        return self._client

    async def _attempt(self, call: Awaitable[Any], *, limit: float) -> Any:
        """The JSON that a call of the SDK brings, read whole within the limit."""
        from anthropic import APIConnectionError, APIStatusError

        try:
            async with asyncio.timeout(limit):
                content = await (await call).read()
        except APIStatusError as error:
            raise refusals.refusal(error.status_code, error.response.headers, now=datetime.now(UTC)) from None
        except (TimeoutError, APIConnectionError) as error:
            raise BrainBusy(_unreached(error, self._base_url, limit)) from None
        return messages.decode(content)

    def _open(self) -> "AsyncAnthropic":
        import anthropic

        # The SDK logs whole requests at DEBUG and obeys ANTHROPIC_LOG; no mail may get into a log (promise P15).
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        return anthropic.AsyncAnthropic(
            api_key=self._api_key or "none",  # the SDK wants one even where the server doesn't
            base_url=self._base_url,
            timeout=self._timeout,
            max_retries=0,
            open_telemetry=False,
            # A redirect would carry the mail and the key to an address that the operator did not write down.
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
        )


def _unreached(error: Exception, base_url: str, limit: float) -> str:
    from anthropic import APITimeoutError

    if isinstance(error, TimeoutError | APITimeoutError):
        return f"The model server at {base_url} did not answer within {limit:g} s. The mail waits and is tried again."
    return f"The connection to the model server at {base_url} failed. The mail waits and is tried again."
