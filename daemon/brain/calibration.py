"""In charge of what a score is worth: how often mails that scored as high were right when held out."""

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, groupby


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Score to confidence, a rising staircase."""

    scores: tuple[float, ...]
    """Where the steps begin, rising."""
    confidences: tuple[float, ...]
    trials: int
    """Held-out mails that it rests on."""

    def confidence(self, score: float) -> float:
        """How often an answer at this score or above was right; never more than the number of trials can show."""
        step = bisect.bisect_right(self.scores, score)
        return self.confidences[step - 1] if step else 0.0

    def threshold(self, confidence: float) -> float | None:
        """The lowest score that reaches a confidence; None when the trials were too few or too often wrong for it."""
        step = bisect.bisect_left(self.confidences, confidence)
        return self.scores[step] if step < len(self.scores) else None


def calibrate(trials: Iterable[tuple[float, bool]]) -> Calibration:
    """Learn what scores are worth from held-out mails: the score of each, and whether the answer was right.

    Of n mails at or above a score, r were right: the next is right with probability (r + 1) / (n + 2), Laplace's rule
    of succession. So 99 % takes about a hundred right answers in a row, and ten are never worth more than 92 %.
    """
    ordered = sorted(trials, reverse=True)
    counted = accumulate(ordered, lambda seen, trial: (seen[0] + 1, seen[1] + trial[1]), initial=(0, 0))
    tails = [
        (score, (right + 1) / (total + 2))
        for (score, _), (total, right) in zip(ordered, list(counted)[1:], strict=True)
    ]
    # Of equal scores the last counts them all. What holds at a score holds above it, where fewer mails can show it.
    whole = [list(group)[-1] for _, group in groupby(tails, key=lambda tail: tail[0])][::-1]
    return Calibration(
        scores=tuple(score for score, _ in whole),
        confidences=tuple(accumulate((share for _, share in whole), max)),
        trials=len(ordered),
    )
