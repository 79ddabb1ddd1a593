"""Takes a mail apart into fields and parts, without ever failing and in linear time (RFC 5322, RFC 2045, 2046, 2231).

The standard library's parser raises RecursionError on a mail of 50 KB with 1,000 nested parts and takes seconds over
short lines, so the splitting is ours; `tests/unit/inbound/test_mime.py` compares the two on what both can read.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from daemon.inbound import charset

MAX_DEPTH = 20
MAX_PARTS = 500
MAX_HEADER = 512_000
MAX_FIELDS = 2_000
_VALUE = 65_536

_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One header field."""

    name: str
    """Lower case."""
    value: str
    """Unfolded, stripped, octets read as UTF-8 or Windows-1252; encoded words are still encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A MIME entity."""

    fields: tuple[Field, ...]
    content_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    disposition: str = ""
    name: str = ""
    """File name, from Content-Disposition or Content-Type; empty when there is none."""
    body: bytes = b""
    """Still in its transfer encoding; empty when there are children."""
    children: tuple["Part", ...] = ()
    defects: tuple[str, ...] = ()

    def first(self, name: str) -> str:
        """The topmost value of a field; empty when there is none."""
        return next((field.value for field in self.fields if field.name == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a field, from the top."""
        return [field.value for field in self.fields if field.name == name]

    def walk(self) -> Iterator["Part"]:
        """This part and everything in it, in order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def content(self) -> bytes:
        """The octets after the transfer encoding (RFC 2045 section 6), as far as they can be decoded."""
        encoding = self.first("content-transfer-encoding").strip().lower()
        if encoding == "base64":
            return charset.base64(self.body)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        return self.body


def read(raw: bytes) -> Part:
    """Take a mail apart; what is wrong with it stands in `defects` of the part."""
    return _part(raw, 0, len(raw), depth=0, budget=[MAX_PARTS], default="text/plain")


def header(raw: bytes, start: int = 0, end: int | None = None) -> tuple[tuple[Field, ...], int, tuple[str, ...]]:
    """The fields of an entity, the offset of its body, and what is wrong with the header.

    Args:
        raw: holds the entity.
        start: where it begins.
        end: where it ends; None: with `raw`. Offsets, since a copy for each level would be twenty mails in memory.
    """
    until, body = _boundaries(raw, start, len(raw) if end is None else end)
    defects: list[str] = []
    if until - start > MAX_HEADER:
        defects.append(f"the header is longer than {MAX_HEADER} octets")
    fields: list[Field] = []
    for line in _logical_lines(raw[start : min(until, start + MAX_HEADER)]):
        if found := _FIELD.match(line):
            fields.append(Field(name=found.group(1).decode("ascii").lower(), value=_unfold(line[found.end() :])))
        elif line.strip():
            defects.append("a line of the header is no field")
        if len(fields) > MAX_FIELDS:
            defects.append(f"the header has more than {MAX_FIELDS} fields")
            break
    return tuple(fields), body, tuple(dict.fromkeys(defects))


def _logical_lines(block: bytes) -> Iterator[bytes]:
    """The lines of a header, each with those that continue it (RFC 5322 section 2.2.3)."""
    at = block.find(b"\n") + 1 if block.startswith(b"From ") else 0  # the separator of an mbox file (RFC 4155)
    while at < len(block):
        end = block.find(b"\n", at)
        while end != -1 and block[end + 1 : end + 2] in {b" ", b"\t"}:
            end = block.find(b"\n", end + 1)
        end = end if end != -1 else len(block)
        yield block[at:end]
        at = end + 1


def _boundaries(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the header ends and where the body begins."""
    for blank in (b"\n", b"\r\n"):
        if raw.startswith(blank, start, end):
            return start, start + len(blank)
    found = _END.search(raw, start, end)
    return (found.start(), found.end()) if found else (end, end)


def _unfold(value: bytes) -> str:
    value = value[: 2 * _VALUE].replace(b"\r\n", b"").replace(b"\n", b"")[:_VALUE].rstrip(b"\r")
    return charset.decode(value, "")[0].strip()


def _part(raw: bytes, start: int, end: int, *, depth: int, budget: list[int], default: str) -> Part:
    budget[0] -= 1
    fields, start, defects = header(raw, start, end)
    found = {field.name: field.value for field in reversed(fields)}
    content_type, parameters = parameterised(found.get("content-type", ""))
    if content_type.count("/") != 1 or content_type[0] == "/" or content_type[-1] == "/":
        content_type = default
    disposition, more = parameterised(found.get("content-disposition", ""))
    children: tuple[Part, ...] = ()
    if content_type.startswith("multipart/"):
        segments = _segments(raw, start, end, parameters.get("boundary", ""))
        children, problem = _children(raw, segments, content_type, depth=depth, budget=budget)
        defects = (*defects, *problem)
        content_type = content_type if children else "text/plain"
    return Part(
        fields=fields,
        content_type=content_type,
        parameters=parameters,
        disposition=disposition,
        name=charset.words(more.get("filename") or parameters.get("name", "")).strip(),
        body=b"" if children else raw[start:end],
        children=children,
        defects=defects,
    )


def _children(
    raw: bytes, segments: Iterator[tuple[int, int]] | None, kind: str, *, depth: int, budget: list[int]
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The parts between the boundary lines (RFC 2046 section 5.1.1)."""
    if segments is None:
        return (), ("a multipart has no boundary",)
    if depth >= MAX_DEPTH:
        return (), (f"parts are nested deeper than {MAX_DEPTH}",)
    default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
    parts: list[Part] = []
    for start, end in segments:
        if budget[0] <= 0:
            return tuple(parts), (f"there are more than {MAX_PARTS} parts",)
        parts.append(_part(raw, start, end, depth=depth + 1, budget=budget, default=default))
    return tuple(parts), () if parts else ("the boundary of a multipart never occurs",)


def _segments(raw: bytes, start: int, end: int, boundary: str) -> Iterator[tuple[int, int]] | None:
    """Where each part of a body begins and ends; None: there is no boundary to look for."""
    if not boundary:
        return None
    octets = re.escape(boundary.encode("utf-8", errors="replace"))
    line = re.compile(rb"\n--" + octets + rb"(--)?[ \t]*(?=\r?\n|\r?\Z)")
    return _between(raw, line.finditer(raw, max(0, start - 1), end), end)  # a line end stands before every body


def _between(raw: bytes, lines: Iterator[re.Match[bytes]], end: int) -> Iterator[tuple[int, int]]:
    behind: int | None = None
    for found in lines:
        if behind is not None:
            yield _cut(raw, behind, found.start())
        behind = found.end()
        if found.group(1):
            return
    if behind is not None:
        yield _cut(raw, behind, end)


def _cut(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """One part: the line end after its boundary and the one before the next belong to the boundaries."""
    newline = raw.find(b"\n", start, end + 1)
    start = newline + 1 if newline != -1 else end
    if end > start and raw[end - 1 : end] == b"\r":
        end -= 1
    return start, max(start, end)


def parameterised(value: str) -> tuple[str, dict[str, str]]:
    """A value such as Content-Type's: what stands first, in lower case, and its parameters (RFC 2045 section 5.1)."""
    value = uncomment(value)
    main = value.partition(";")[0].strip().lower()
    simple: dict[str, str] = {}
    extended: dict[str, list[tuple[int, bool, str]]] = {}
    for name, text in _PARAMETER.findall(value):
        key, star, section = name.lower().partition("*")
        if not star:
            simple.setdefault(key, _unquote(text))
            continue
        number = section.rstrip("*")
        position = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0  # noqa: PLR2004 - 999 sections are enough
        extended.setdefault(key, []).append((position, section.endswith("*") or not section, _unquote(text)))
    return main, simple | {key: _extended(sections) for key, sections in extended.items()}


def _unquote(text: str) -> str:
    text = text.strip()
    if not text.startswith('"'):
        return text
    return _QUOTED_PAIR.sub(r"\1", text[1:-1] if text.endswith('"') and len(text) > 1 else text[1:])


def _extended(sections: list[tuple[int, bool, str]]) -> str:
    """A parameter that was cut or percent-encoded (RFC 2231 sections 3 and 4)."""
    name = ""
    octets = b""
    for position, encoded, text in sorted(sections, key=lambda section: section[0]):
        rest = text
        if encoded and position == 0 and text.count("'") >= 2:  # noqa: PLR2004 - charset'language'value
            name, _, rest = text.split("'", 2)
        octets += unquote_to_bytes(rest) if encoded else rest.encode("utf-8", errors="replace")
    return charset.decode(octets, name)[0]


def uncomment(value: str) -> str:
    """The value without its comments, which nest and may hold anything (RFC 5322 section 3.2.2)."""
    if "(" not in value:
        return value
    kept: list[str] = []
    depth = 0
    quoted = escaped = False
    for letter in value:
        if escaped or (letter == "\\" and (quoted or depth)):
            escaped = not escaped
            if not depth:
                kept.append(letter)
            continue
        if letter == '"' and not depth:
            quoted = not quoted
        if letter == "(" and not quoted:
            kept.append("" if depth else " ")
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif not depth:
            kept.append(letter)
    return "".join(kept)
