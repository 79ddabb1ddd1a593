"""In charge of what a mail asks for: one of a handler's categories, or none that it could be sure of."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.brain import scorer, sentences
from daemon.brain.background import Background
from daemon.brain.calibration import Evidence, Trial, calibrate
from daemon.brain.fitted import Fitted, Kind
from daemon.brain.scorer import Scorer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TARGET = 0.99
"""Confidence below which it abstains: one wrong answer in a hundred."""

_FOLDS = 4
_ELSEWHERE = "?"
"""The class of requests that no handler answers."""
_COURTESY = ""
_NAMED = 0.5
"""Margin from which a category that only files a held mail is named."""
_ROUTINE = 2 / 3
"""Share of a handler's mails that ask for one of the categories that are answered. Examples of what is not answered
may be many, since they have to be; this keeps their number from deciding how sure the brain can be."""
_TWOFOLD = 5
"""Of so many sentences one makes a mail that asks for two things."""
_EVEN = 0.5
_EDGE = 1e-4
"""Probabilities are kept this far from 1, where the logarithm of the contrary ends."""
_QUOTED = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What a mail asks for, as far as it can be told."""

    category: str | None
    """None: it abstains."""
    confidence: float
    """How often mails that scored as high were right when held out."""
    margin: float
    """Score of the category less that of the next one anywhere in the mail."""
    why: str
    """One sentence for the operator; quotes the mail."""
    sentence: str = ""
    """The sentence that decided."""


class Classifier:
    """Learned from one handler's examples; immutable, so threads may share it."""

    def __init__(
        self,
        fitted: Fitted,
    ) -> None:
        self.fitted = fitted
        self._classes = fitted.classes
        self._answered = fitted.answered
        self.calibration = fitted.calibration

    def classify(self, text: Sequence[str], *, threshold: float = TARGET) -> Guess:
        """Guess what a mail asks for.

        Args:
            text: its sentences (`sentences.split`).
            threshold: confidence below which it abstains.
        """
        if len(self._classes) == 1:
            return Guess(category=None, confidence=0.0, margin=0.0, why="No category has examples. Add some to each.")
        text = [sentence for sentence in text if sentences.telling(sentence)]
        if not text:
            return Guess(category=None, confidence=0.0, margin=0.0, why="The mail says nothing that could be read.")
        scores = self.fitted.score([sentences.plain(sentence) for sentence in text])
        reading = read(scores, self._classes)
        confidence = self.calibration.confidence(reading.evidence) if reading.clear else 0.0
        if reading.category in self._answered:
            sure = confidence >= threshold
        else:
            sure = reading.strength - reading.rival >= _NAMED
        return Guess(
            category=reading.category if sure else None,
            confidence=confidence,
            margin=reading.strength - reading.rival,
            why=self._why(reading, text[reading.row], confidence, threshold),
            sentence=text[reading.row],
        )

    def _why(self, reading: "Reading", sentence: str, confidence: float, threshold: float) -> str:
        rival = "something else" if reading.rival_name == _ELSEWHERE else f"`{reading.rival_name}`"
        found = (
            f'"{sentence[:_QUOTED]}" reads as `{reading.category}` ({reading.strength:.2f}), '
            f"the mail also as {rival} ({reading.rival:.2f})."
        )
        if reading.category not in self._answered or confidence >= threshold:
            return found
        if self.calibration.most < threshold:
            return (
                f"{found} {self.calibration.trials} held-out trials can't show {threshold:.0%} certainty. "
                "Add examples, or lower `threshold` in [brain.embedded]."
            )
        return f"{found} That is not sure enough ({confidence:.3f}, wanted {threshold:.3f})."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the scores of a mail's sentences come to."""

    category: str
    row: int
    """The sentence that says it most clearly."""
    strength: float
    """Probability that any sentence asks for the category."""
    other: float
    """Probability that the sentence which is clearest about another class asks for that."""
    rival: float
    """The same, or that of a sentence that asks for something else without saying what, if that is higher."""
    rival_name: str
    evidence: Evidence

    @property
    def clear(self) -> bool:
        """Whether the category is more likely asked for than not, and any other rather not.

        No certainty about the one outweighs the other: that would answer half a mail.
        """
        return self.strength >= _EVEN > self.other


def read(scores: "NDArray[np.float64]", classes: Sequence[str]) -> Reading:
    """Combine sentences to a mail.

    A sentence says at most one thing: where classes claim more than 1 together, each gets its share. A mail asks for
    its category if any sentence does, and a mean would drown that in courtesy. What speaks against the category is
    another class in any sentence, and any sentence that asks for something, whatever it is, and not for the category.

    Args:
        scores: one row a sentence, a column for each of `classes`, and a last one: the sentence asks for something.
        classes: the categories, then `_ELSEWHERE`.
    """
    claimed = scores[:, :-1]
    by_class, asks = claimed / claimed.sum(axis=1, keepdims=True).clip(1.0), scores[:, -1]
    strongest = by_class.max(axis=0)
    best = int(strongest[:-1].argmax())
    strength = float(1.0 - (1.0 - by_class[:, best]).prod())
    others = strongest.copy()
    others[best] = 0.0
    rival = int(others.argmax())
    other = float(others[rival])
    unexplained = float(((2.0 * asks - 1.0).clip(0.0, 1.0) * (1.0 - by_class[:, best])).max())
    return Reading(
        category=classes[best],
        row=int(by_class[:, best].argmax()),
        strength=strength,
        other=other,
        rival=max(other, unexplained),
        rival_name=classes[rival] if other >= unexplained else _ELSEWHERE,
        evidence=(-_doubt(strength), _doubt(other), _doubt(unexplained)),
    )


