"""In charge of cutting a mail into sentences and writing them so that only what is asked tells them apart."""

import re

from daemon.brain import ideas

_LINK = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
_ADDRESS = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_AMOUNT = re.compile(r"(?:[€$£]\s?\d[\d.,]*)|(?:\b\d[\d.,]*\s?(?:€|\$|£|eur\b|euros?\b))", re.IGNORECASE)
_NUMBER = re.compile(r"#?\b\d{4,}\b")
_ARTICLE = re.compile(r"\b[A-Z]{2,5}-\d{2,6}\b", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_NAME = 3
"""Words of the longest name that is signed with."""
_DIGITS = re.compile(r"\d+")
_SPACE = re.compile(r"\s+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:no|nr|nrn|dr|mr|mrs|ms|st|ca|bzw|etc|inkl|z\.b|d\.h|u\.a|e\.g|i\.e|art|tel|str|approx|prof|\d{1,2})$",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?…]+(?=\s|$)")
_WRAPPED = 50
"""A line at least this long that does not end a sentence goes on in the next (RFC 5322 asks for 78 at most)."""
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"} | dict.fromkeys("\u2018\u2019\u00b4`", "'"))


def split(text: str) -> tuple[str, ...]:
    """The sentences of a mail in order, without empty ones; a greeting or a lone number on a line is one too."""
    found: list[str] = []
    for paragraph in _paragraphs(text):
        start = 0
        for end in _END.finditer(paragraph):
            if end.group() == "." and _ABBREVIATION.search(paragraph[start : end.start()]):
                continue
            found.append(paragraph[start : end.end()])
            start = end.end()
        found.append(paragraph[start:])
    return tuple(sentence for part in found if (sentence := _SPACE.sub(" ", part).strip()))


def _paragraphs(text: str) -> list[str]:
    """Lines, with those joined that only the writer's program has wrapped."""
    joined: list[str] = []
    open_line = False
    for line in text.splitlines():
        bare = line.strip()
        if open_line and bare:
            joined[-1] += " " + bare
        else:
            joined.append(bare)
        open_line = len(bare) >= _WRAPPED and not bare.endswith((".", "!", "?", ":", ","))
    return joined


def telling(sentence: str) -> bool:
    """Whether a sentence can ask for something: a lone name, number or greeting can't, `Refund 10482` can."""
    words = _LETTERS.findall(sentence)
    if not words:
        return "?" in sentence
    return len(words) > _NAME or "?" in sentence or bool(ideas.shipped().read(plain(sentence)))


def plain(sentence: str) -> str:
    """The sentence in lower case, umlauts spelled out, with numbers, amounts, links and addresses as one word each.

    Which order is meant is found elsewhere; here `order 10482` and `order 99120` have to be the same sentence.
    """
    text = _LINK.sub(" weblink ", sentence)
    text = _ADDRESS.sub(" mailaddress ", text)
    text = _AMOUNT.sub(" moneyamount ", text)
    text = _ARTICLE.sub(" articlenumber ", text)
    text = _NUMBER.sub(" longnumber ", text)
    text = _DIGITS.sub("0", text)
    return _SPACE.sub(" ", text.lower().translate(_SPELLED)).strip()
