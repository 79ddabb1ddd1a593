"""Puts the anthropic brain together as the configuration asks: model, slots, breaker, fallback."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daemon.brain.anthropic import Anthropic
from daemon.brain.breaker import Breaker, Guarded
from daemon.brain.connection import Connection
from daemon.brain.fallback import WithFallback
from daemon.brain.limited import Limited
from daemon.config import Config, secret
from handlers.contract import Brain, BrainFailed

KEY_VARIABLE = "ANTHROPIC_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """A brain that is ready to be asked, and what there is to watch and to stop."""

    brain: Brain
    models: tuple[Anthropic, ...]
    """The configured model, then the fallback."""
    breakers: Mapping[str, Breaker]
    """Name of the model to its breaker, for `triaged status`."""

    async def start(self) -> None:
        """Do now what would make the first mail wait: load the SDK, ask what the models accept."""
        for model in self.models:
            await model.start()

    async def close(self) -> None:
        """Close the connections; calls that run are lost."""
        await self.models[0].close()  # the models share them


def wire(
    config: Config, *, key: bytes, environ: Mapping[str, str], clock: Callable[[], float] = time.monotonic
) -> Wired:
    """Build the brain of `[brain] provider = "anthropic"`.

    Args:
        config: the whole configuration.
        key: a secret of this installation, for the fence around text from outside.
        environ: where ANTHROPIC_API_KEY is looked up when `api_key_file` is not set.
        clock: monotonic seconds.

    Raises:
        BrainFailed: there is no key for Anthropic's own server.
        tools.located.Faults: the key's file can't be read.
    """
    connection = connect(config, environ)
    names = tuple(dict.fromkeys(filter(None, [config.brain.model, config.brain.fallback_model])))
    models = tuple(Anthropic(connection, model=name, max_tokens=config.brain.max_tokens, key=key) for name in names)
    breakers = {name: Breaker(clock=clock) for name in names}
    # The breaker lies inside the slots: it is asked when a call is about to leave, not when it queues up.
    guarded = [Limited(Guarded(model, breakers[model.model]), concurrency=config.brain.concurrency) for model in models]
    brain: Brain = guarded[0] if len(guarded) == 1 else WithFallback(guarded[0], guarded[1])
    return Wired(brain=brain, models=models, breakers=breakers)


def connect(config: Config, environ: Mapping[str, str]) -> Connection:
    """The connection to the model's server; nothing is asked yet.

    Raises:
        BrainFailed, tools.located.Faults: as `wire`.
    """
    return Connection(api_key=_api_key(config, environ), base_url=config.brain.base_url, timeout=config.brain.timeout)


def _api_key(config: Config, environ: Mapping[str, str]) -> str:
    if config.brain.api_key_file is not None:
        return secret(config, config.brain.api_key_file)
    found = environ.get(KEY_VARIABLE, "")
    if not found and not config.brain.base_url:
        raise BrainFailed(f"There is no API key. Set api_key_file in [brain], or {KEY_VARIABLE} in the environment.")
    return found
