"""Makes text from outside fit to be shown to a model or put into a reply: cleaned, capped, fenced and named as data."""

import hashlib
import hmac
import re
import unicodedata

_CODE_CHARACTERS = 8
_KEPT_CONTROLS = "\n\t"
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Categories that a reader does not see: controls, Unicode tags, bidi marks, surrogates, private use, unassigned."""
_SPACES = re.compile(r"\s+")


def code(key: bytes, name: str) -> str:
    """The boundary for one run: nobody without the key can guess it, and a replay of the run gets the same.

    Args:
        key: a secret of this installation.
        name: what the run is about, such as the id of the message.
    """
    return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:_CODE_CHARACTERS]


def clean(text: str, *, limit: int) -> str:
    """The text as a person would see it, at most `limit` characters and a note of how many were cut.

    Unicode tags (U+E0000 to U+E007F) and variation selectors carry instructions that no reader sees; bidi marks and
    zero-width characters make two texts look alike.
    """
    cut = len(text) - limit
    text = _LINE_ENDS.sub("\n", text[:limit])
    if not (text.isascii() and text.isprintable()):
        text = "".join(character for character in text if _seen(character))
    return f"{text}\n[{cut} more characters cut]" if cut > 0 else text


def line(text: str, *, limit: int) -> str:
    """The text as one line: `clean`, every run of white space one space, cut at `limit` without a note."""
    return _SPACES.sub(" ", clean(text[:limit], limit=limit)).strip()


def fence(text: str, *, boundary: str, name: str) -> str:
    """The text between two lines that only we can write, since its author can't know the boundary."""
    inside = text.replace(boundary, "…")
    return f"[{boundary} {name}\n{inside}\n{boundary}]"


def _seen(character: str) -> bool:
    if character in _KEPT_CONTROLS:
        return True
    if "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":
        return False
    return unicodedata.category(character) not in _UNSEEN
