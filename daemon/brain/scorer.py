"""In charge of the sentence model: TF-IDF over words, letters and ideas, and one logistic regression for each class."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from daemon.brain import ideas

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+|\?")
_IDEAS = 1.5
"""Weight of ideas beside words and letters: of 0, 1, 1.5 and 2 the one with the best held-out accuracy."""
_PENALTY = 10.0
"""Inverse strength of the regularisation (`C`), chosen in the same way among 3, 10 and 30."""
_TOLERANCE = 0.01
"""Probabilities are within 0.001 of those of 0.0001, in a quarter of the time."""


class Scorer:
    """Scores sentences: for each class the probability that a sentence says it, each on its own.

    The classes don't compete: a sentence can score low for all, which is how the model says that it knows none of it,
    or high for two, which is how it notices that both are asked.
    """

    def __init__(self, sentences: Sequence[str], targets: Sequence[Sequence[bool]]) -> None:
        """Learn.

        Args:
            sentences: plain (`sentences.plain`).
            targets: for each column of `score`, which of the sentences are examples of it.
        """
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        self._features = _features()
        learned = self._features.fit_transform(sentences)
        models = [
            LogisticRegression(
                C=_PENALTY, solver="liblinear", class_weight="balanced", dual=True, tol=_TOLERANCE, random_state=0
            ).fit(learned, np.asarray(target))
            for target in targets
        ]
        self._weights = np.vstack([model.coef_[0] for model in models])
        self._bias = np.array([model.intercept_[0] for model in models])

    def score(self, sentences: Sequence[str]) -> "NDArray[np.float64]":
        """Probabilities, one row a sentence and one column a target."""
        import numpy as np

        found = self._features.transform(sentences) @ self._weights.T + self._bias
        return np.asarray(1.0 / (1.0 + np.exp(-found)), dtype=np.float64)


def _words(sentence: str) -> list[str]:
    """Words, each two that follow each other, and whether it is a question."""
    found = _WORD.findall(sentence)
    return [*found, *map(" ".join, pairwise(found))]


def _features() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    return FeatureUnion(
        [
            ("words", TfidfVectorizer(analyzer=_words, sublinear_tf=True)),
            ("letters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)),
            ("ideas", TfidfVectorizer(analyzer=ideas.features, sublinear_tf=True)),
        ],
        transformer_weights={"ideas": _IDEAS},
    )
