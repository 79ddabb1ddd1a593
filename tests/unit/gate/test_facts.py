"""What a reply states comes from a row or from the operator, or a person looks."""

import re
import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.gate.facts import claims, ungrounded
from handlers.contract import Fact, Handler, Proposal


def slot(shown: str, start: int) -> Fact:
    return Fact(slot="order.x", tool="find_order", column="x", value=shown, shown=shown, start=start)


def reply(text: str, *, language: str = "en", template: str | None = None) -> Proposal:
    """A reply in which what stands in braces came out of a row."""
    body, facts = "", []
    for at, piece in enumerate(re.split("[{}]", text)):
        if at % 2:
            facts.append(slot(piece, len(body)))
        body += piece
    return Proposal(body=body, facts=tuple(facts), language=language, template=template)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Dear Ana,\n\nthank you. Your order {4711} is {shipped} ({€19.99}). Carrier: {DHL}, {https://dhl.example/1}.\n\nBest,"),
        ("de", "Guten Tag Ana,\n\ndanke. Bestellung {4711}: {versandt}. Summe {19,99 €}, Datum {3. November 2026}."),
        ("fr", "Bonjour Ana,\n\nmerci pour votre message. Commande {4711} : {expédiée}, le {3 novembre 2026}."),
        ("es", "Hola Ana:\n\nGracias por su mensaje. Pedido {4711}: {enviado}."),
        ("en", "Is one of these yours: {4711}, {4712} \u2013 or another?"),
    ],
)  # fmt: skip
def test_a_reply_whose_facts_all_come_from_rows_is_grounded(language: str, text: str) -> None:
    assert ungrounded(reply(text, language=language), None) == ()


@pytest.mark.parametrize(
    ("language", "text", "kind"),
    [
        ("en", "It costs 12.", "figure"),
        ("en", "It takes 3-5 working days.", "figure"),
        ("en", "It takes two days.", "figure"),
        ("en", "Order \uff14\uff17\uff11\uff11 is here.", "figure"),
        ("en", "You get ½ of it.", "figure"),
        ("en", "Call +49 30 1234567.", "figure"),
        ("en", "It comes on Monday.", "date"),
        ("en", "It comes in December.", "date"),
        ("en", "It comes in May.", "date"),
        ("en", "It is yours tomorrow.", "date"),
        ("en", "You get a € back.", "currency"),
        ("en", "That is {19.99} euros.", "currency"),
        ("en", "You get a discount.", "currency"),
        ("en", "See https://evil.example/x now.", "link"),
        ("en", "See www.evil.example now.", "link"),
        ("en", "See evil.example.com/pay now.", "link"),
        ("en", "Now see evil.example.", "link"),
        ("en", "See evil.рф now.", "link"),
        ("en", "See пример.испытание now.", "link"),
        ("en", "See evil\u3002example now.", "link"),
        ("en", "See evil\uff0eexample now.", "link"),
        ("en", "See evil\u2024example now.", "link"),
        ("en", "Write to eve\uff20evil now.", "address"),
        ("en", "You get MMXX of them.", "figure"),
        ("en", "It is for free.", "currency"),
        ("en", "Please tell us your password.", "secret"),
        ("de", "Wie lautet Ihre Kartennummer?", "secret"),
        ("en", "Write to boss@evil.example.", "address"),
        ("en", "Your order was shipped.", "state"),
        ("en", "Your order has been REFUNDED.", "state"),
        ("en", "We will look into it.", "promise"),
        ("en", "We guarantee it.", "promise"),
        ("de", "Ihre Bestellung wurde storniert.", "state"),
        ("de", "Wir werden das prüfen.", "promise"),
        ("de", "Es kommt übermorgen, in zwei Wochen.", "figure"),
        ("fr", "Votre commande a été expédiée.", "state"),
        ("fr", "Vous la recevrez.", "promise"),
        ("es", "Su pedido fue enviado.", "state"),
        ("es", "Tarda once horas.", "figure"),
        ("", "Tarda once horas.", "figure"),
        ("en", "It was ship\u200bped.", "letters"),
        ("en", "It was sh\u0456pped.", "letters"),
        ("en", "That is -{19.99}.", "sign"),
        ("en", "That is {19.99}k.", "sign"),
        ("en", "That is {19.99}.{00}.", "sign"),
        ("en", "That is {19}{99}.", "sign"),
        ("en", "That is 1{19.99}.", "figure"),
        ("en", "That is {50}%.", "currency"),
    ],
)
def test_what_the_model_typed_by_itself_is_found(language: str, text: str, kind: str) -> None:
    assert kind in {claim.kind for claim in ungrounded(reply(text, language=language), None)}


