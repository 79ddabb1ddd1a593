"""In charge of what a score is worth: how often mails that scored as high were right when held out."""

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

_EDGE = 1e-6
"""Scores are kept this far from 0 and 1, which have no logarithm."""
_FREE = 1e4
"""So large that the curve is not regularised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Score to confidence, a rising staircase."""

    scores: tuple[float, ...] = ()
    """Where the steps begin, rising."""
    confidences: tuple[float, ...] = ()
    trials: int = 0
    """Held-out mails that it rests on."""

    def confidence(self, score: float) -> float:
        """How many of the mails with this score or a higher one are right, from 0 to 1."""
        step = bisect.bisect_right(self.scores, score)
        return self.confidences[step - 1] if step else 0.0

    def threshold(self, confidence: float) -> float | None:
        """The lowest score that reaches a confidence; None when the trials can't show that much."""
        step = bisect.bisect_left(self.confidences, confidence)
        return self.scores[step] if step < len(self.scores) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A held-out mail that was answered in thought."""

    score: float
    right: bool
    weight: float = 1.0
    """How many mails of real life it stands for."""


def calibrate(trials: Iterable[Trial]) -> Calibration:
    """Learn what scores are worth from held-out mails.

    A curve through the trials says how often a score is right (Kull, Silva Filho and Flach, "Beta calibration", 2017);
    counting instead would let one odd sentence decide how the brain treats every mail. The confidence of a score is
    the mean of the curve over the trials from that score up: the precision of all that is answered when the score is
    the threshold. By Laplace's rule of succession n right trials never show more than (n + 1) / (n + 2), so 99 % takes
    about a hundred.
    """
    ordered = sorted(trials, key=lambda trial: -trial.score)
    right = sum(trial.right for trial in ordered)
    most = (right + 1) / (right + 2)
    weights = accumulate(trial.weight for trial in ordered)
    sums = accumulate(trial.weight * share for trial, share in zip(ordered, _curve(ordered), strict=True))
    means = (min(total / weight, most) for total, weight in zip(sums, weights, strict=True))
    rising = sorted(dict(zip((trial.score for trial in ordered), means, strict=True)).items())
    return Calibration(
        scores=tuple(score for score, _ in rising),
        confidences=tuple(accumulate((mean for _, mean in rising), max)),
        trials=len(ordered),
    )


def _curve(trials: Sequence[Trial]) -> list[float]:
    """For each trial how often one like it is right."""
    kinds = {trial.right for trial in trials}
    if len(kinds) < 2:  # noqa: PLR2004 - without both there is nothing to tell apart
        return [float(trial.right) for trial in trials]
    from sklearn.linear_model import LogisticRegression

    inside = [min(max(trial.score, _EDGE), 1 - _EDGE) for trial in trials]
    found = [(math.log(score), -math.log(1 - score)) for score in inside]
    curve = LogisticRegression(C=_FREE).fit(
        found, [trial.right for trial in trials], sample_weight=[trial.weight for trial in trials]
    )
    return [float(share) for share in curve.predict_proba(found)[:, 1]]
