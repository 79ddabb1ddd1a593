"""In charge of what evidence is worth: how often mails that looked as clear were right when held out."""

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

_FREE = 1e4
"""So large that the curve is not regularised."""

Evidence = tuple[float, ...]
"""What speaks for and against an answer, each on a scale without end, so that it can be added up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A held-out mail that was answered in thought."""

    evidence: Evidence
    right: bool
    weight: float = 1.0
    """How many mails of real life it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Evidence to confidence."""

    slopes: Evidence = ()
    """Weight of each piece of evidence in the curve."""
    offset: float = 0.0
    scores: tuple[float, ...] = ()
    """Where the steps of a rising staircase over the curve begin."""
    confidences: tuple[float, ...] = ()
    trials: int = 0
    """Held-out mails that it rests on."""

    def confidence(self, evidence: Evidence) -> float:
        """How many of the mails that look at least as clear are right, from 0 to 1."""
        step = bisect.bisect_right(self.scores, self.score(evidence))
        return self.confidences[step - 1] if step else 0.0

    def score(self, evidence: Evidence) -> float:
        """The point on the curve."""
        return _sigmoid(self.offset + sum(map(float.__mul__, self.slopes, evidence)))

    @property
    def most(self) -> float:
        """The highest confidence that the trials can show."""
        return self.confidences[-1] if self.confidences else 0.0


def calibrate(trials: Iterable[Trial]) -> Calibration:
    """Learn what evidence is worth from held-out mails.

    A curve through the trials says how often an answer is right (logistic, as in Kull, Silva Filho and Flach, "Beta
    calibration", 2017); counting instead would let one odd sentence decide how the brain treats every mail. The
    confidence of a point on the curve is the mean of the curve over the trials from there up: the precision of all
    that is answered when that point is the threshold. By Laplace's rule of succession n right trials never show more
    than (n + 1) / (n + 2), so 99 % takes about a hundred.
    """
    known = list(trials)
    right = sum(trial.right for trial in known)
    if not 0 < right < len(known):
        return Calibration(trials=len(known))  # all right or all wrong: nothing says where the one becomes the other
    slopes, offset = _curve(known)
    curve = Calibration(slopes=slopes, offset=offset)
    ordered = sorted(((curve.score(trial.evidence), trial.weight) for trial in known), reverse=True)
    weights = accumulate(weight for _, weight in ordered)
    sums = accumulate(weight * score for score, weight in ordered)
    most = (right + 1) / (right + 2)
    means = (min(total / weight, most) for total, weight in zip(sums, weights, strict=True))
    rising = sorted(dict(zip((score for score, _ in ordered), means, strict=True)).items())
    return Calibration(
        slopes=slopes,
        offset=offset,
        scores=tuple(score for score, _ in rising),
        confidences=tuple(accumulate((mean for _, mean in rising), max)),
        trials=len(known),
    )


def _curve(trials: Sequence[Trial]) -> tuple[Evidence, float]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=_FREE, max_iter=1000).fit(
        [trial.evidence for trial in trials],
        [trial.right for trial in trials],
        sample_weight=[trial.weight for trial in trials],
    )
    return tuple(float(slope) for slope in model.coef_[0]), float(model.intercept_[0])


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
