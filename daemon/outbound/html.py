"""The HTML part of a reply: the same words as the text part, escaped, and nothing that loads from elsewhere."""

import re
from html import escape

_LINK = re.compile(r"https?://[^\s<>\"'`]+")
_TRAILING = ".,;:!?)]}…"


def page(body: str, below: list[str], quote: tuple[str, list[str]] | None) -> str:
    """A page of the reply's text, what stands below it, and the quotation.

    Only links that stand in the text itself can be followed; those in the quotation stay text.
    """
    parts = [_paragraph(_linked(block)) for block in re.split(r"\n{2,}", body) if block.strip()]
    parts += [_paragraph(escape(block)) for block in below]
    if quote:
        above, lines = quote
        quoted = "\n".join(lines)
        parts.append(f"{_paragraph(escape(above))}\n<blockquote>{_broken(escape(quoted))}</blockquote>")
    inner = "\n".join(parts)
    return f'<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"></head>\n<body>\n{inner}\n</body>\n</html>\n'


def _paragraph(escaped: str) -> str:
    return f"<p>{_broken(escaped)}</p>"


def _broken(escaped: str) -> str:
    return escaped.replace("\n", "<br>\n")


def _linked(text: str) -> str:
    """Escaped text whose links can be followed."""
    pieces, at = [], 0
    for match in _LINK.finditer(text):
        link = match.group().rstrip(_TRAILING)
        pieces += [escape(text[at : match.start()]), f'<a href="{escape(link)}">{escape(link)}</a>']
        at = match.start() + len(link)
    return "".join([*pieces, escape(text[at:])])
