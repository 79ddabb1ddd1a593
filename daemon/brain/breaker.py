"""Stops calling a model that keeps failing, and lets one call at a time find out whether it is back."""

from collections.abc import Callable
from typing import Literal

from handlers.contract import Brain, BrainBusy, BrainFailed, Reply, Request

State = Literal["closed", "open", "half-open"]


class BreakerOpen(BrainBusy):
    """The model failed several times in a row and is left alone for a while; no request was made."""


class Breaker:
    """The circuit: closed (calls pass), open (none does), half-open (one does, and decides)."""

    def __init__(self, *, clock: Callable[[], float], failures: int = 5, cooldown: float = 30.0) -> None:
        """Start closed.

        Args:
            clock: monotonic seconds.
            failures: consecutive failures that open it.
            cooldown: seconds that it stays open; longer when the server asked for more.
        """
        self._clock = clock
        self._limit = failures
        self._cooldown = cooldown
        self._failures = 0
        self._until = 0.0
        self._probing = False

    @property
    def state(self) -> State:
        """For `triaged status`."""
        if self._failures < self._limit:
            return "closed"
        return "open" if self.remaining > 0 else "half-open"

    @property
    def failures(self) -> int:
        """Consecutive failures so far."""
        return self._failures

    @property
    def remaining(self) -> float:
        """Seconds until the next call may pass."""
        return max(0.0, self._until - self._clock())

    def enter(self) -> None:
        """Ask for a call; `succeeded`, `failed` or `abandoned` must follow.

        Raises:
            BreakerOpen: not now.
        """
        state = self.state
        if state == "open" or (state == "half-open" and self._probing):
            raise BreakerOpen(
                f"The model failed {self._failures} times in a row and is left alone. The mail waits and is tried "
                "again; `triaged status` shows the breaker.",
                retry_after=self.remaining or self._cooldown,
            )
        self._probing = state == "half-open"

    def succeeded(self) -> None:
        """The model answered."""
        self._failures = 0
        self._probing = False

    def failed(self, retry_after: float | None = None) -> None:
        """The model did not answer; `retry_after` is what it asked for, in seconds."""
        self._failures += 1
        self._probing = False
        if self._failures >= self._limit:
            self._until = self._clock() + max(self._cooldown, retry_after or 0.0)

    def abandoned(self) -> None:
        """The call ended without an answer that says anything about the model (it was cancelled)."""
        self._probing = False


class Guarded:
    """A brain behind a breaker."""

    def __init__(self, brain: Brain, breaker: Breaker) -> None:
        self.name = brain.name
        self._brain = brain
        self._breaker = breaker

    async def answer(self, request: Request) -> Reply:
        """One turn, if the breaker lets it pass.

        Raises:
            BreakerOpen: it does not.
            BrainBusy: from the brain; counts as a failure.
            BrainFailed: from the brain; its server did answer, so it does not count.
        """
        self._breaker.enter()
        try:
            reply = await self._brain.answer(request)
        except BrainBusy as error:
            self._breaker.failed(error.retry_after)
            raise
        except BrainFailed:
            self._breaker.succeeded()
            raise
        except BaseException:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        return reply
