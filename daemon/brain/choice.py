"""Chooses what plays the model: the configured provider, started and stopped in one way."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from daemon.config import Config
from handlers.contract import Brain


async def _nothing() -> None:
    """Embedded brains need no connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A brain, and how it is started and stopped."""

    brain: Brain
    start: Callable[[], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing


def choose(config: Config, *, mark_key: bytes) -> Chosen:
    """Build the brain of `[brain] provider`.

    Args:
        config: the configuration.
        mark_key: a secret of this installation, for the fence around text from outside.

    Raises:
        BrainFailed: there is no key for Anthropic's own server.
        Faults: the key's file can't be read.
    """
    if config.brain.provider == "embedded":
        from daemon.brain.embedded import Embedded

        embedded = Embedded(threshold=config.brain.embedded.threshold)
        return Chosen(brain=embedded, close=embedded.close)
    from daemon.brain.wiring import wire

    wired = wire(config, key=mark_key, environ=os.environ)
    return Chosen(brain=wired.brain, start=wired.start, close=wired.close)
