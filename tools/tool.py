"""A declared tool: the one read or write on a business database that a model may ask for by its name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tools.bound import NAMES
from tools.outcome import Refused
from tools.parameter import Parameter
from tools.statement import Statement
from tools.values import digest

SHOWN = 300
"""Characters of a column that a model is shown where its declaration says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How the values of a returned column are written in a reply."""

    type: Literal["text", "money", "date", "datetime", "integer", "decimal", "link", "state", "passage"] = "text"
    """passage: paragraphs of the operator's own, links included; no declaration can say so."""
    currency: str | None = None
    """ISO 4217 code of a money column."""
    currency_column: str | None = None
    """The returned column that holds the code, where rows differ."""
    unit: Literal["minor", "major"] = "minor"
    """Whether 1999 is 19.99 (minor) or 1999.00 (major)."""
    untrusted: bool = False
    """Customers write this column: it reaches the model marked as such."""
    author: Literal["sender", "others"] = "sender"
    """untrusted: whether only the sender writes it, or others may."""
    max_length: int = SHOWN
    """Characters of a text that a model is shown; templates and reviewers have the whole."""
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """state: value to language to the words that a reply uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A query that must return no row; a row refuses the write."""

    statement: Statement
    message: str
    """Why, as a sentence for the operator and the reviewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of a write."""

    statement: Statement
    optional: bool = False
    """It may find no row to change; any other step without effect refuses the write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What one `[[tool]]` declares, proven to prepare on its database."""

    name: str
    kind: Literal["read", "write"]
    description: str
    database: str
    scope: Literal["sender", "public"] = "sender"
    """sender: absent unless the sender is verified, and bound to that address."""
    params: Mapping[str, Parameter] = field(default_factory=dict)
    rows: int = 20
    """A read returns at most so many; a write that changes more is refused."""
    bytes: int = 65_536
    """Of the returned rows as JSON."""
    deadline: float = 2.0
    """Seconds for the whole call, waiting for locks included."""

    returns: tuple[str, ...] = ()
    """The columns that leave the tool; others that the statement yields are dropped."""
    result: str = ""
    """The name under which replies know its rows: `order` in `{{order.total}}`."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    """One for each of `returns`."""
    statement: Statement | None = None
    """The query of a read."""
    function: str = ""
    """`module:name` of a read that is a Python function; it has no statement."""
    reads: tuple[str, ...] = ()
    """function: the columns, as `table.column`, that its SQL may read."""

    guards: tuple[Guard, ...] = ()
    steps: tuple[Step, ...] = ()
    """The changes of a write, in order."""
    idempotent: bool = False
    """A write that finds the rows as it would leave them has succeeded, and changes nothing."""
    impact: str = "customer"
    reversible: bool = False
    amount: str | None = None
    """A parameter, or a column of `amount_statement`, that says how much money moves."""
    amount_statement: Statement | None = None
    amount_currency: str | None = None
    """ISO 4217 code, or a column of `amount_statement` that holds it."""
    amount_unit: Literal["minor", "major"] = "minor"
    protected: tuple[str, ...] = ()
    """Columns, as `column` or `table.column`, that are never changed without a person."""

    def schema(self) -> dict[str, Any]:
        """Strict JSON Schema of the arguments: every name required, an optional one nullable, bound names absent."""
        return {
            "type": "object",
            "properties": {name: parameter.schema() for name, parameter in self.params.items()},
            "required": list(self.params),
            "additionalProperties": False,
        }

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as declared, every parameter present.

        Raises:
            Refused: a name is unknown or bound by the daemon, or a value is not what was declared.
        """
        for name in arguments:
            if name in NAMES:
                raise Refused(f"`{name}` is bound by the daemon; no caller can choose it.")
            if name not in self.params:
                raise Refused(f"`{name}` is no parameter of `{self.name}`.")
        return {name: parameter.check(name, arguments.get(name)) for name, parameter in self.params.items()}

    def of_others(self) -> frozenset[str]:
        """The columns whose text somebody else than the sender may have written; in a public tool all untrusted."""
        return frozenset(
            name
            for name, column in self.columns.items()
            if column.untrusted and (self.scope == "public" or column.author == "others")
        )

    def statements(self) -> Iterator[Statement]:
        """Every statement, in the order in which a call runs them."""
        if self.statement:
            yield self.statement
        yield from (guard.statement for guard in self.guards)
        if self.amount_statement:
            yield self.amount_statement
        yield from (step.statement for step in self.steps)

    def uses(self, name: str) -> bool:
        """Whether a statement names the parameter."""
        return any(name in statement.names for statement in self.statements())

    def digest(self) -> str:
        """SHA-256 over what a call does: it differs when a write staged earlier would now do something else."""
        sources = [statement.source for statement in self.statements()]
        lenient = [self.idempotent, [step.optional for step in self.steps]]
        return digest([self.name, self.kind, self.database, sources, lenient])
