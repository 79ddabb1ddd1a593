from datetime import UTC, datetime, timedelta

from daemon.oauth.watch import soon

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_person_is_told_a_week_before_a_login_ends_and_after_it_has() -> None:
    left = {8: False, 6: True, 0: True, -1: True}
    assert {days: soon(NOW + timedelta(days=days), NOW) for days in left} == left


def test_where_no_end_is_known_nobody_is_told() -> None:
    assert not soon(None, NOW)
