"""In charge of noticing that a wish is none: it depends on something, or is the opposite of its words."""

import re

_CONDITION = re.compile(r"\b(?:if|unless|otherwise|in case|or else|wenn|falls|sofern|sonst|ansonsten|andernfalls)\b")
_REFUSAL = re.compile(
    r"\b(?:please (?:do not|don't)"
    r"|(?:do not|don't|didn't|did not|never) (?:want|wish|like|ask|asked|plan|intend)(?:ed)? to"
    r"|not (?:cancel|return|refund|send|change)\w*|not going to|changed my mind about (?:cancel|return)\w*|instead of"
    r"|bitte (?:\w+ ){0,6}nicht(?! mehr)|(?:will|moechte|wollte|werde) (?:\w+ ){0,6}nicht(?! mehr)|doch nicht|statt)\b"
)


def reserved(plain: str) -> bool:
    """Whether a plain sentence (`sentences.plain`) must not be taken at its word where something would be changed.

    A classifier hears the words and hardly the grammar: `don't cancel it` is close to `cancel it`. English and German.
    """
    return bool(_CONDITION.search(plain) or _REFUSAL.search(plain))