def _doubt(probability: float) -> float:
    """Logarithm of the probability of the contrary."""
    return math.log(1.0 - min(probability, 1.0) + _EDGE)


def fit(examples: Mapping[str, Sequence[str]], background: Background, *, answered: Collection[str]) -> Classifier:
    """Learn a handler's categories.

    Args:
        examples: sentences of each category; one without any can't be guessed.
        background: what mails say besides.
        answered: categories that may be answered without a person; a guess of the others only files a mail.
    """
    labelled = [(sentence, name) for name, said in examples.items() for sentence in said]
    labelled += [(sentence, _ELSEWHERE) for sentence in background.requests]
    labelled += [(sentence, _COURTESY) for sentence in background.courtesy]
    labels = [label for _, label in labelled]
    classes = (*(name for name, said in examples.items() if said), _ELSEWHERE)
    counter = scorer.Counter([sentences.plain(sentence) for sentence, _ in labelled])
    trials: list[Trial] = []
    if len(classes) > 1:
        trials = _trials(_held_out(counter.learned, labels, classes), labels, classes, answered)
    model = _learn(counter.learned, labels, classes)
    return Classifier(
        Fitted(
            kinds=_kinds(counter, model),
            bias=model.bias,
            classes=classes,
            answered=frozenset(answered),
            calibration=calibrate(trials),
        )
    )


def _kinds(counter: scorer.Counter, model: Scorer) -> tuple[Kind, ...]:
    """What was learned, taken apart by the ways of looking at a sentence."""
    kinds = []
    start = 0
    for counted, rarity in zip(counter.kinds, model.rarity, strict=True):
        end = start + len(counted.vocabulary_)
        names = sorted(counted.vocabulary_, key=counted.vocabulary_.__getitem__)
        columns = {name: column for column, name in enumerate(names)}
        kinds.append(Kind(columns=columns, rarity=rarity.idf_, weights=model.weights[:, start:end].T.copy()))
        start = end
    return tuple(kinds)


def _learn(counts: Sequence[Any], labels: Sequence[str], classes: Sequence[str]) -> Scorer:
    targets = [[label == name for label in labels] for name in classes]
    targets.append([label != _COURTESY for label in labels])
    return Scorer(counts, targets)


def _held_out(counts: Sequence[Any], labels: Sequence[str], classes: Sequence[str]) -> "NDArray[np.float64]":
    """Scores of each sentence by a model that did not learn from it (stratified cross-validation)."""
    import numpy as np

    seen: Counter[str] = Counter()
    folds = []
    for label in labels:
        folds.append(seen[label] % _FOLDS)
        seen[label] += 1
    scores = np.zeros((len(labels), len(classes) + 1))
    for fold in range(_FOLDS):
        inside = np.flatnonzero(np.equal(folds, fold))
        outside = np.flatnonzero(np.not_equal(folds, fold))
        others = [label for label, at in zip(labels, folds, strict=True) if at != fold]
        model = _learn([kind[outside] for kind in counts], others, classes)
        scores[inside] = model.score([kind[inside] for kind in counts])
    return scores


def _trials(
    scores: "NDArray[np.float64]", labels: Sequence[str], classes: Sequence[str], answered: Collection[str]
) -> list[Trial]:
    """Mails put together from held-out sentences, of those that would be answered: how clear, and whether rightly."""
    mails = list(_mails(labels))
    routine = sum(label in answered for _, label in mails)
    weight = _ROUTINE / (1 - _ROUTINE) * (len(mails) - routine) / max(routine, 1)
    found = [(read(scores[rows], classes), label) for rows, label in mails]
    return [
        Trial(
            evidence=reading.evidence,
            right=reading.category == label,
            weight=weight if label in answered else 1.0,
        )
        for reading, label in found
        if reading.category in answered and reading.clear
    ]


def _mails(labels: Sequence[str]) -> Iterator[tuple[list[int], str | None]]:
    """The sentences of each made-up mail, by number, and what it asks for; None: two things, so no answer is right.

    Each sentence that asks makes a mail with two of courtesy around it, and one with another sentence of its class and
    three of courtesy. Every fifth also makes one with a sentence of another class: one mail in ten or so is like that.
    Mails of courtesy alone ask for nothing.
    """
    by_label: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        by_label.setdefault(label, []).append(number)
    courtesy = by_label.get(_COURTESY, [])
    asking = [number for number, label in enumerate(labels) if label != _COURTESY]
    for turn, number in enumerate(asking):
        around = [courtesy[(3 * turn + step) % len(courtesy)] for step in range(3)] if courtesy else []
        label, peers = labels[number], by_label[labels[number]]
        yield [number, *around[:2]], label
        yield [number, peers[(5 * turn + 7) % len(peers)], *around], label
        other = asking[(turn + len(asking) // 2) % len(asking)]
        if turn % _TWOFOLD == 0 and labels[other] != label:
            yield [number, other, *around[:1]], None
    for turn in range(len(courtesy)):
        yield [courtesy[(turn + step) % len(courtesy)] for step in range(3)], None
