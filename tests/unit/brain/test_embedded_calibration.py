"""`calibration`: evidence becomes a confidence that the trials can answer for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.brain import scorer
from daemon.brain.calibration import Trial, calibrate

trials = st.lists(
    st.builds(
        Trial,
        evidence=st.tuples(st.floats(-9, 9)),
        right=st.booleans(),
        weight=st.floats(0.1, 5),
    ),
    max_size=40,
)


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    """The seconds of the import are nobody's deadline."""
    scorer.load()


@settings(deadline=None, max_examples=50)
@given(trials, st.floats(-20, 20), st.floats(-20, 20))
def test_what_scores_higher_is_never_less_certain(known: list[Trial], one: float, other: float) -> None:
    curve = calibrate(known)
    low, high = sorted([(one,), (other,)], key=curve.score)
    assert curve.confidence(low) <= curve.confidence(high)


@settings(deadline=None, max_examples=50)
@given(trials, st.floats(-20, 20))
def test_few_trials_never_show_much(known: list[Trial], at: float) -> None:
    right = sum(trial.right for trial in known)
    assert 0.0 <= calibrate(known).confidence((at,)) <= (right + 1) / (right + 2)


def test_ninety_nine_in_a_hundred_takes_about_a_hundred_trials() -> None:
    wrong = [Trial(evidence=(-5.0,), right=False)] * 100
    assert calibrate([Trial(evidence=(5.0,), right=True)] * 50 + wrong).most < 0.99
    assert calibrate([Trial(evidence=(5.0,), right=True)] * 150 + wrong).most > 0.99


def test_one_odd_trial_among_many_decides_little() -> None:
    right = [Trial(evidence=(2.0 + step / 100,), right=True) for step in range(300)]
    wrong = [Trial(evidence=(-2.0 - step / 100,), right=False) for step in range(300)]
    odd = Trial(evidence=(6.0,), right=False)
    assert calibrate([*right, *wrong]).confidence((4.0,)) > 0.99
    assert calibrate([*right, *wrong, odd]).confidence((4.0,)) > 0.98


def test_confidence_is_the_precision_of_all_that_is_answered_from_there_up() -> None:
    mixed = [Trial(evidence=(step / 100,), right=step % 10 != 0) for step in range(500)]
    hopeless = [Trial(evidence=(-5.0 + step / 100,), right=False) for step in range(300)]
    confidence = calibrate([*mixed, *hopeless]).confidence((1.0,))
    assert 0.85 < confidence < 0.97


def test_without_any_trial_nothing_is_certain() -> None:
    assert calibrate([]).confidence((9.0,)) == 0.0
    assert calibrate([]).most == 0.0
