"""In charge of the thesaurus: which ideas stand in a sentence, whatever the language and the word."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations
from pathlib import Path

FILE = Path(__file__).with_name("thesaurus.txt")

_WORD = re.compile(r"[\w'-]+")
_SHORTEST = 3
"""Letters of the shortest stem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thesaurus:
    """Phrases and stems to the idea that they stand for."""

    phrases: dict[str, str]
    stems: dict[str, str]
    longest: int
    """Words of the longest phrase."""

    def read(self, sentence: str) -> tuple[str, ...]:
        """The ideas of a plain sentence in order, each time that one occurs; the longest phrase wins."""
        words = _WORD.findall(sentence)
        found: list[str] = []
        at = 0
        while at < len(words):
            idea, length = self._at(words, at)
            if idea:
                found.append(idea)
            at += length
        return tuple(found)

    def _at(self, words: list[str], at: int) -> tuple[str, int]:
        for length in range(min(self.longest, len(words) - at), 0, -1):
            phrase = " ".join(words[at : at + length])
            if idea := self.phrases.get(phrase) or self._stem(phrase, len(words[at + length - 1])):
                return idea, length
        return "", 1

    def _stem(self, phrase: str, last: int) -> str:
        """The idea of the longest stem that the phrase begins with and that ends within its last word."""
        shortest = max(_SHORTEST, len(phrase) - last + 1)
        ends = range(len(phrase), shortest - 1, -1)
        return next((idea for end in ends if (idea := self.stems.get(phrase[:end]))), "")


@cache
def shipped() -> Thesaurus:
    """The thesaurus that comes with triaged."""
    return parse(FILE.read_text(encoding="utf-8"))


def parse(text: str) -> Thesaurus:
    """Read lines of `idea: word, stem*, two words`."""
    ideas: dict[str, str] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            idea, _, words = line.partition(":")
            ideas.update({word.strip(): idea.strip() for word in words.split(",")})
    return Thesaurus(
        phrases={word: idea for word, idea in ideas.items() if not word.endswith("*")},
        stems={word[:-1]: idea for word, idea in ideas.items() if word.endswith("*")},
        longest=max(len(_WORD.findall(word)) for word in ideas),
    )


@lru_cache(maxsize=4096)
def features(sentence: str) -> tuple[str, ...]:
    """The ideas of a plain sentence, and each two of them that stand together in it."""
    found = shipped().read(sentence)
    pairs = {"+".join(sorted(pair)) for pair in combinations(dict.fromkeys(found), 2)}
    return (*found, *sorted(pairs))
