"""Splits the operator's Markdown files at their headings into passages that can be found and cited."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.located import Fault, Faults

LONGEST = 1200
"""Characters of a passage; a longer section becomes several."""
_PARAGRAPH = re.compile(r"\n\s*\n")
_DEEPER = " > "


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What stands under one heading, or a part of it."""

    document: str
    """The file's path inside the folder: `returns.md`."""
    heading: str
    """The heading and those above it, `Returns > Return period`; empty before the first."""
    text: str
    """As written; at most `LONGEST` characters."""


@dataclass(frozen=True, slots=True)
class _Heading:
    depth: int
    """1 to 6."""
    text: str
    line: int
    """From 1."""
    end: int
    """The line after it, from 0."""


def load(folder: Path) -> tuple[Passage, ...]:
    """The passages of `folder/**/*.md`, in the order of files and lines; a folder that does not exist holds none.

    Raises:
        Faults: files that are unreadable, not UTF-8 or without text, headings that stand twice.
    """
    faults: list[Fault] = []
    passages: list[Passage] = []
    for path in sorted(folder.rglob("*.md")):
        if path.name.startswith("."):
            continue
        try:
            passages += split(_read(path), path, path.relative_to(folder).as_posix())
        except Faults as found:
            faults += found.faults
    if faults:
        raise Faults(faults)
    return tuple(passages)


def split(source: str, path: Path, document: str) -> list[Passage]:
    """The passages of one document.

    Args:
        source: CommonMark.
        path: where it is from, for faults.
        document: what its passages are cited by.

    Raises:
        Faults: no text, or two headings of the same name under the same headings.
    """
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    headings = _headings("\n".join(lines), lines)
    faults: list[Fault] = []
    first: dict[str, int] = {}
    above: dict[int, str] = {}
    passages = _passages(document, "", lines[: headings[0].line - 1] if headings else lines)
    for number, heading in enumerate(headings):
        above = {depth: text for depth, text in above.items() if depth < heading.depth} | {heading.depth: heading.text}
        name = _DEEPER.join(above.values())
        if name in first:
            told = f"`{name}` is a heading twice, first on line {first[name]}. Rename one: passages are cited by it."
            faults.append(Fault(path=path, line=heading.line, message=told))
        first.setdefault(name, heading.line)
        end = headings[number + 1].line - 1 if number + 1 < len(headings) else len(lines)
        passages += _passages(document, name, lines[heading.end : end])
    if not passages and not faults:
        faults.append(Fault(path=path, message="The file holds no text. Write what customers ask about, or delete it."))
    if faults:
        raise Faults(faults)
    return passages


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        told = f"The file can't be read: {error.strerror}. Check its owner and mode."
        raise Faults([Fault(path=path, message=told)]) from error
    except UnicodeDecodeError as error:
        raise Faults([Fault(path=path, message="The file is not UTF-8. Save it as UTF-8.")]) from error


def _headings(source: str, lines: list[str]) -> list[_Heading]:
    """The headings of a document; its comments, which are nobody's to read, are blanked in `lines`."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark")
    markdown.core.ruler.enableOnly(["normalize", "block"])
    tokens = markdown.parse(source)
    found = []
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        if token.level or token.map is None:
            continue
        start, end = token.map
        if token.type == "html_block" and token.content.lstrip().startswith("<!--"):
            lines[start:end] = [""] * (end - start)
        elif token.type == "heading_open" and following is not None and following.content:
            text = " ".join(following.content.split())
            found.append(_Heading(int(token.tag[1:]), text, line=start + 1, end=end))
    return found


def _passages(document: str, heading: str, lines: list[str]) -> list[Passage]:
    return [Passage(document=document, heading=heading, text=part) for part in _parts("\n".join(lines))]


def _parts(text: str) -> Iterator[str]:
    """The text in parts of whole paragraphs; a paragraph that is too long by itself is cut between words."""
    part = ""
    for paragraph in _PARAGRAPH.split(text.strip()):
        for piece in _pieces(paragraph.rstrip()):
            joined = f"{part}\n\n{piece}" if part else piece
            if len(joined) > LONGEST:
                yield part
                joined = piece
            part = joined
    if part:
        yield part


def _pieces(paragraph: str) -> list[str]:
    if len(paragraph) <= LONGEST:
        return [paragraph] if paragraph else []
    return textwrap.wrap(paragraph, LONGEST, replace_whitespace=False, break_on_hyphens=False)
