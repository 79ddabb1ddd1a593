"""Runs a declared read for one sender."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.bound import Bound
from tools.catalogue import Catalogue
from tools.confine import Deadline
from tools.outcome import Failed, Refused
from tools.parameter import bindable
from tools.tool import Tool
from tools.values import canonical, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a read came to."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    """JSON values, the declared columns only; Decimal as text, dates as ISO 8601."""
    truncated: bool = False
    """There were more rows, or more bytes, than the declaration lets out."""


def read(tool: Tool, arguments: Mapping[str, Any], bound: Bound, catalogue: Catalogue) -> Rows:
    """Run a read.

    Raises:
        Refused: arguments that are not as declared, or a sender-scoped tool without a verified sender.
        Failed: the deadline passed, or the database could not answer.
    """
    values = arguments_for(tool, arguments, bound)
    if tool.kind != "read":
        raise Refused(f"`{tool.name}` is a write; it is staged, not read.")
    found = _found(tool, values, bound, catalogue)
    rows = [{column: plain(row[column]) for column in tool.returns} for row in found[: tool.rows]]
    kept = _within(rows, tool.bytes)
    if rows and not kept:
        raise Failed(
            f"The first row of `{tool.name}` is larger than {tool.bytes} bytes. Raise `bytes`, or return less."
        )
    return Rows(columns=tool.returns, rows=tuple(kept), truncated=len(kept) < len(found))


def _found(tool: Tool, values: dict[str, Any], bound: Bound, catalogue: Catalogue) -> list[dict[str, Any]]:
    """One row more than may leave the tool, where there is one."""
    deadline, limit = Deadline(tool.deadline), tool.rows + 1
    if tool.statement is None:
        return catalogue.functions[tool.name](values, bound, deadline, limit)
    touched, engine = catalogue.touched[tool.name], catalogue.engine(tool.database)
    with engine.reading(touched, bound.parameters(), deadline) as session:
        return session.fetch(tool.statement, values, limit)


def arguments_for(tool: Tool, arguments: Mapping[str, Any], bound: Bound) -> dict[str, Any]:
    """The parameters of a tool's statements: checked arguments, and what the daemon binds.

    Raises:
        Refused: as `read`.
    """
    if tool.scope == "sender" and not bound.sender:
        raise Refused(f"`{tool.name}` needs a verified sender, and there is none.")
    if bound.customer is None and tool.uses("customer"):
        raise Refused(f"`{tool.name}` needs a known customer, and the sender is none.")
    return bindable(tool.validate(arguments)) | bound.parameters()


def _within(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """The first rows that fit into so many bytes of JSON."""
    size = 2
    for number, row in enumerate(rows):
        size += len(canonical(row)) + 1
        if size > limit:
            return rows[:number]
    return rows
