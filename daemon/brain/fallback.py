"""Asks another model when the configured one can't answer; what it says is marked, and the gate holds it."""

from dataclasses import replace

from daemon.brain.breaker import BreakerOpen
from handlers.contract import Brain, BrainBusy, BrainFailed, Reply, Request


class WithFallback:
    """The configured brain, and one to stand in for it."""

    def __init__(self, primary: Brain, fallback: Brain, *, patience: int = 2) -> None:
        """Ask the primary first, each time.

        Args:
            primary: the configured brain.
            fallback: stands in; its replies carry `fallback=True`.
            patience: the so many-th `BrainBusy` in a row is no longer waited out.
        """
        self.name = primary.name
        self._primary = primary
        self._fallback = fallback
        self._patience = patience
        self._busy = 0

    async def answer(self, request: Request) -> Reply:
        """One turn, of either.

        Raises:
            BrainBusy: the primary is busy and may be waited for, or one of the two is and nobody answered.
            BrainFailed: neither can answer.
        """
        try:
            reply = await self._primary.answer(request)
        except BreakerOpen as error:
            return await self._stand_in(request, error)
        except BrainBusy as error:
            self._busy += 1
            if self._busy < self._patience:
                raise
            return await self._stand_in(request, error)
        except BrainFailed as error:
            return await self._stand_in(request, error)
        self._busy = 0
        return reply

    async def _stand_in(self, request: Request, cause: BrainBusy | BrainFailed) -> Reply:
        try:
            reply = await self._fallback.answer(request)
        except BrainFailed:
            raise cause from None  # what is wrong with the configured model is what the operator has to know
        except BrainBusy as error:
            raise (cause if isinstance(cause, BrainBusy) else error) from None
        return replace(reply, fallback=True)
