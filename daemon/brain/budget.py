"""What a mail may cost, and what all mails of a day may cost together."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime

from handlers.contract import Usage

_FRESH = 60.0
"""Seconds that a count from the store is believed; other workers spend too."""


def tokens(usage: Usage) -> int:
    """Tokens in and out. Cached ones count in full: what a mail may cost must not hang on what came before it."""
    return usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens + usage.output_tokens


class Daily:
    """Tokens of a day (UTC), counted in the store and, between two looks at it, here."""

    def __init__(self, *, limit: int, read: Callable[[date], Awaitable[int]], clock: Callable[[], datetime]) -> None:
        """Know nothing yet.

        Args:
            limit: tokens for all mails of a day.
            read: tokens that the store has recorded for a day, by every worker.
            clock: aware, UTC.
        """
        self._limit = limit
        self._read = read
        self._clock = clock
        self._day: date | None = None
        self._looked: datetime | None = None
        self._spent = 0

    async def gone(self) -> str | None:
        """A sentence when the day's budget is spent, else None; to be asked before a run starts."""
        now = self._clock()
        stale = self._looked is None or (now - self._looked).total_seconds() >= _FRESH
        if stale or self._day != now.date():
            recorded = await self._read(now.date())
            self._turn_over(now.date())
            # What runs now is counted here before it is recorded there: the larger of the two is never too small.
            self._spent = max(self._spent, recorded)
            self._looked = now
        return self._verdict()

    def spend(self, amount: int) -> str | None:
        """Count tokens; a sentence when the day's budget is spent, else None."""
        self._turn_over(self._clock().date())
        self._spent += amount
        return self._verdict()

    def _turn_over(self, day: date) -> None:
        if day != self._day:
            self._day, self._spent = day, 0

    def _verdict(self) -> str | None:
        if self._spent < self._limit:
            return None
        return (
            f"The models have used {self._spent} tokens today, and tokens_per_day in [brain] is {self._limit}. "
            "Raise it, or answer by hand until midnight UTC."
        )


class MessageBudget:
    """`handlers.contract.Budget` of one mail."""

    def __init__(
        self, *, max_turns: int, tokens_per_message: int, daily: Daily | None = None, replayed: int = 0
    ) -> None:
        """Nothing is spent yet.

        Args:
            max_turns: calls of a model for this mail.
            tokens_per_message: tokens for this mail, in and out.
            daily: the budget of the day that the mail also draws on.
            replayed: turns of an earlier attempt that are spent again on this mail; the day has counted them already.
        """
        self.max_turns = max_turns
        self._limit = tokens_per_message
        self._daily = daily
        self._replayed = replayed
        self._spent = 0

    @property
    def spent(self) -> int:
        """Tokens so far."""
        return self._spent

    def spend(self, usage: Usage) -> str | None:
        """Account for a turn; a sentence when the mail's or the day's budget is gone, else None."""
        self._spent += tokens(usage)
        today = self._of_today(tokens(usage))
        if self._spent >= self._limit:
            return (
                f"This mail has used {self._spent} tokens, and tokens_per_message in [brain] is {self._limit}. "
                "Answer it by hand, or raise the limit."
            )
        return today

    def _of_today(self, amount: int) -> str | None:
        if self._daily is None:
            return None
        if self._replayed > 0:
            self._replayed -= 1
            return None
        return self._daily.spend(amount)
