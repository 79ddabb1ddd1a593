"""Logins are looked after, each for itself, and told a week before one ends."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from daemon.oauth.watch import soon, watch

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_person_is_told_a_week_before_a_login_ends_and_after_it_has() -> None:
    left = {8: False, 6: True, 0: True, -1: True}
    assert {days: soon(NOW + timedelta(days=days), NOW) for days in left} == left


def test_where_no_end_is_known_nobody_is_told() -> None:
    assert not soon(None, NOW)


class Grants:
    """A login that breaks, or one that says that it ends in a far future."""

    def __init__(self, ends: float | None) -> None:
        self.given = ends

    async def ends(self) -> float | None:
        if self.given is None:
            raise ValueError
        return self.given


async def test_a_login_that_breaks_keeps_no_other_from_being_looked_after() -> None:
    heard: dict[str, datetime | None] = {}
    grants: Any = {"broken": Grants(None), "far": Grants(1e15), "near": Grants(NOW.timestamp())}
    looked = asyncio.Event()

    def tell(mailbox: str, at: datetime | None) -> None:
        heard[mailbox] = at
        if mailbox == "near":
            looked.set()

    task = asyncio.create_task(watch(grants, tell, clock=lambda: NOW))
    await asyncio.wait_for(looked.wait(), 10)
    assert not task.done()
    task.cancel()
    assert list(heard) == ["far", "near"]
