"""In charge of the sentence model: TF-IDF over words, letters and ideas, one logistic regression for each target."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from daemon.brain import ideas

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+|\?")
_SHORTEST, _LONGEST = 3, 4
"""Letters that are looked at together."""
_PENALTY = 10.0
"""Inverse strength of the regularisation (`C`): of 3, 10, 30 and 100, the smallest with the best held-out coverage."""
_TOLERANCE = 0.1
"""Probabilities are within 0.01 of those of 0.0001, in a sixth of the time."""
_SEEN = 2
"""Sentences that something must stand in to be learned: what stands in one says more of its author than of the wish."""

_CERTAIN = 9.0
"""Log odds of a target that all sentences are examples of."""


def load() -> None:
    """Import what scoring needs, which takes a second or more."""
    import sklearn.feature_extraction.text
    import sklearn.linear_model  # noqa: F401 - for its effect


def _words(sentence: str) -> list[str]:
    """Words, each two that follow each other, and whether it is a question."""
    found = _WORD.findall(sentence)
    return [*found, *map(" ".join, pairwise(found))]


def _letters(sentence: str) -> list[str]:
    """Each three and each four letters of a word, with a space at its ends; a shorter word whole."""
    words = [f" {word} " for word in sentence.lower().split()]
    return [
        word[start : start + length]
        for word in words
        for length in range(_SHORTEST, min(_LONGEST, max(len(word), _SHORTEST)) + 1)
        for start in range(max(1, len(word) - length + 1))
    ]


ANALYZERS: tuple[Callable[[str], Sequence[str]], ...] = (_words, _letters, ideas.features)
"""The ways in which a plain sentence is looked at: words, letters, ideas."""


class Counter:
    """Counts what stands in sentences; what it has not seen while learning is left out."""

    def __init__(self, sentences: Sequence[str]) -> None:
        """Learn the words, letters and ideas of plain sentences (`sentences.plain`)."""
        from sklearn.feature_extraction.text import CountVectorizer

        self.kinds = tuple(CountVectorizer(analyzer=analyzer, min_df=_SEEN) for analyzer in ANALYZERS)
        """The vocabulary of each way of looking."""
        self.learned = tuple(kind.fit_transform(sentences) for kind in self.kinds)
        """Counts of the sentences that were learned from: a sparse matrix each for words, letters and ideas."""

    def count(self, sentences: Sequence[str]) -> tuple[Any, ...]:
        """Counts in other sentences, in the shape of `learned`."""
        return tuple(kind.transform(sentences) for kind in self.kinds)


class Scorer:
    """Scores sentences: for each target the probability that a sentence is an example of it, each on its own.

    The targets don't compete: a sentence can score low for all, which is how the model says that it knows none of it,
    or high for two, which is how it notices that both are asked.
    """

    def __init__(self, counts: Sequence[Any], targets: Sequence[Sequence[bool]]) -> None:
        """Learn.

        Args:
            counts: of the sentences to learn from (`Counter`).
            targets: for each column of `score`, which of the sentences are examples of it.
        """
        import numpy as np
        from sklearn.feature_extraction.text import TfidfTransformer

        # Out of cross-validation's reach, the counter knows no word that it has not learned: neither must a fold.
        self.known = [np.flatnonzero(kind.sum(axis=0)) for kind in counts]
        self.rarity = [TfidfTransformer(sublinear_tf=True) for _ in counts]
        known = zip(self.rarity, counts, self.known, strict=True)
        learned = _side_by_side([rarity.fit_transform(kind[:, columns]) for rarity, kind, columns in known])
        lines = [_line(learned, np.asarray(target)) for target in targets]
        self.weights = np.vstack([weights for weights, _ in lines])
        self.bias = np.array([bias for _, bias in lines])

    def score(self, counts: Sequence[Any]) -> "NDArray[np.float64]":
        """Probabilities, one row a sentence and one column a target."""
        import numpy as np

        known = zip(self.rarity, counts, self.known, strict=True)
        features = _side_by_side([rarity.transform(kind[:, columns]) for rarity, kind, columns in known])
        found = features @ self.weights.T + self.bias
        return np.asarray(1.0 / (1.0 + np.exp(-found)), dtype=np.float64)


def _line(learned: Any, target: "NDArray[np.bool_]") -> "tuple[NDArray[np.float64], float]":
    """Weights and bias that tell the examples of a target from the rest; without a rest there is nothing to tell."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    if target.all() or not target.any():
        return np.zeros(learned.shape[1]), _CERTAIN if target.any() else -_CERTAIN
    model = LogisticRegression(C=_PENALTY, solver="liblinear", dual=True, tol=_TOLERANCE, random_state=0)
    model.fit(learned, target)
    return model.coef_[0], float(model.intercept_[0])


def _side_by_side(kinds: Sequence[Any]) -> Any:
    from scipy.sparse import hstack

    return hstack(kinds, format="csr")
