"""Answers as mail programs of four languages write them: what the sender wrote stays, all else goes."""

import tomllib
from pathlib import Path

import pytest

from daemon.inbound.quote import split

QUOTED = tomllib.loads((Path(__file__).parents[2] / "mails" / "quoted.toml").read_text(encoding="utf-8"))
BELOW = {each["program"]: each["text"] for each in QUOTED["below"]}
INLINE = {each["language"]: (each["text"], each["answer"]) for each in QUOTED["inline"]}
ANSWERS = (
    "Thank you, and where is order 1043?",
    "Guten Tag,\n\nwo ist Bestellung 1043? Am Montag schrieb ich schon einmal.\n\nFreundliche Grüße\nAna",
    "Bonjour,\n\n- le colis : rien\n- la facture : rien\n\nCordialement, Ana",
)


@pytest.mark.parametrize("below", BELOW.values(), ids=BELOW.keys())
def test_an_answer_above_is_all_that_stays(below: str) -> None:
    for answer in ANSWERS:
        assert split(f"{answer}\n\n{below}\n")[0] == answer


@pytest.mark.parametrize(("text", "answer"), INLINE.values(), ids=INLINE.keys())
def test_answers_between_the_lines_stay(text: str, answer: str) -> None:
    assert split(text)[0] == answer.strip("\n")


@pytest.mark.parametrize("device", QUOTED["devices"]["added"])
def test_what_a_device_adds_goes(device: str) -> None:
    assert split(f"Where is order 1042?\n\n{device}")[0] == "Where is order 1042?"


@pytest.mark.parametrize(
    "text",
    [
        "Gesendet: die Rechnung\nVon: mir",
        "Sent from Berlin on Monday, the parcel is lost.",
        "Get Outlook for free? No thanks.\nWhere is my order?",
        "2026-11-23 10:00 is when it should have come:\nnothing",
        "Shop schrieb mir, dass es kommt:\nes kam nicht",
        "Am 23.11. hat mir Ihr Shop etwas anderes versprochen.",
        "El 23/11 su empresa escribió otra cosa.",
        "Provenance : Lyon\nOù est mon colis ?",
        "De: Madrid\nPara: Sevilla\nPor favor.",
        "Date: tomorrow\nFrom: my house\nplease collect it",
    ],
)
def test_a_sentence_that_only_resembles_a_quotation_stays(text: str) -> None:
    assert split(text) == (text, "")
