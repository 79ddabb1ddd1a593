"""triaged.toml with every table and key explained: what is set is written, every default stands behind a `#`."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from daemon.scaffold.reference import Key, Table, tables, toml

Values = Mapping[tuple[str, ...], Mapping[str, Any]]
"""Path of a table, `("mailbox", "support")`, to the keys that are set in it."""

_HEAD = """\
# triaged.toml: the whole configuration, but for rules.toml, handlers/ and tools/ beside it.
# A line that begins with "#" and a letter or "[" is a default: take the "#" away to change it.
# `triaged check` tells every fault at once. All of it is explained in docs/configuration.md as well.
"""


def commented(values: Values) -> str:
    """The text of triaged.toml.

    Raises:
        ValueError: a table or key of `values` is not one of triaged.toml.
    """
    known = tables()
    for path, keys in values.items():
        table = next((table for table in known if _matches(table, path)), None)
        strange = set(keys) - {key.name for key in table.keys} if table else {"the table itself"}
        if strange:
            raise ValueError(f"[{'.'.join(path)}] has no {', '.join(sorted(strange))}")
    return _HEAD + "".join(_table(table, values) for table in known)


def _table(table: Table, values: Values) -> str:
    chosen = [path for path in values if _matches(table, path)]
    blocks = [
        _block(table, table.header.replace(".".join(table.path), ".".join(path)), values[path]) for path in chosen
    ]
    return "\n" + _prose(table.meaning) + "\n".join(blocks or [_block(table, _untouched(table), {})])


def _block(table: Table, header: str, given: Mapping[str, Any]) -> str:
    lines = [line for key in table.keys for line in _lines(key, given)]
    return "\n".join([header, *lines]) + "\n"


def _untouched(table: Table) -> str:
    """The header where nothing is set; one that exists only where an operator adds it is a comment."""
    return f"#{table.header}" if table.array or "NAME" in table.path else table.header


def _lines(key: Key, given: Mapping[str, Any]) -> Iterator[str]:
    yield _prose(key.meaning).rstrip("\n")
    if key.name in given:
        yield f"{key.name} = {toml(given[key.name])}"
    else:
        yield f"#{key.name} = {key.default or toml('')}"


def _matches(table: Table, path: tuple[str, ...]) -> bool:
    return len(path) == len(table.path) and all(
        want in (got, "NAME") for want, got in zip(table.path, path, strict=True)
    )


def _prose(text: str) -> str:
    return textwrap.fill(text.replace("`", ""), 110, initial_indent="# ", subsequent_indent="# ") + "\n" if text else ""
