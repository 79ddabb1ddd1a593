"""A limit against an exact sliding window: never laxer, and stricter by one bucket at most."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, select

from daemon.store import limits
from daemon.store.limits import PARTS, Charge
from daemon.store.tables import LimitRow

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@contextmanager
def empty() -> Iterator[Session]:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    LimitRow.metadata.create_all(engine, tables=[LimitRow.metadata.tables["limits"]])
    with Session(engine) as session:
        yield session
    engine.dispose()


def replies(most: int, *, window: int = 3600, scope: str = "ana") -> Charge:
    return Charge(name="replies", scope=scope, window=window, most_count=most)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@settings(max_examples=40, deadline=None)
@given(
    window=st.sampled_from([1, 2, 23, 24, 25, 49, 600, 3600, 86400]),
    most=st.integers(1, 4),
    steps=st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=25),
)
def test_a_window_never_holds_more_than_its_cap_and_refuses_hardly_more_than_it_must(
    window: int, most: int, steps: list[float]
) -> None:
    width = max(1, window // PARTS)
    taken: list[float] = []
    clock = 0.0
    with empty() as session:
        for step in steps:
            clock += step * window / 2
            fits = limits.reserve(session, [replies(most, window=window)], at(clock)) is None
            if fits:
                taken.append(clock)
                assert sum(each > clock - window for each in taken) <= most
            else:
                assert sum(each >= clock - window - width for each in taken) + 1 > most


@given(
    before=st.sampled_from([60, 3600, 86400]),
    after=st.sampled_from([60, 3600, 86400]),
    elapsed=st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=20, deadline=None)
def test_a_window_that_the_operator_changes_forgets_nothing_that_is_within_it(
    before: int, after: int, elapsed: float
) -> None:
    with empty() as session:
        assert limits.reserve(session, [replies(1, window=before)], at(0)) is None
        later = at(min(before, after) * elapsed)
        assert limits.reserve(session, [replies(1, window=after)], later) is not None


def test_either_every_charge_is_spent_or_none() -> None:
    wide, narrow = replies(9, scope="total"), replies(1)
    with empty() as session:
        assert limits.reserve(session, [wide, narrow], at(0)) is None
        assert limits.reserve(session, [wide, narrow], at(1)) == narrow
        assert limits.spent(session, wide, at(1)) == (1, 0)


def test_what_certainly_did_not_leave_is_given_back() -> None:
    with empty() as session:
        limits.reserve(session, [replies(1)], at(0))
        limits.release(session, [replies(1)], at(0))
        assert limits.reserve(session, [replies(1)], at(900)) is None


def test_money_adds_up_over_the_buckets_of_a_window() -> None:
    refund = Charge(name="refunds", scope="ana", window=86400, amount=1999, most_amount=5000)
    with empty() as session:
        for hour in (0, 5):
            assert limits.reserve(session, [refund], at(hour * 3600)) is None
        assert limits.reserve(session, [refund], at(10 * 3600)) == refund
        assert limits.spent(session, refund, at(10 * 3600)) == (2, 3998)
        assert limits.reserve(session, [refund], at(26 * 3600)) is None


def test_what_no_window_counts_any_more_is_deleted_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_AT_ONCE", 3)
    with empty() as session:
        for each in range(5):
            limits.reserve(session, [replies(1, scope=f"sender {each}")], at(0))
        limits.reserve(session, [replies(2, scope="both")], at(0))
        limits.reserve(session, [replies(2, scope="both")], at(7200))
        while limits.prune(session, at(7200 - 3600)):
            pass
        left = [(row.scope_mac, row.bucket == 0) for row in session.exec(select(LimitRow))]
        assert sorted(left) == [("both", False), ("both", True)]
        assert limits.reserve(session, [replies(1, scope="sender 0")], at(7200)) is None
