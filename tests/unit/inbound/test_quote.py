"""What the sender wrote anew is parted from what they quoted."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.inbound.quote import split

OLD = "Your order left today.\nThe shop"
MARKED = "> Your order left today.\n> The shop"

ABOVE = {
    "english": f"On Mon, 23 Nov 2026 at 10:00, Shop <support@shop.example> wrote:\n{MARKED}",
    "english, wrapped": f"On Mon, 23 Nov 2026 at 10:00, Shop Support Team\n<support@shop.example> wrote:\n\n{MARKED}",
    "english, not marked": f"On Nov 23, 2026, at 10:00, Shop wrote:\n\n{OLD}",
    "german": f"Am Mo., 23. Nov. 2026 um 10:00 Uhr schrieb Shop <support@shop.example>:\n{MARKED}",
    "german, verb last": f"Am 23.11.2026 hat Shop geschrieben und schrieb:\n{MARKED}",
    "german, wrapped": f"Am 23.11.26 um 10:00 schrieb\nShop via Support <support@shop.example>:\n{MARKED}",
    "french": f"Le lun. 23 nov. 2026 à 10:00, Shop <support@shop.example> a écrit :\n{MARKED}",
    "spanish": f"El lun, 23 nov 2026 a las 10:00, Shop (<support@shop.example>) escribió:\n{MARKED}",
    "original message": f"-----Original Message-----\nFrom: Shop\n{OLD}",
    "german original": f"-----Ursprüngliche Nachricht-----\nVon: Shop\n{OLD}",
    "french original": f"-----Message d'origine-----\nDe : Shop\n{OLD}",
    "spanish original": f"-----Mensaje original-----\nDe: Shop\n{OLD}",
    "forwarded": f"---------- Forwarded message ---------\nFrom: Shop\n{OLD}",
    "apple": f"Begin forwarded message:\n\nFrom: Shop\n{OLD}",
    "apple, german": f"Anfang der weitergeleiteten Nachricht:\n\nVon: Shop\n{OLD}",
    "outlook": f"From: Shop <support@shop.example>\nSent: November 23, 2026 10:00 AM\nTo: Ana\nSubject: x\n\n{OLD}",
    "outlook, line": f"________________________________\nFrom: Shop\nSent: Monday\nTo: Ana\nSubject: x\n\n{OLD}",
    "outlook, bold": f"*From:* Shop\n*Sent:* Monday\n*To:* Ana\n*Subject:* x\n\n{OLD}",
    "outlook, german": f"Von: Shop\nGesendet: Montag, 23. November 2026 10:00\nAn: Ana\nBetreff: x\n\n{OLD}",
    "outlook, french": f"De : Shop\nEnvoyé : lundi 23 novembre 2026\nÀ : Ana\nObjet : x\n\n{OLD}",
    "outlook, spanish": f"De: Shop\nEnviado el: lunes, 23 de noviembre\nPara: Ana\nAsunto: x\n\n{OLD}",
    "marks only": MARKED,
}


@pytest.mark.parametrize("quotation", ABOVE.values(), ids=ABOVE.keys())
def test_a_quotation_below_the_answer_is_parted(quotation: str) -> None:
    text, quoted = split(f"Thank you!\n\nAna\n\n{quotation}\n")
    assert text == "Thank you!\n\nAna"
    assert quoted == quotation


def test_an_answer_below_and_between_the_quoted_lines_is_kept() -> None:
    text, quoted = split("On 1 Jan 2026, X wrote:\n> When?\n\nTomorrow.\n\n> Where?\nAt home.\n")
    assert text.split() == ["Tomorrow.", "At", "home."]
    assert quoted == "On 1 Jan 2026, X wrote:\n> When?\n> Where?"


@pytest.mark.parametrize(
    "text",
    [
        "On Monday I wrote:\nwhere is my order?",
        "From: Berlin\nTo: Munich\nPlease send it there.",
        "Am Montag schrieb ich Ihnen schon.",
        "Le colis: rien a écrit",
        "On the box it says 1042 and she wrote: return",
        "---------- cut here ----------\nHello",
        "______________________________\nHello",
        "Von: mir",
    ],
)
def test_a_sentence_that_only_resembles_one_stays(text: str) -> None:
    assert split(text) == (text, "")


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Hello\n-- \nAna\nTel. 1", "Hello"),
        ("Hello\n--\nAna", "Hello"),
        ("Hello\n\nSent from my iPhone", "Hello"),
        ("Hallo\n\nVon meinem iPhone gesendet", "Hallo"),
        ("Hallo\nGesendet mit der GMX Mail App", "Hallo"),
        ("Bonjour\nEnvoyé de mon iPhone", "Bonjour"),
        ("Hola\nEnviado desde mi iPhone", "Hola"),
        ("Hello\nGet Outlook for iOS <https://aka.ms/x>", "Hello"),
        ("Hello\n-- \nAna\n-- \nB", "Hello"),
        ("a -- b\n--x", "a -- b\n--x"),
        ("Hello\n--\n" + "\n".join("long" for _ in range(30)), "Hello\n--\n" + "\n".join("long" for _ in range(30))),
        ("Sent from my garden, the roses are dead", ""),
    ],
)
def test_a_signature_goes_and_a_long_text_below_dashes_stays(text: str, rest: str) -> None:
    assert split(text)[0] == rest


@given(text=st.text(st.sampled_from("> -_\nOn wrote:Am1Von"), max_size=80))
def test_splitting_never_fails_and_loses_no_marked_line(text: str) -> None:
    kept, quoted = split(text)
    marked = [line for line in text.split("\n") if line.startswith(">")]
    assert [line for line in quoted.split("\n") if line.startswith(">")][: len(marked)] == marked
    assert not [line for line in kept.split("\n") if line.startswith(">")]


@pytest.mark.parametrize(
    "attack", ["> ", ">", "On 1 ", "On 1\n", "From: a\n", "\n", "--\n", "_" * 40 + "\n", "a", "Am 1 schrieb \n"]
)
def test_no_text_takes_long(attack: str) -> None:
    start = time.process_time()
    split(attack * (100_000 // len(attack)))
    assert time.process_time() - start < 1
