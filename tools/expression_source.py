"""Reads the source text of a CEL expression: its tokens, the paths it names, and `in` for text."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|//[^\n]*)
    | (?P<string>[bB]?[rR]?[bB]?(?:
          (?<=[rR])(?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|"[^"\n]*"|'[^'\n]*')
        | \"{3}(?:[^\\]|\\[\s\S])*?\"{3} | '{3}(?:[^\\]|\\[\s\S])*?'{3}
        | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'
      ))
    | (?P<number>\d[\w.]*)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<operator>&&|\|\||[=!<>]=|[^\s\w])
    """,
    re.VERBOSE,
)
_OPENING, _CLOSING = "([{", ")]}"
_RELATIONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_LOWER = frozenset({"&&", "||", "?", ":", ","})
"""Operators that bind less than a relation: they end the operands of `in`."""
_MACROS = frozenset({"exists", "exists_one", "all", "map", "filter"})


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a CEL expression."""

    kind: str
    """`string`, `number`, `name` or `operator`; `opaque` for a rewritten part."""
    text: str
    depth: int
    """How many brackets are open around it; a bracket counts as outside of itself."""


@dataclass(frozen=True, slots=True)
class Path:
    """A value that an expression names: `sender.address`, `headers["list-id"]`, `header("list-id")`."""

    text: str
    parts: tuple[str, ...]


def tokens(source: str) -> tuple[Token, ...]:
    """The tokens of an expression that is known to be CEL, without white space and comments."""
    found: list[Token] = []
    depth = 0
    for match in _TOKEN.finditer(source):
        kind, text = str(match.lastgroup), match.group()
        if kind == "space":
            continue
        if text in _CLOSING:
            depth -= 1
        found.append(Token(kind, text, depth))
        if text in _OPENING:
            depth += 1
    return tuple(found)


def normal(parts: Sequence[Token]) -> str:
    """An expression in one spelling: single spaces, no comments, double quotes where they need no escape."""
    return " ".join(_quoted(token.text) if token.kind == "string" else token.text for token in parts)


def _quoted(literal: str) -> str:
    plain = len(literal) > 1 and literal[0] == literal[-1] == "'" and not literal.startswith("'''")
    return f'"{literal[1:-1]}"' if plain and '"' not in literal and "\\" not in literal else literal


# --- `in` for text ---------------------------------------------------------------------------------------------------


def with_text_in(source: str) -> str:
    """Give `in` a meaning for text: `A in B` becomes `B.contains(A)` when B is text, and stays what it is else.

    CEL defines `in` for lists and maps only. A chain such as `a in b in c` is left alone.
    """
    parts = list(tokens(source))
    while (at := _innermost_in(parts)) is not None:
        left, right = _operands(parts, at)
        needle, hay = _joined(parts[left:at]), _joined(parts[at + 1 : right])
        text = f"(type({hay}) == string ? ({hay}).contains({needle}) : ({needle}) in ({hay}))"
        parts[left:right] = [Token("opaque", text, parts[at].depth)]
    return _joined(parts)


def _innermost_in(parts: Sequence[Token]) -> int | None:
    """The `in` inside most brackets, the rightmost of several: its operands hold no other."""
    candidates = [(token.depth, at) for at, token in enumerate(parts) if _is_in(token) and _rewritable(parts, at)]
    return max(candidates)[1] if candidates else None


def _is_in(token: Token) -> bool:
    return token.kind == "name" and token.text == "in"


def _rewritable(parts: Sequence[Token], at: int) -> bool:
    left, right = _operands(parts, at)
    chained = left > 0 and parts[left - 1].text in _RELATIONS and parts[left - 1].depth == parts[at].depth
    literal_list = parts[at + 1].text == "[" and right > at + 1 and parts[right - 1].text == "]"
    return not chained and not literal_list


def _operands(parts: Sequence[Token], at: int) -> tuple[int, int]:
    """Where the left operand starts and the right one ends."""
    depth = parts[at].depth
    left, right = at, at + 1
    while left > 0 and not _bounds(parts[left - 1], depth):
        left -= 1
    while right < len(parts) and not _bounds(parts[right], depth):
        right += 1
    return left, right


def _bounds(token: Token, depth: int) -> bool:
    return token.depth < depth or (token.depth == depth and token.text in _LOWER | _RELATIONS)


def _joined(parts: Sequence[Token]) -> str:
    return " ".join(token.text for token in parts)


# --- what an expression names ----------------------------------------------------------------------------------------


def bound_by_macros(parts: Sequence[Token]) -> frozenset[str]:
    """The names that macros bring in: `t` in `to.exists(t, …)`."""
    return frozenset(
        parts[at + 2].text
        for at in range(1, len(parts) - 3)
        if parts[at].text in _MACROS
        and parts[at - 1].text == "."
        and parts[at + 1].text == "("
        and parts[at + 3].text == ","
    )


def paths(parts: Sequence[Token]) -> tuple[Path, ...]:
    """Every value that the expression names, in order, each once; without what macros bring in."""
    skipped = bound_by_macros(parts) | {"true", "false", "null", "in"}
    found = (_path(parts, at) for at, token in enumerate(parts) if token.kind == "name" and token.text not in skipped)
    return tuple(dict.fromkeys(path for path in found if path))


def _path(parts: Sequence[Token], at: int) -> Path | None:
    if at > 0 and parts[at - 1].text == ".":
        return None
    texts = [token.text for token in parts[at : at + 4]]
    if len(texts) == 4 and texts[:2] == ["header", "("] and parts[at + 2].kind == "string" and texts[3] == ")":  # noqa: PLR2004 - header ( "x" )
        return Path("".join(texts), ("headers", texts[2][1:-1].lower()))
    if texts[1:2] == ["("]:
        return None
    names = list(_members(parts, at))
    return Path(_spelled(names), tuple(names))


def _members(parts: Sequence[Token], at: int) -> Iterator[str]:
    """The first name and the members after it, up to the first call."""
    yield parts[at].text
    at += 1
    while at + 1 < len(parts):
        if parts[at].text == "." and not _is_call(parts, at + 1):
            yield parts[at + 1].text
            at += 2
        elif (
            parts[at].text == "["
            and parts[at + 1].kind == "string"
            and at + 2 < len(parts)
            and parts[at + 2].text == "]"
        ):
            yield parts[at + 1].text[1:-1]
            at += 3
        else:
            return


def _is_call(parts: Sequence[Token], at: int) -> bool:
    return at + 1 < len(parts) and parts[at + 1].text == "("


def _spelled(names: Sequence[str]) -> str:
    return names[0] + "".join(f".{name}" if name.isidentifier() else f'["{name}"]' for name in names[1:])


# --- what can be said about when it is true --------------------------------------------------------------------------


def disjuncts(parts: Sequence[Token]) -> frozenset[frozenset[str]]:
    """The expression as alternatives, each a set of conditions: `a && b || c` is {{a, b}, {c}}.

    Only the outermost operators are taken apart. `true` is an alternative without conditions; an alternative with
    `false` is left out.
    """
    parts = _bare(parts)
    if _split(parts, "?")[1:]:
        return frozenset({frozenset({normal(parts)})})
    found: set[frozenset[str]] = set()
    for alternative in _split(parts, "||"):
        inner = _bare(alternative)
        if inner != alternative:
            found |= disjuncts(inner)
            continue
        conditions = frozenset(normal(condition) for condition in _conditions(alternative))
        if "false" not in conditions:
            found.add(conditions - {"true"})
    return frozenset(found)


def _conditions(parts: Sequence[Token]) -> Iterator[Sequence[Token]]:
    for condition in _split(parts, "&&"):
        inner = _bare(condition)
        nested = inner != condition and not _split(inner, "?")[1:] and not _split(inner, "||")[1:]
        if nested:
            yield from _conditions(inner)
        else:
            yield inner if inner != condition and not _split(inner, "?")[1:] else condition


def _split(parts: Sequence[Token], operator: str) -> list[Sequence[Token]]:
    """Cut at an operator outside of all brackets."""
    depth = parts[0].depth if parts else 0
    cuts = [
        at
        for at, token in enumerate(parts)
        if token.depth == depth and token.text == operator and token.kind == "operator"
    ]
    edges = [-1, *cuts, len(parts)]
    return [parts[start + 1 : end] for start, end in itertools.pairwise(edges)]


def _bare(parts: Sequence[Token]) -> Sequence[Token]:
    """Without brackets around the whole."""
    while len(parts) > 1 and parts[0].text == "(" and parts[-1].text == ")" and _closes(parts) == len(parts) - 1:
        parts = parts[1:-1]
    return parts


def _closes(parts: Sequence[Token]) -> int:
    return next(at for at in range(1, len(parts)) if parts[at].text == ")" and parts[at].depth == parts[0].depth)
