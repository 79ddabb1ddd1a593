"""Chooses what plays the model: the configured provider, started and stopped in one way."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from daemon.config import Config
from handlers.contract import Brain, Handler


async def _nothing() -> None:
    """Embedded brains need no connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A brain, and how it is started and stopped."""

    brain: Brain
    start: Callable[[], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing


def choose(config: Config, handlers: Collection[Handler], *, mark_key: bytes) -> Chosen:
    """Build the brain of `[brain] provider`.

    Args:
        config: the configuration.
        handlers: what the embedded brain learns, in the background, from the start on.
        mark_key: a secret of this installation, for the fence around text from outside.

    Raises:
        BrainFailed: there is no key for Anthropic's own server.
        Faults: the key's file can't be read.
    """
    if config.brain.provider == "embedded":
        from daemon.brain.embedded import Embedded

        embedded = Embedded(threshold=config.brain.embedded.threshold)
        learning: list[asyncio.Task[None]] = []

        async def start() -> None:
            # not waited for: mail is taken in meanwhile, and the first that needs it waits
            learning.append(asyncio.create_task(embedded.start(*handlers)))

        return Chosen(brain=embedded, start=start, close=embedded.close)
    from daemon.brain.wiring import wire

    wired = wire(config, key=mark_key, environ=os.environ)
    return Chosen(brain=wired.brain, start=wired.start, close=wired.close)
