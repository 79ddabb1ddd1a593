"""One SQL statement of a declaration: what it is, which parameters it names, and how each engine wants it written."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tools.errors import Permanent

Engine = Literal["sqlite", "postgresql"]
Verb = Literal["select", "insert", "update", "delete"]

_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<literal>[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)
        |'(?:[^']|'')*(?:'|\Z)
        |\$(?P<tag>[A-Za-z_]\w*|)\$.*?(?:\$(?P=tag)\$|\Z))
    | (?P<quoted>"(?:[^"]|"")*(?:"|\Z)|`[^`]*(?:`|\Z))
    | (?P<cast>::|:=)
    | (?P<parameter>:[A-Za-z_]\w*)
    | (?P<foreign>[@$][A-Za-z_]\w*|[@$?]\d+|[{}]|%s\b|%\(\w+\)s)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<number>\d[\w.]*)
    | (?P<end>;)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<space>\s+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_VERBS: dict[str, Verb] = {
    "select": "select",
    "values": "select",
    "insert": "insert",
    "update": "update",
    "delete": "delete",
}
_CHANGES = frozenset({"insert", "update", "delete"})
_ITEMS: dict[Engine, str] = {
    "sqlite": "(SELECT key + 1 AS position, value FROM json_each({name}))",
    "postgresql": "(SELECT position, value::{type} AS value FROM jsonb_array_elements_text({name}::jsonb) "
    "WITH ORDINALITY AS item(value, position))",
}
"""A list as a table: what `FROM :ids AS …` becomes."""
_DENIED = frozenset(
    {
        # PostgreSQL: switches the sender, runs text as SQL, reaches files or other servers
        *("set_config", "query_to_xml", "query_to_xml_and_xmlschema", "cursor_to_xml", "table_to_xml", "dblink"),
        *("dblink_exec", "lo_import", "lo_export", "pg_read_file", "pg_read_binary_file", "pg_ls_dir", "pg_sleep"),
        *("database_to_xml", "schema_to_xml", "lo_create", "lo_from_bytea", "lo_put", "lo_unlink", "lowrite"),
        # outlives the transaction, and with it the call
        *("pg_advisory_lock", "pg_advisory_lock_shared", "pg_try_advisory_lock", "pg_try_advisory_lock_shared"),
        *("pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf", "txid_current", "pg_notify"),
        # SQLite
        *("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob"),
    }
)


class Unsound(Permanent):
    """The statement can't be used in a declaration; the message says why, as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement that passed `parse`."""

    source: str
    """As declared, without a closing semicolon."""
    sql: str
    """As the engine wants it: `:name` for SQLite, `$1` for PostgreSQL."""
    names: tuple[str, ...]
    """Parameter names in the order of `$1`, `$2`, …; each once."""
    verb: Verb
    target: str = ""
    """insert, update and delete: the table as written."""
    alias: str = ""
    """The name by which the statement knows its target: the alias, or the table."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    depth: int

    @property
    def word(self) -> str:
        return self.text.lower() if self.kind == "word" else ""


def parse(
    source: str, engine: Engine, *, known: Collection[str] = (), lists: Mapping[str, str] | None = None
) -> Statement:
    """Read one statement.

    Args:
        source: SQL with `:name` parameters.
        engine: whose way of writing parameters `Statement.sql` gets.
        known: names of parameters; one of them inside quotes is a mistake, not text.
        lists: the list parameters and the SQL type of their items. `FROM :name AS x` is a table of the items.

    Raises:
        Unsound: empty, several statements, values put in as text, recursion, a function that leaves the database.
    """
    lists = lists or {}
    tokens = _strip(list(_tokens(source)))
    if not tokens:
        raise Unsound("The statement is empty. Write one SELECT, INSERT, UPDATE or DELETE.")
    _check(tokens, known)
    tables = _tables(tokens, lists)
    names = tuple(dict.fromkeys(token.text[1:] for token in tokens if token.kind == "parameter"))
    verb, position = _verb(tokens)
    target, alias = _target(tokens, verb, position)
    return Statement(
        source="".join(token.text for token in tokens),
        sql="".join(
            _items(token, engine, names, lists) if place in tables else _written(token, engine, names)
            for place, token in enumerate(tokens)
        ),
        names=names,
        verb=verb,
        target=target,
        alias=alias,
    )


def _tokens(source: str) -> Iterator[_Token]:
    depth = 0
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup or "other"
        depth -= kind == "close"
        yield _Token(kind, match.group(), depth)
        depth += kind == "open"


def _strip(tokens: list[_Token]) -> list[_Token]:
    """Without comments, and without spaces and semicolons at the ends."""
    tokens = [_Token("space", " ", token.depth) if token.kind == "comment" else token for token in tokens]
    while tokens and tokens[-1].kind in {"space", "end"}:
        tokens.pop()
    while tokens and tokens[0].kind == "space":
        tokens.pop(0)
    return tokens


def _check(tokens: list[_Token], known: Collection[str]) -> None:
    for token, following in pairwise([*(token for token in tokens if token.kind != "space"), _Token("close", "", 0)]):
        if token.kind == "end":
            raise Unsound("The statement holds several statements. Write each as a tool or step of its own.")
        if token.kind == "foreign":
            raise Unsound(f"`{token.text}` is not a parameter here. Name a declared parameter with a colon: `:name`.")
        if token.word == "recursive":
            raise Unsound("RECURSIVE is refused: such a query has no natural end. Write the levels as joins.")
        if token.word == "merge":
            raise Unsound("MERGE is refused: one step makes one kind of change. Write steps of INSERT, UPDATE, DELETE.")
        if token.word in _DENIED and following.kind == "open":
            raise Unsound(f"`{token.text}` is refused: it reaches outside the row that is asked for. Leave it out.")
        if token.kind in {"literal", "quoted"} and (name := _inside(token.text, known)):
            raise Unsound(f"`{name}` stands inside quotes, where it is text and not a parameter. Write '…' || :name.")


def _inside(text: str, known: Collection[str]) -> str | None:
    """A parameter that someone tried to put into quotes: `':name'`, `'{name}'`, `'%(name)s'`."""
    for name in known:
        for form in (f":{name}", f"{{{name}}}", f"%({name})s"):
            if re.search(rf"{re.escape(form)}(?!\w)", text):
                return form
    return None


def _verb(tokens: list[_Token]) -> tuple[Verb, int]:
    """The verb at the outermost level, and where it stands."""
    first = tokens[0]
    if first.word not in {*_VERBS, "with"} and first.kind != "open":
        raise Unsound(f"The statement begins with `{first.text}`. Only SELECT, INSERT, UPDATE and DELETE are possible.")
    found: tuple[Verb, int] | None = ("select", 0) if first.kind == "open" else None
    before = first
    for position, token in enumerate(tokens):
        if found is None and token.depth == 0 and token.word in _VERBS:
            found = _VERBS[token.word], position
        elif token.word in _CHANGES and before.kind == "open":
            raise Unsound(f"{token.text.upper()} stands inside another statement. Write it as a step of its own.")
        elif token.word == "returning":
            raise Unsound("RETURNING is not needed: what a step changes is found by triaged. Leave it out.")
        elif token.word == "into" and found is not None and found[0] == "select":
            raise Unsound("SELECT INTO makes a table. Leave INTO out.")
        before = token if token.kind != "space" else before
    if found is None:
        raise Unsound("The statement has no SELECT, INSERT, UPDATE or DELETE of its own. Write one after WITH.")
    return found


def _target(tokens: list[_Token], verb: Verb, position: int) -> tuple[str, str]:
    """The table that a change is about, and the name that it has in the statement."""
    if verb == "select":
        return "", ""
    rest = [token for token in tokens[position + 1 :] if token.kind != "space"]
    if rest and rest[0].word == "or":
        raise Unsound(f"{verb.upper()} OR … is refused: it can delete rows unseen. Write ON CONFLICT … DO UPDATE.")
    while rest and rest[0].word in {"into", "from", "only"}:
        rest.pop(0)
    parts: list[str] = []
    while rest and rest[0].kind in {"word", "quoted"}:
        parts.append(rest.pop(0).text)
        if not (rest and rest[0].text == "."):
            break
        rest.pop(0)
    if not parts:
        raise Unsound(f"The table of this {verb.upper()} can't be found. Write its name after the verb.")
    if rest and rest[0].word == "as":
        return ".".join(parts), rest[1].text
    named = bool(rest) and rest[0].kind in {"word", "quoted"} and verb != "insert"
    if named and rest[0].word not in {"set", "from", "using", "where", "order", "limit", "indexed", "not"}:
        return ".".join(parts), rest[0].text
    return ".".join(parts), parts[-1]


def _written(token: _Token, engine: Engine, names: tuple[str, ...]) -> str:
    if token.kind == "parameter" and engine == "postgresql":
        return f"${names.index(token.text[1:]) + 1}"
    return token.text


def _tables(tokens: list[_Token], lists: Collection[str]) -> set[int]:
    """Where a parameter stands for a table of its items."""
    spaced = [(place, token) for place, token in enumerate(tokens) if token.kind != "space"]
    ends = [(-1, _Token("end", "", 0))]
    found: set[int] = set()
    for (_, before), (place, token), (_, after) in zip(ends + spaced, spaced, spaced[1:] + ends, strict=False):
        if token.kind != "parameter" or token.text[1:] not in lists or before.word not in {"from", "join"}:
            continue
        if after.word != "as":
            raise Unsound(f"A list that stands for a table needs a name. Write `{before.text} {token.text} AS name`.")
        found.add(place)
    return found


def _items(token: _Token, engine: Engine, names: tuple[str, ...], lists: Mapping[str, str]) -> str:
    return _ITEMS[engine].format(name=_written(token, engine, names), type=lists[token.text[1:]])
