"""`classifier`: sentences come together to a mail, and what is unclear is not answered."""

import numpy as np
import pytest

from daemon.brain import background, classifier
from daemon.brain.background import Background
from daemon.brain.classifier import Classifier, read

CLASSES = ("status", "return", "?")
NOUNS = ("lamp", "rug", "chair", "table", "kettle", "mirror", "blanket", "shelf", "pan", "clock", "vase", "desk")
EXAMPLES = {
    "status": [f"Where is the {noun} that I ordered?" for noun in NOUNS]
    + [f"Has my {noun} been shipped yet?" for noun in NOUNS]
    + [f"Wo bleibt {number}, ist das Paket unterwegs?" for number in range(1000, 1012)],
    "return": [f"I want to send the {noun} back." for noun in NOUNS]
    + [f"Please send me a return label for the {noun}." for noun in NOUNS]
    + [f"Ich möchte {number} zurückschicken." for number in range(1000, 1012)],
    "angry": [f"The {noun} arrived broken and nobody answers!" for noun in NOUNS],
}


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    return classifier.fit(EXAMPLES, background.shipped(), answered={"status", "return"})


def scores(*rows: tuple[float, ...]) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    return np.array(rows)


def test_the_strongest_sentence_decides() -> None:
    reading = read(scores((0.1, 0.0, 0.0, 0.0), (0.9, 0.0, 0.0, 1.0)), CLASSES)
    assert (reading.category, reading.row) == ("status", 1)


def test_two_sentences_that_say_the_same_are_clearer_than_one() -> None:
    one = read(scores((0.8, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0)), CLASSES)
    two = read(scores((0.8, 0.0, 0.0, 1.0), (0.8, 0.0, 0.0, 1.0)), CLASSES)
    assert two.strength > one.strength


def test_a_second_request_speaks_against_the_first() -> None:
    reading = read(scores((0.9, 0.0, 0.0, 1.0), (0.0, 0.8, 0.0, 0.6)), CLASSES)
    assert reading.rival >= 0.8


def test_a_sentence_that_asks_for_something_unknown_speaks_against_it() -> None:
    reading = read(scores((0.9, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0)), CLASSES)
    assert (reading.rival_name, reading.rival) == ("?", 1.0)


def test_a_sentence_that_rather_asks_for_nothing_does_not() -> None:
    assert read(scores((0.9, 0.0, 0.0, 0.5), (0.0, 0.0, 0.0, 0.5)), CLASSES).rival == 0.0


def test_a_clear_mail_is_known(fitted: Classifier) -> None:
    guess = fitted.classify(["Hello,", "where is the lamp that I ordered?", "Thanks"], threshold=0.9)
    assert guess.category == "status"
    assert guess.sentence == "where is the lamp that I ordered?"
    assert guess.confidence >= 0.9


def test_two_requests_are_not_answered(fitted: Classifier) -> None:
    text = ["Where is the lamp that I ordered?", "And please send me a return label for the rug."]
    assert fitted.classify(text, threshold=0.9).category is None


def test_a_mail_about_something_else_is_not_answered(fitted: Classifier) -> None:
    assert fitted.classify(["I am applying for the job as a driver."], threshold=0.9).category not in EXAMPLES


def test_a_category_that_only_files_needs_no_certainty(fitted: Classifier) -> None:
    assert fitted.classify(["The vase arrived broken and nobody answers!"], threshold=1.0).category == "angry"


def test_confidence_stays_below_what_the_trials_can_show(fitted: Classifier) -> None:
    guess = fitted.classify(["Where is the lamp that I ordered?"])
    assert guess.confidence <= 1 - 1 / (fitted.calibration.trials + 2)


def test_with_few_examples_it_abstains_and_says_why() -> None:
    few = {"status": ["Where is my order?", "Wo ist mein Paket?"], "return": ["I want to return it.", "Retoure bitte"]}
    guess = classifier.fit(few, background.shipped(), answered=few).classify(["Where is my order?"])
    assert guess.category is None
    assert "Add examples" in guess.why


def test_a_mail_that_says_nothing_is_not_answered(fitted: Classifier) -> None:
    assert fitted.classify([]).category is None
    assert fitted.classify(["Bob", "4711"]).category is None


def test_learning_twice_gives_the_same(fitted: Classifier) -> None:
    again = classifier.fit(EXAMPLES, background.shipped(), answered={"status", "return"})
    text = ["Has my rug been shipped yet?"]
    assert again.classify(text) == fitted.classify(text)


def test_it_learns_without_any_background() -> None:
    nothing = classifier.fit(EXAMPLES, Background(), answered={"status"})
    assert nothing.classify(["Where is the lamp that I ordered?"]).confidence <= 1.0


def test_a_handler_without_examples_is_one_for_people() -> None:
    nothing = classifier.fit({"status": []}, background.shipped(), answered={"status"})
    assert "No category has examples" in nothing.classify(["Where is it?"]).why
