"""The machine's clock and disk."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.doctor import host

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "newest", "level"),
    [
        (NOW, None, "ok"),
        (NOW, NOW - timedelta(days=9), "ok"),
        (NOW, NOW + timedelta(minutes=4), "ok"),
        (NOW, NOW + timedelta(minutes=6), "fault"),
        (datetime(1970, 1, 1, tzinfo=UTC), None, "fault"),
    ],
)
def test_a_clock_that_went_back_or_never_was_set_is_a_fault(
    now: datetime, newest: datetime | None, level: str, tmp_path: Path
) -> None:
    assert host.clock(now, newest, synchronised=tmp_path / "no").level == level


def test_a_clock_that_a_server_keeps_is_told(tmp_path: Path) -> None:
    assert host.clock(NOW, None, synchronised=tmp_path).told.endswith("set by a time server.")


@pytest.mark.parametrize(("free", "level"), [(5_000_000_000, "ok"), (500_000_000, "warn"), (50_000_000, "fault")])
def test_a_disk_that_fills_up_is_told_in_time(
    free: int, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert host.disk(tmp_path).level == level
