from datetime import UTC, datetime, timedelta

import pytest

from daemon.oauth.watch import warning

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (timedelta(days=8), None),
        (timedelta(days=6, hours=1), "The login of support ends in 6 days. Run `triaged login support` before."),
        (timedelta(hours=30), "The login of support ends in 30 hours. Run `triaged login support` before."),
        (timedelta(hours=-1), "The login of support has ended. Run `triaged login support`."),
    ],
)
def test_a_person_is_told_a_week_before_a_login_ends(left: timedelta, told: str | None) -> None:
    assert warning("support", NOW + left, NOW) == told


def test_where_no_end_is_known_nobody_is_told() -> None:
    assert warning("support", None, NOW) is None
