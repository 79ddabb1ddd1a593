"""Which error an HTTP status is."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.brain.refusals import LONGEST_WAIT, refusal, retry_after
from handlers.contract import BrainBusy, BrainFailed

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529, 599])
def test_a_status_that_passes_is_busy(status: int) -> None:
    error = refusal(status, {}, now=NOW)
    assert isinstance(error, BrainBusy)
    assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize("status", [300, 307, 400, 401, 402, 403, 404, 405, 413, 418, 422, 451])
def test_a_status_that_stays_is_failed(status: int) -> None:
    error = refusal(status, {}, now=NOW)
    assert isinstance(error, BrainFailed)
    assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "86400"}, LONGEST_WAIT),
        ({"retry-after": "inf"}, LONGEST_WAIT),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Mon, 23 Nov 2026 09:01:30 GMT"}, 90.0),
        ({"retry-after": "Mon, 23 Nov 2026 09:01:30 -0000"}, 90.0),
        ({"retry-after": "Mon, 23 Nov 2026 08:59:00 GMT"}, None),
        ({"retry-after": "Mon, 23 Nov 2099 08:59:00 GMT"}, LONGEST_WAIT),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_an_hour(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=NOW) == seconds


@given(st.text(max_size=30))
def test_no_header_breaks_the_reading(value: str) -> None:
    seconds = retry_after({"retry-after": value, "retry-after-ms": value}, now=NOW)
    assert seconds is None or 0 < seconds <= LONGEST_WAIT


def test_the_request_id_is_told_when_it_is_one() -> None:
    assert "request req_01" in str(refusal(500, {"request-id": "req_01"}, now=NOW))
    assert "request" not in str(refusal(500, {"request-id": "x\n y"}, now=NOW))
