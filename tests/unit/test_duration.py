import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.duration import seconds as read


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("250ms", 0.25), ("90s", 90), ("5m", 300), ("1.5h", 5400), ("24 h", 86400), ("30d", 2592000), (7, 7)],
)
def test_durations_are_seconds(written: object, seconds: float) -> None:
    assert read(written) == seconds


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_refused_with_an_example(written: str) -> None:
    try:
        assert read(written) >= 0
    except ValueError as error:
        assert '"5m"' in str(error)  # noqa: PT017 - both ends are fine


@pytest.mark.parametrize("written", ["5", "-5m", "5 minutes", "m", "", True, None, -1, float("inf"), float("nan")])
def test_what_is_no_duration_is_a_fault(written: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        read(written)