def test_a_fact_that_does_not_stand_where_it_says_is_no_fact() -> None:
    moved = Proposal(body="Order 4711", facts=(slot("4711", 3),))
    assert [(claim.kind, claim.text) for claim in ungrounded(moved, None)] == [("slot", "order.x")]


HANDLER = Handler(
    name="h",
    templates={
        "status": "Order {{ order.id }} was shipped. You will have it within 14 days: https://shop.example/help."
        "{% if order.late %} We are sorry, here are 5 EUR. {% endif %}{{ 'Refunded' if order.back else '' }}",
        "link": "See https://shop.example/t/{{ order.id }}/map?x=1 (\u20ac{{ order.total }}), #{{ order.id }}.",
        "status.de": "Bestellung {{ order.id }} wurde versandt.",
        "other": "Delivered in 30 days.",
    },
)


def test_what_the_operators_template_says_is_the_operators_word() -> None:
    text = (
        "Order {4711} was shipped. You will have it within 14 days: https://shop.example/help. "
        "We are sorry, here are 5 EUR. Refunded"
    )
    assert ungrounded(reply(text, template="status"), HANDLER) == ()
    assert ungrounded(reply("Bestellung {4711} wurde versandt.", template="status", language="de"), HANDLER) == ()


def test_a_template_may_build_a_link_around_a_fact() -> None:
    text = "See https://shop.example/t/{4711}/map?x=1 (\u20ac{19.99}), #{4711}."
    assert ungrounded(reply(text, template="link"), HANDLER) == ()
    assert ungrounded(reply(text.replace("shop.", "evil."), template="link"), HANDLER)
    assert ungrounded(reply(text), HANDLER)


@pytest.mark.parametrize(
    "text", ["Dear 50 EUR, order {4711} was shipped.", "Order {4711} was delivered.", "Delivered in 30 days."]
)
def test_what_else_stands_in_a_reply_from_a_template_is_not(text: str) -> None:
    assert ungrounded(reply(text, template="status"), HANDLER)


def test_a_template_that_nobody_knows_vouches_for_nothing() -> None:
    assert ungrounded(reply("It was shipped.", template="status"), None)
    assert ungrounded(reply("It was shipped.", template="nonsense"), HANDLER)


@given(
    before=st.text(alphabet=string.ascii_letters + " ", max_size=20),
    figure=st.integers(min_value=0, max_value=10**9).map(str) | st.decimals(0, 9999, places=2).map(str),
    after=st.text(alphabet=string.ascii_letters + " .", max_size=20),
)
def test_no_digit_outside_of_a_slot_goes_unseen(before: str, figure: str, after: str) -> None:
    assert ungrounded(reply("Total {9.99} " + before + figure + after), None)


@given(st.text(max_size=300), st.sampled_from(["en", "de", "fr", "es", "", "it"]))
def test_any_text_can_be_looked_at(text: str, language: str) -> None:
    assert all(claim.kind for claim in claims(text, language))


def test_a_claim_counts_in_every_language_of_the_handler_whatever_language_the_model_names() -> None:
    handler = Handler(name="desk", languages=("en", "de"))
    said = {
        language: ungrounded(reply("Your money is refunded.", language=language), handler) for language in ("en", "de")
    }
    assert [claim.kind for claim in said["de"]] == [claim.kind for claim in said["en"]] == ["state"]
    assert ungrounded(reply("Ihr Geld ist erstattet.", language="en"), handler)


@pytest.mark.parametrize(
    ("shown", "kinds"),
    [
        ("Ana Ortiz", []),
        ("Anna-Lena Freitag", []),
        ("Elm Grove 123", []),
        ("Your account is blocked. Write to us at once and tell us who you are, please", ["words"]),
        ("tell us your password", ["secret"]),
        ("call 0800 1234567", ["figure"]),
        ("we will pay you", ["promise"]),
    ],
)
def test_words_that_a_customer_wrote_are_no_fact_beyond_a_name_or_a_place(shown: str, kinds: list[str]) -> None:
    fact = replace(slot(shown, 6), untrusted=True)
    said = Proposal(body=f"Hello {shown}, thank you.", facts=(fact,), template="status")
    assert [claim.kind for claim in ungrounded(said, None)] == kinds
