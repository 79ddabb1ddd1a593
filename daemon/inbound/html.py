"""Turns the HTML of a mail into text: links and table cells kept, hidden text taken out and told, in linear time.

No tree is built: tree builders are quadratic in nesting (200,000 open `<div>` took lexbor seven minutes) and a mail's
text needs only the tags that are open.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

LIMIT = 200_000
"""Characters of markup that are read; the rest is dropped."""

_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)((?:\"[^\"]*+\"|'[^']*+'|[^>\"'])*+)>")
_LOOSE_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)([^>]*+)>")
_ATTRIBUTE = re.compile(r"([^\s=\"'/>]++)(?:\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_SPACE = re.compile(r"[ \t\n\r\f\u00a0]+")
_BRACE = re.compile(r"([{}])")
_MAX_SHEET = 100_000
_SELECTOR = re.compile(r"[a-z]*[.#]?[\w-]+")
_PICTURE = re.compile("\ufdd0([^\ufdd1]*)\ufdd1")
"""A picture's description, between two characters that no text holds (Unicode 23.7, noncharacters)."""
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u2060\ufeff\u00ad\u034f\u2007\ufdd0\ufdd1"))
"""Fillers of preheaders, which hide words from filters too; and the two that are ours."""

_RAW = frozenset({"script", "style", "title", "textarea", "template", "xmp", "iframe", "noembed", "noframes"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_BLOCK = frozenset(
    (  # noqa: SIM905 - a list would be a page
        "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer "
        "form h1 h2 h3 h4 h5 h6 header html li main nav ol p pre section summary table tbody tfoot thead tr "
        "ul "
    ).split()
)
_SPACED = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "ul", "ol", "pre"})
_SELF_CLOSING = frozenset({"p", "li", "td", "th", "tr", "dt", "dd", "option"})
_CELL = " | "
_MAX_QUOTE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a reader of the HTML sees, and what one doesn't see."""

    text: str
    words: str = ""
    """The text without the descriptions of its pictures, which no plain version of a mail has."""
    hidden: str = ""
    """Words that a mail program would not show; empty when there are none."""
    cids: frozenset[str] = frozenset()
    """Content-IDs of the images in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A tag that is open."""

    name: str
    hidden: bool = False
    link: str = ""


def read(source: str) -> Page:
    """The text of an HTML mail; never fails."""
    reader = _Reader()
    for kind, value, attributes in _tokens(source[:LIMIT]):
        reader.take(kind, value, attributes)
    return reader.page()


def _tokens(source: str) -> Iterator[tuple[str, str, str]]:
    """("text", words, ""), ("open", tag, attributes), ("close", tag, "") in order (WHATWG HTML 13.2.5, simplified)."""
    at = 0
    quotes_closed = True
    while (start := source.find("<", at)) != -1:
        if start > at:
            yield "text", source[at:start], ""
        if (skipped := _not_a_tag(source, start)) is not None:
            text, at = skipped
            yield "text", text, ""
            continue
        found = _TAG.match(source, start) if quotes_closed else None
        if found is None:
            # An open quote would swallow the rest; from here on quotes are not honoured, which keeps it linear.
            quotes_closed = False
            found = _LOOSE_TAG.match(source, start)
        if found is None:
            return
        name, at = found.group(2).lower(), found.end()
        yield "close" if found.group(1) else "open", name, found.group(3)
        if name in _RAW and not found.group(1):
            end = _end_of_raw(source, name, at)
            if name == "style":
                yield "style", source[at:end], ""
            at = end
    yield "text", source[at:], ""


def _not_a_tag(source: str, start: int) -> tuple[str, int] | None:
    """The text of, and the offset behind, a `<` that opens no tag: a comment, a declaration or a mere sign."""
    if source.startswith("<!--", start):
        end = source.find("-->", start + 2)
        return "", len(source) if end == -1 else end + 3
    if source[start + 1 : start + 2] in {"!", "?"}:
        end = source.find(">", start)
        return "", len(source) if end == -1 else end + 1
    if not source[start + 1 : start + 3].lstrip("/")[:1].isalpha():
        return "<", start + 1
    return None


