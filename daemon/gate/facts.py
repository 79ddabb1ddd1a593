"""Finds what a reply states without a row behind it: figures, dates, money, links, addresses, states, promises (P8).

What code filled into a slot is a fact and is left out. What an operator's template says by itself is the operator's
word; whatever else stands in the reply was typed by the model, or came out of the mail, and is not believed.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daemon.gate import words
from handlers.contract import Fact, Handler, Proposal

_FACT = "\ufffc"
"""Stands where a fact stood, so that what touches it is seen."""
_LINK = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)[^\s<>\"]+", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>()@]+@[^\s<>()]+")
_DOMAIN = re.compile(r"(?<![\w.-])(?:[\w-]+\.)+[^\W\d_]{2,}(?!\w)(?:/\S*)?")
_ROMAN = re.compile(r"(?<!\w)(?=[MDCLXVI]{3})M*(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?!\w)")
_FULL_STOP = str.maketrans("\u3002", ".")
"""What browsers take for the dot of a name beside those that NFKC folds (UTS #46, section 2.3)."""
_WORD = re.compile(r"[^\W_]+")
_CODE = re.compile(r"\{[{%#].*?[}%#]\}", re.DOTALL)
_STRING = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_SECTIONS = ("number", "date", "currency", "state", "promise", "secret")
_NAME = 60
"""Characters of a name or place; what is longer speaks."""
_DIGITS = 6
"""Digits of a house and a postcode; what has more is a number to call."""
_SPOKEN = frozenset({"link", "address", "letters", "promise", "secret"})
_DASHES = "-\u2212\u2013"
_GLUE = frozenset("+%‰*/^" + _DASHES + _FACT)
"""What changes a figure's meaning when it touches it."""
_MARKS = frozenset(".,:" + _DASHES)
"""What does so when something follows at once; else it ends a sentence or a thought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something that a reply states and no row stands behind."""

    kind: str
    """`figure`, `date`, `currency`, `link`, `address`, `state`, `promise`, `secret`, `sign`, `letters`, `slot`,
    `words`."""
    text: str

    def __str__(self) -> str:
        """For the operator."""
        return f"{self.kind} {self.text!r}"


def ungrounded(proposal: Proposal, handler: Handler | None) -> tuple[Claim, ...]:
    """The claims of a reply that neither a fact nor the operator's template stands behind, in the reply's order."""
    body = proposal.body
    displaced = [fact for fact in proposal.facts if body[fact.start : fact.start + len(fact.shown)] != fact.shown]
    if displaced:
        return tuple(Claim(kind="slot", text=fact.slot) for fact in displaced)
    # A model may name one language and write another: those of the handler are read anyway.
    languages = dict.fromkeys((proposal.language, *(handler.languages if handler else ())))
    found = claims(_without_facts(body, proposal.facts), *languages)
    if proposal.template is not None:
        trusted = _of_templates(handler, proposal.template, *languages)
        found = (claim for claim in found if claim.kind != "sign" and claim.text.casefold() not in trusted)
    return (*found, *(claim for fact in proposal.facts if fact.untrusted for claim in _spoken(fact.shown, *languages)))


def _spoken(text: str, *languages: str) -> Iterator[Claim]:
    """What a text of a row, which its writer chose, says beyond a name or a place."""
    if len(text) > _NAME:
        yield Claim(kind="words", text=text[:_NAME])
        return
    if sum(char.isnumeric() for char in text) > _DIGITS:
        yield Claim(kind="figure", text=text)
    yield from (claim for claim in claims(text, *languages) if claim.kind in _SPOKEN)


def claims(text: str, *languages: str) -> Iterator[Claim]:
    """Everything in a text that states something in one of the languages."""
    folded = unicodedata.normalize("NFKC", text).translate(_FULL_STOP)
    for kind, pattern in (("link", _LINK), ("address", _ADDRESS), ("link", _DOMAIN)):
        yield from (Claim(kind=kind, text=match.group().rstrip(".,;:!?")) for match in pattern.finditer(folded))
        folded, text = pattern.sub(" ", folded), pattern.sub(" ", text)
    yield from _figures(text)
    for section in _SECTIONS:
        kind = "figure" if section == "number" else section
        pattern = words.pattern(section, *languages)
        yield from (Claim(kind=kind, text=" ".join(match.group().split())) for match in pattern.finditer(text))
    yield from _letters(text)
    yield from _glued(text)


def _figures(text: str) -> Iterator[Claim]:
    """Words with a digit of any script in them, and signs of money and parts."""
    for token in text.replace(_FACT, " ").split():
        if any(char.isnumeric() for char in token):
            yield Claim(kind="figure", text=token.strip(".,;:!?()[]\"'»«„“”"))
        elif any(unicodedata.category(char) == "Sc" or char in "%‰" for char in token):
            yield Claim(kind="currency", text=token)
    yield from (Claim(kind="figure", text=match.group()) for match in _ROMAN.finditer(text))


def _letters(text: str) -> Iterator[Claim]:
    """Invisible characters and words of mixed scripts: they hide a word from every list."""
    for char in text:
        if unicodedata.category(char) in {"Cf", "Co", "Cn"} and char != "\u00ad":
            yield Claim(kind="letters", text=f"U+{ord(char):04X}")
    for match in _WORD.finditer(text):
        scripts = {unicodedata.name(char, "?").split(" ", maxsplit=1)[0] for char in match.group() if char.isalpha()}
        if len(scripts) > 1 and "LATIN" in scripts:
            yield Claim(kind="letters", text=match.group())


def _glued(text: str) -> Iterator[Claim]:
    """What touches a fact and becomes a part of it for the reader: `-19.99`, `19.99k`."""
    for at, char in enumerate(text):
        if char != _FACT:
            continue
        before, after, beyond = text[max(0, at - 1) : at], text[at + 1 : at + 2], text[at + 2 : at + 3]
        if before and (before.isalnum() or before in _GLUE):
            yield Claim(kind="sign", text=f"{before}…")
        follows = beyond.isalnum() or beyond == _FACT
        if after and (after.isalnum() or (after in _MARKS and follows) or after in _GLUE - _MARKS):
            yield Claim(kind="sign", text=f"…{after}")


def _without_facts(body: str, facts: Sequence[Fact]) -> str:
    """The body with one mark in place of each fact."""
    pieces: list[str] = []
    at = 0
    for fact in sorted(facts, key=lambda fact: fact.start):
        if fact.shown and fact.start >= at:
            pieces += [body[at : fact.start], _FACT]
            at = fact.start + len(fact.shown)
    return "".join([*pieces, body[at:]])


def _of_templates(handler: Handler | None, name: str, *languages: str) -> frozenset[str]:
    """What the operator wrote in a template, in any of its languages."""
    sources = handler.templates if handler else {}
    own = [source for key, source in sources.items() if key == name or key.startswith(f"{name}.")]
    return frozenset(claim.text.casefold() for source in own for claim in claims(_written(source), *languages))


def _written(template: str) -> str:
    """A template's fixed text, and the texts that its expressions choose from."""
    chosen = " ".join(text for code in _CODE.findall(template) for pair in _STRING.findall(code) for text in pair)
    fixed = _CODE.sub(lambda code: _FACT if code.group().startswith("{{") else " ", template)
    return f"{fixed}\n{chosen}"
