"""`sentences`, `ideas`, `background` and `reservation`: how a mail is cut up and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.brain import background, ideas, sentences
from daemon.brain.reservation import reserved


def test_a_line_that_a_mail_program_wrapped_goes_on() -> None:
    text = "I ordered a lamp from you about ten days ago and so far I have not\nreceived anything. Where is it?\nThanks"
    assert sentences.split(text) == (
        "I ordered a lamp from you about ten days ago and so far I have not received anything.",
        "Where is it?",
        "Thanks",
    )


def test_an_abbreviation_or_a_day_does_not_end_a_sentence() -> None:
    assert sentences.split("Order no. 4711 of 3. May, pls") == ("Order no. 4711 of 3. May, pls",)


def test_short_lines_are_sentences_of_their_own() -> None:
    assert sentences.split("Hi,\n\nwhere is it\nBob") == ("Hi,", "where is it", "Bob")


@given(st.text(max_size=400))
def test_no_letter_of_a_mail_is_lost_by_cutting_it(text: str) -> None:
    assert "".join("".join(sentences.split(text)).split()) == "".join(text.split())


@given(st.text(max_size=400))
def test_any_sentence_can_be_written_plainly_and_read(text: str) -> None:
    plain = sentences.plain(text)
    assert ideas.features(plain) is not None
    assert isinstance(sentences.telling(text), bool)


def test_two_orders_make_the_same_plain_sentence() -> None:
    assert sentences.plain("Where is order 10482?") == sentences.plain("where is order 99120?")


def test_umlauts_may_be_spelled_out() -> None:
    assert sentences.plain("Zurückschicken, für groß") == sentences.plain("Zurueckschicken, fuer gross")


@pytest.mark.parametrize("sentence", ["Anna Miller", "Bob", "4711", "J. Smith"])
def test_a_lone_name_or_number_asks_for_nothing(sentence: str) -> None:
    assert not sentences.telling(sentence)


@pytest.mark.parametrize("sentence", ["Refund 10482", "Stornierung", "Really?", "I have a small wish for you"])
def test_a_terse_request_is_still_one(sentence: str) -> None:
    assert sentences.telling(sentence)


def test_both_languages_have_the_same_ideas() -> None:
    read = ideas.shipped().read
    assert set(read("where is my parcel")) == set(read("wo ist mein paket"))


def test_the_longest_phrase_wins() -> None:
    thesaurus = ideas.parse("money: money\nrefund: money back, refund*\n# a comment\n")
    assert thesaurus.read("money back or money, refunding") == ("refund", "money", "refund")


def test_a_stem_stands_at_the_beginning_of_a_word() -> None:
    assert ideas.parse("refund: refund*").read("prerefund refunds") == ("refund",)


def test_no_word_of_the_thesaurus_is_unreachable() -> None:
    thesaurus = ideas.shipped()
    for phrase in [*thesaurus.phrases, *thesaurus.stems]:
        assert phrase == sentences.plain(phrase), phrase


def test_the_shipped_background_has_both_kinds() -> None:
    shipped = background.shipped()
    assert len(shipped.courtesy) > 100
    assert len(shipped.requests) > 100
    assert not set(shipped.courtesy) & set(shipped.requests)


def test_a_line_under_an_unknown_heading_is_refused() -> None:
    with pytest.raises(KeyError):
        background.parse("[nonsense]\nHello")


@pytest.mark.parametrize(
    "sentence",
    [
        "If it is not here by Friday, cancel the order.",
        "Please do not cancel order 4711.",
        "I don't want to return it.",
        "Bitte stornieren Sie die Bestellung nicht.",
        "Ich möchte es doch nicht zurückgeben.",
        "Wenn es geht, stornieren Sie bitte.",
        "Send me the blue one instead of the red one.",
    ],
)
def test_a_condition_or_its_opposite_is_no_wish(sentence: str) -> None:
    assert reserved(sentences.plain(sentence))


@pytest.mark.parametrize(
    "sentence",
    [
        "Please cancel order 4711.",
        "I no longer need it, please cancel.",
        "Ich brauche die Artikel nicht mehr, bitte stornieren.",
        "Die Schuhe passen nicht, ich möchte sie zurückschicken.",
        "It doesn't fit, I want to send it back.",
        "Bitte nicht mehr versenden.",
    ],
)
def test_a_plain_wish_is_one(sentence: str) -> None:
    assert not reserved(sentences.plain(sentence))
