"""`fitted`: what was learned scores without scikit-learn as with it, and a kept fit is the fit that was kept."""

from pathlib import Path

import numpy as np
import pytest

from daemon.brain import fitted, scorer
from daemon.brain.background import Background
from daemon.brain.calibration import Calibration
from daemon.brain.classifier import Classifier, fit

EXAMPLES = {
    "status": ["where is my parcel", "has my order left", "wo ist mein paket", "is order 1 on its way?"] * 3,
    "refund": ["i want my money back", "please refund order 2", "bitte das geld zurück", "refund me"] * 3,
}
BACKGROUND = Background(courtesy=("thank you", "kind regards") * 3, requests=("do you hire?", "our offer for you") * 3)
SAID = ["where is my parcel?", "i want the money", "xyzzy", "", "a", "wo ist mein geld"]


@pytest.fixture(scope="module")
def learned() -> Classifier:
    return fit(EXAMPLES, BACKGROUND, answered={"status"})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_scores_are_those_of_the_library_that_learned() -> None:
    sentences = [sentence for said in EXAMPLES.values() for sentence in said]
    counter = scorer.Counter(sentences)
    targets = [[sentence in EXAMPLES["status"] for sentence in sentences]]
    model = scorer.Scorer(counter.learned, targets)
    kinds, start = [], 0
    for counted, rarity in zip(counter.kinds, model.rarity, strict=True):
        end = start + len(counted.vocabulary_)
        kinds.append(
            fitted.Kind(columns=counted.vocabulary_, rarity=rarity.idf_, weights=model.weights[:, start:end].T)
        )
        start = end
    own = fitted.Fitted(
        kinds=tuple(kinds), bias=model.bias, classes=(), answered=frozenset(), calibration=Calibration()
    )
    assert np.allclose(own.score(SAID), model.score(counter.count(SAID)), atol=1e-12)


def test_a_kept_fit_says_the_same(learned: Classifier) -> None:
    fitted.keep(learned.fitted, "digest")
    again = fitted.kept("digest", classes=EXAMPLES)
    assert again is not None
    assert np.allclose(again.score(SAID), learned.fitted.score(SAID), atol=1e-5)
    assert again.calibration == learned.calibration
    assert (again.classes, again.answered) == (learned.fitted.classes, learned.fitted.answered)


def test_a_fit_that_is_damaged_or_of_other_categories_is_learned_anew(learned: Classifier) -> None:
    assert fitted.kept("digest", classes=EXAMPLES) is None
    fitted.keep(learned.fitted, "digest")
    assert fitted.kept("digest", classes=[*EXAMPLES, "new"]) is None
    (file,) = fitted.folder().iterdir()
    for content in (b"", b"PK\x03\x04 nonsense", file.read_bytes()[:-300]):
        file.write_bytes(content)
        assert fitted.kept("digest", classes=EXAMPLES) is None


def test_a_cache_that_can_not_be_written_is_done_without(
    learned: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "file" / "below"))
    fitted.keep(learned.fitted, "digest")
    assert fitted.kept("digest", classes=EXAMPLES) is None