def _end_of_raw(source: str, name: str, at: int) -> int:
    """Where `<style>` and its like end; what stands in them is not markup."""
    found = re.compile(rf"</{name}", re.IGNORECASE | re.ASCII).search(source, at)
    return found.start() if found else len(source)


class _Reader:
    """Follows the open tags and writes down, line by line, what can be seen."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._link: list[str] = []
        self._unseen: list[str] = []
        self._cids: set[str] = set()
        self._stack: list[_Open] = []
        self._counts: dict[str, int] = {}
        self._hidden = 0
        self._gap = False
        self._depth = 0
        self._classes: frozenset[str] = frozenset()

    def take(self, kind: str, value: str, attributes: str) -> None:
        if kind == "text":
            self._text(unescape(value).translate(_INVISIBLE))
        elif kind == "style":
            self._classes |= _hiding(value)
        elif kind == "close":
            self._end(value)
        elif value in _VOID:
            self._void(value, _attributes(attributes))
        else:
            self._begin(value, _attributes(attributes))

    def page(self) -> Page:
        while self._stack:
            self._pop()
        self._flush()
        unseen = _SPACE.sub(" ", " ".join(self._unseen).translate(_INVISIBLE)).strip()
        text = "\n".join(self._lines)
        words, shown = _PICTURE.sub(" ", text), _PICTURE.sub(r"[\1]", text)
        return Page(text=shown, words=words, hidden=unseen, cids=frozenset(self._cids))

    def _text(self, value: str) -> None:
        if self._hidden:
            self._unseen.append(value)
        elif self._counts.get("pre"):
            *whole, rest = value.split("\n")
            for line in whole:
                self._line.append(line)
                self._flush(gap=not line.strip())
            self._line.append(rest)
        else:
            value = _SPACE.sub(" ", value)
            self._line.append(value if self._line else value.lstrip(" "))
            if self._counts.get("a"):
                self._link.append(value)

    def _flush(self, *, gap: bool = False) -> None:
        """End the line; an empty one is written only between two others."""
        while self._line and self._line[-1] == _CELL:
            self._line.pop()
        line = "".join(self._line).rstrip()
        self._line.clear()
        depth = min(self._counts.get("blockquote", 0), _MAX_QUOTE)
        if line.strip():
            if self._gap and self._lines:
                self._lines.append(("> " * min(depth, self._depth)).rstrip())
            self._lines.append("> " * depth + line)
            self._gap, self._depth = False, depth
        self._gap = self._gap or gap

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if self._stack and (
            self._stack[-1].name == name in _SELF_CLOSING or (self._stack[-1].name == "p" and name in _BLOCK)
        ):
            self._pop()  # an end tag that HTML lets one leave out
        if not self._hidden:
            self._lay_out(name)
        hidden = self._hides(name, attributes)
        self._hidden += hidden
        link = unescape(attributes.get("href", "")).strip() if name == "a" and not self._counts.get("a") else ""
        self._stack.append(_Open(name=name, hidden=hidden, link=link))
        self._counts[name] = self._counts.get(name, 0) + 1

    def _lay_out(self, name: str) -> None:
        if name in _BLOCK:
            self._flush(gap=name in _SPACED)
        if name == "li":
            self._line.append("- ")
        elif name in {"td", "th"} and "".join(self._line[-1:]).strip():
            self._line.append(_CELL)

    def _hides(self, name: str, attributes: dict[str, str]) -> bool:
        if "hidden" in attributes or _invisible(attributes.get("style", "")):
            return True
        if name == "font" and _white(attributes.get("color", "")):
            return True
        if not self._classes:
            return False
        names = {f".{each}" for each in attributes.get("class", "").lower().split()} | {
            "#" + attributes.get("id", "").lower()
        }
        return not self._classes.isdisjoint(names | {name} | {name + each for each in names})

    def _end(self, name: str) -> None:
        if not self._counts.get(name):
            return
        while self._pop() != name:
            pass

    def _pop(self) -> str:
        tag = self._stack.pop()
        if not self._hidden and tag.name in _BLOCK:
            self._flush(gap=tag.name in _SPACED)
        self._counts[tag.name] -= 1
        self._hidden -= tag.hidden
        if tag.name == "a" and not self._counts["a"]:
            self._end_link(tag.link)
        return tag.name

    def _end_link(self, target: str) -> None:
        shown = "".join(self._link).strip()
        self._link.clear()
        bare = target.removeprefix("mailto:").removeprefix("tel:")
        if (
            shown
            and bare
            and not target.startswith(("#", "javascript:"))
            and shown.rstrip("/") not in {target.rstrip("/"), bare}
        ):
            self._line.append(f" <{bare}>")

    def _void(self, name: str, attributes: dict[str, str]) -> None:
        if name == "img":
            source = attributes.get("src", "")
            if source.startswith("cid:"):
                self._cids.add(source[4:].strip())
            if alt := attributes.get("alt", "").translate(_INVISIBLE).strip():
                self._text(f"\ufdd0{alt}\ufdd1")
        elif name in {"br", "hr"} and not self._hidden:
            self._flush(gap=name == "hr" or not "".join(self._line).strip())


def unescape(text: str) -> str:
    """Resolve character references; one with too many figures stays as it is."""
    if "&" not in text:
        return text
    try:
        return html.unescape(text)
    except (ValueError, OverflowError):
        return text


def _attributes(source: str) -> dict[str, str]:
    """The first value of each attribute, as browsers keep it."""
    found: dict[str, str] = {}
    if "=" not in source and "hidden" not in source.lower():
        return found
    for name, double, single, bare in _ATTRIBUTE.findall(source[:8192]):
        found.setdefault(name.lower(), unescape(double or single or bare))
    return found


@lru_cache(maxsize=64)  # the cells of a newsletter share theirs
def _invisible(style: str) -> bool:
    """Whether these CSS declarations hide the text."""
    rules = {}
    for declaration in style.lower().split(";"):
        name, _, value = declaration.partition(":")
        rules[name.strip()] = value.replace("!important", "").strip()
    if (
        rules.get("display") == "none"
        or rules.get("visibility") in {"hidden", "collapse"}
        or rules.get("mso-hide") == "all"
    ):
        return True
    if _zero(rules.get("font-size", "")) or _zero(rules.get("opacity", "")) or rules.get("color") == "transparent":
        return True
    if rules.get("overflow") == "hidden" and any(
        _zero(rules.get(key, "")) for key in ("max-height", "height", "max-width", "width")
    ):
        return True
    ground = rules.get("background-color") or rules.get("background") or "#fff"
    return _white(rules.get("color", "")) and _white(ground)


def _zero(value: str) -> bool:
    """Whether a CSS size can't be seen: below two pixels, or nothing."""
    found = re.match(r"(\d{0,4}\.?\d{0,4})\s*(px|pt|em|rem|%)?$", value)
    if not value or not found or not found.group(1).strip("."):
        return False
    return float(found.group(1)) < (2 if found.group(2) in {"px", "pt"} else 0.05)


def _white(color: str) -> bool:
    plain = color.lower().replace(" ", "")
    return plain in {"white", "#fff", "#ffffff", "#fefefe", "#fffffe", "rgb(255,255,255)", "rgba(255,255,255,1)"}


def _hiding(sheet: str) -> frozenset[str]:
    """Simple selectors (`.name`, `#name`, `tag.name`) that a style sheet hides; at-rules are for other screens."""
    found: set[str] = set()
    enclosing: list[str] = []
    before = ""
    first, *commented = sheet[:_MAX_SHEET].lower().split("/*")
    sheet = first + "".join(each.partition("*/")[2] for each in commented)
    for piece in _BRACE.split(sheet):
        if piece == "{":
            enclosing.append(before.strip())
        elif piece == "}" and enclosing:
            selectors = enclosing.pop()
            if not enclosing and _invisible(before):
                found |= {name for each in selectors.split(",") if _SELECTOR.fullmatch(name := each.strip())}
        before = piece
    return frozenset(found)
