"""The word lists of the gate, as regular expressions: what is legal or angry, and what a model may not type itself."""

import functools
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

FILE = Path(__file__).with_name("words.toml")
_NOTHING = re.compile(r"(?!)")


def found(section: str, text: str, language: str) -> str | None:
    """The first word of a section that occurs in the text."""
    match = pattern(section, language).search(text)
    return match.group() if match else None


@functools.cache
def pattern(section: str, *languages: str) -> re.Pattern[str]:
    """What finds the words of a section in text of these languages; of all languages when one of them is unknown."""
    lists = _file()[section]
    chosen = {"any", *languages} if lists.keys() >= set(languages) else set(lists)
    return of_words(word for name, words in lists.items() if name in chosen for word in words)


@functools.cache
def _file() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def of_words(words: Iterable[str]) -> re.Pattern[str]:
    """What finds whole words or phrases; `*` at the end of one stands for any ending, a space for any white space."""
    alternatives = sorted((word.strip() for word in words if word.strip()), key=len, reverse=True)
    if not alternatives:
        return _NOTHING
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(_alternative, alternatives))})(?!\w)", re.IGNORECASE)


def _alternative(word: str) -> str:
    open_end = word.endswith("*")
    escaped = r"\s+".join(re.escape(part) for part in word.rstrip("*").split())
    return escaped + (r"\w*" if open_end else "")
