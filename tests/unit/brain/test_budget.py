"""What a mail and a day may cost."""

from datetime import UTC, date, datetime, timedelta

import pytest

from daemon.brain.budget import Daily, MessageBudget
from handlers.contract import Usage

TURN = Usage(input_tokens=100, output_tokens=50, cache_read_tokens=800, cache_write_tokens=50)


class Store:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
        self.recorded: dict[date, int] = {}
        self.looks = 0

    async def read(self, day: date) -> int:
        self.looks += 1
        return self.recorded.get(day, 0)

    def clock(self) -> datetime:
        return self.now


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def daily(store: Store) -> Daily:
    return Daily(limit=10_000, read=store.read, clock=store.clock)


def test_a_mail_has_what_it_has_and_cached_tokens_count_in_full() -> None:
    budget = MessageBudget(max_turns=8, tokens_per_message=2500)
    assert budget.spend(TURN) is None
    assert budget.spend(TURN) is None
    assert "tokens_per_message" in (budget.spend(TURN) or "")
    assert budget.spent == 3000


async def test_a_spent_day_is_told_to_a_mail_with_budget_left(store: Store, daily: Daily) -> None:
    store.recorded[store.now.date()] = 9500
    assert await daily.gone() is None
    assert "tokens_per_day" in (MessageBudget(max_turns=8, tokens_per_message=9999, daily=daily).spend(TURN) or "")
    assert "until midnight UTC" in (await daily.gone() or "")


async def test_the_store_is_looked_at_once_a_minute_and_sees_other_workers(store: Store, daily: Daily) -> None:
    await daily.gone()
    await daily.gone()
    assert store.looks == 1
    store.recorded[store.now.date()] = 10_000
    store.now += timedelta(seconds=60)
    assert await daily.gone()


async def test_tokens_that_are_not_yet_recorded_are_not_forgotten(store: Store, daily: Daily) -> None:
    await daily.gone()
    daily.spend(9_999)
    store.now += timedelta(minutes=5)
    assert await daily.gone() is None
    assert daily.spend(1)


async def test_a_new_day_begins_with_nothing_spent(store: Store, daily: Daily) -> None:
    store.recorded[store.now.date()] = 10_000
    assert await daily.gone()
    store.now += timedelta(days=1)
    assert await daily.gone() is None
    assert daily.spend(10) is None


async def test_turns_of_an_earlier_attempt_cost_the_mail_but_not_the_day_again(store: Store) -> None:
    daily = Daily(limit=1500, read=store.read, clock=store.clock)
    budget = MessageBudget(max_turns=8, tokens_per_message=9999, daily=daily, replayed=1)
    assert budget.spend(TURN) is None
    assert budget.spend(TURN) is None
    assert budget.spent == 2000
    assert budget.spend(TURN)
