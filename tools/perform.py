"""Runs the guards and steps of a write inside an open transaction: the same for staging and for delivery."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tools import money
from tools.confine import Writing
from tools.outcome import Refused
from tools.staged import Change
from tools.tool import Tool
from tools.values import canonical, digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """What a write did, not committed yet."""

    changes: tuple[Change, ...]
    amount: int | None
    """Minor units."""
    currency: str | None


def perform(transaction: Writing, tool: Tool, values: Mapping[str, Any]) -> Performed:
    """Guards in order, the amount, steps in order, then the rows that changed.

    Raises:
        Refused: a guard returned a row, a step changed none, too many rows changed, or the database forbids it.
        Failed: the deadline passed, or the database could not answer.
    """
    parameters = dict(values)
    for guard in tool.guards:
        if transaction.fetch(guard.statement, parameters, 1):
            raise Refused(guard.message)
    amount, currency = _amount(transaction, tool, parameters)
    for number, step in enumerate(tool.steps, start=1):
        if transaction.execute(step.statement, parameters) == 0 and not step.optional:
            raise Refused(f"Step {number} of `{tool.name}` changes no row.")
    changes = transaction.changes()
    if not changes and not tool.idempotent:
        raise Refused(f"`{tool.name}` changes nothing: the rows are already so.")
    if len(changes) > tool.rows:
        raise Refused(f"`{tool.name}` would change {len(changes)} rows; at most {tool.rows} are possible.")
    return Performed(changes=changes, amount=amount, currency=currency)


def _amount(transaction: Writing, tool: Tool, parameters: dict[str, Any]) -> tuple[int | None, str | None]:
    if tool.amount is None:
        return None, None
    row: dict[str, Any] = {}
    if tool.amount_statement:
        rows = transaction.fetch(tool.amount_statement, parameters, 2)
        if len(rows) != 1:
            raise Refused(f"The amount of `{tool.name}` is not one row.")
        row = rows[0]
    value = parameters[tool.amount] if tool.amount in tool.params else row[tool.amount]
    currency = str(row.get(tool.amount_currency or "", tool.amount_currency))
    try:
        return money.minor(value, tool.amount_unit, currency), currency
    except ValueError as error:
        raise Refused(str(error)) from error


def preimage(changes: Iterable[Change]) -> str:
    """SHA-256 over the rows as they were, whatever their order; an inserted row was nothing."""
    rows = [[change.table, change.before] for change in changes if change.before is not None]
    return digest(sorted(rows, key=canonical))


def protected(tool: Tool, changes: Iterable[Change]) -> tuple[str, ...]:
    """The columns, as `table.column`, whose value changes although the tool declares them protected."""
    found: dict[str, None] = {}
    for change in changes:
        before, after = change.before or {}, change.after or {}
        for column in {**before, **after}:
            name = f"{change.table}.{column}"
            if before.get(column) != after.get(column) and {column, name} & set(tool.protected):
                found[name] = None
    return tuple(found)


def shape(changes: Iterable[Change]) -> list[Any]:
    """Which tables change how, and in which columns: what must not differ between showing and doing.

    Values may: a new row's number or time is given by the database.
    """
    return sorted(
        (
            [
                change.table,
                "insert" if change.before is None else "delete" if change.after is None else "update",
                sorted(
                    column
                    for column in change.before or {}
                    if (change.after or {}).get(column) != change.before[column]
                )
                if change.before and change.after
                else [],
            ]
            for change in changes
        ),
        key=canonical,
    )
