from datetime import UTC, datetime, timedelta

import pytest

from daemon.oauth.watch import soon

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "told"), [(timedelta(days=8), False), (timedelta(days=6), True), (timedelta(hours=-1), True)]
)
def test_a_person_is_told_a_week_before_a_login_ends_and_after_it_has(left: timedelta, told: bool) -> None:
    assert soon(NOW + left, NOW) is told


def test_where_no_end_is_known_nobody_is_told() -> None:
    assert not soon(None, NOW)
