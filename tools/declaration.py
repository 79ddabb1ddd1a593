"""`[[tool]]` as models: a table is a class, a key is a field, and the field says what it means."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tools import statement
from tools.bound import NAMES
from tools.located import Document, Fault, Key, unknown
from tools.money import is_code
from tools.parameter import MAX_LENGTH, Accepted, Kind, Parameter
from tools.statement import Engine, Statement
from tools.tool import SHOWN, Column, Guard, Step, Tool

_NAME = r"^[a-z][a-z0-9_]{0,63}$"
_PREFIX = re.compile(r"^(?:find|get|list)_(?=.)")
_ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")


def _for_both(value: Any) -> Any:
    return dict.fromkeys(_ENGINES, value) if isinstance(value, str) else value


Sql = Annotated[dict[Engine, str], BeforeValidator(_for_both)]
"""One text for both engines, or a table `{ sqlite = "…", postgresql = "…" }` where their SQL truly differs."""
Name = Annotated[str, Field(pattern=_NAME)]
TableColumn = Annotated[str, Field(pattern=r"^([A-Za-z_]\w*\.){1,2}[A-Za-z_]\w*$")]


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"This is not a regular expression: {error}. Correct it") from error
    return value


Regex = Annotated[str, BeforeValidator(_regex)]


class Table(BaseModel):
    """A table of tools/*.toml: unknown keys are refused, values can't change after they were read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ParameterTable(Table):
    """`[tool.params.NAME]`."""

    type: Kind = Field(description="string, integer, number, boolean, date, enum or list.")
    description: str = Field(default="", description="What the model is told.")
    required: bool = Field(default=True, description="false: the model may leave it out; the SQL then sees NULL.")
    pattern: Regex | None = Field(default=None, description="string: a regular expression for the whole value.")
    min: float | None = Field(default=None, description="Smallest number; for a list the fewest items.")
    max: float | None = Field(default=None, description="Largest number; for a list the most items (default 20).")
    max_length: int = Field(default=MAX_LENGTH, ge=1, le=10_000, description="string: most characters.")
    values: tuple[str, ...] = Field(default=(), description="enum: what is possible.")
    items: "ParameterTable | None" = Field(default=None, description="list: what each item is.")
    find: Regex | None = Field(
        default=None, description="A regular expression with one group: finds the value in a mail."
    )
    words: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="enum: words by which a sender says a value; they count as the value."
    )
    origins: tuple[Accepted, ...] | None = Field(
        default=None,
        alias="from",
        min_length=1,
        description='write: where its value may come from without a person: `["sender", "rows"]`, one of them, or '
        '`["any"]`. Default: both; `any` for enum and boolean.',
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.type == "enum") != bool(self.values):
            raise ValueError("`values` belongs to an enum, and an enum needs it")
        if (self.type == "list") != (self.items is not None):
            raise ValueError("`items` belongs to a list, and a list needs it")
        if self.items is not None and self.items.type == "list":
            raise ValueError("A list of lists is not possible. Declare a flat list")
        if self.pattern is not None and self.type != "string":
            raise ValueError("`pattern` belongs to a string")
        if self.find is not None and re.compile(self.find).groups != 1:
            raise ValueError("`find` needs exactly one group: the part in parentheses is the value")
        if self.words and not set(self.words) <= set(self.values):
            raise ValueError("`words` has a value that is not among `values`")
        if self.items is not None and self.items.origins is not None:
            raise ValueError("`from` belongs to the list, not to its items")
        return self

    def parameter(self) -> Parameter:
        """The value object."""
        fields = {name: getattr(self, name) for name in type(self).model_fields if name != "items"}
        return Parameter(**fields, items=self.items.parameter() if self.items else None)


class ColumnTable(Table):
    """`[tool.columns.NAME]`."""

    type: Literal["text", "money", "date", "datetime", "integer", "decimal", "link", "state"] = Field(
        default="text", description="How a reply writes it."
    )
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$", description="money: ISO 4217 code.")
    currency_column: str | None = Field(default=None, description="money: the returned column that holds the code.")
    unit: Literal["minor", "major"] = Field(default="minor", description="money: cents, or whole units.")
    untrusted: bool = Field(default=False, description="Customers write this column.")
    author: Literal["sender", "others"] = Field(
        default="sender",
        description="untrusted: others: not only the sender writes it; who reads it is not answered alone.",
    )
    max_length: int = Field(default=SHOWN, ge=1, le=10_000, description="Most characters that a model is shown.")
    words: dict[str, dict[str, str]] = Field(default_factory=dict, description="state: value to language to words.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.type == "money" and not (self.currency or self.currency_column):
            raise ValueError("A money column needs `currency` or `currency_column`")
        if self.author == "others" and not self.untrusted:
            raise ValueError("A column that others write is not to be trusted. Add `untrusted = true`")
        if self.words and self.type != "state":
            raise ValueError("`words` belongs to a column of type state")
        return self


class GuardTable(Table):
    """`[[tool.guard]]`."""

    statement: Sql = Field(description="A SELECT; a row that comes back refuses the write.")
    message: str = Field(min_length=1, description="Why, for the operator and the reviewer.")


class StepTable(Table):
    """`[[tool.step]]`."""

    statement: Sql = Field(description="An INSERT, UPDATE or DELETE.")
    optional: bool = Field(
        default=False, description="true: it may find no row to change. Any other step without effect refuses."
    )


class ToolTable(Table):
    """`[[tool]]`."""

    name: Name = Field(description="What the model calls it.")
    kind: Literal["read", "write", "python"] = Field(
        description="A read returns rows; a write is staged and happens at delivery; python: code answers a read."
    )
    description: str = Field(min_length=1, description="What the model is told.")
    database: str = Field(default="", description="The `[database.NAME]` of triaged.toml; only python can do without.")
    scope: Literal["sender", "public"] = Field(
        default="sender",
        description="sender: needs a verified sender and binds `:sender`; public: the same for everybody.",
    )
    params: dict[Name, ParameterTable] = Field(default_factory=dict, description="What the model chooses.")
    rows: int = Field(
        default=20, ge=1, le=1000, description="A read returns at most so many; a write changes at most so many."
    )
    bytes: int = Field(default=65_536, ge=256, le=1_000_000, description="read: most bytes of the rows as JSON.")
    deadline: float = Field(default=2.0, gt=0, le=60, description="Seconds for the whole call.")
    returns: tuple[str, ...] = Field(default=(), description="read: the columns that leave the tool.")
    result: Name | None = Field(
        default=None, description="read: name of its rows in replies. Default: `name` without find_, get_ or list_."
    )
    columns: dict[str, ColumnTable] = Field(default_factory=dict, description="read: how replies write the columns.")
    statement: Sql | None = Field(default=None, description="read: the SELECT.")
    function: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="python: `module:name`; the module is `tools/module.py`, or one that Python can import.",
    )
    reads: tuple[TableColumn, ...] = Field(
        default=(), description="python: the columns, as `table.column`, that its SQL may read."
    )
    guard: tuple[GuardTable, ...] = Field(default=(), description="write: what must not be, in order.")
    step: tuple[StepTable, ...] = Field(default=(), description="write: the changes, in order.")
    idempotent: bool = Field(
        default=False,
        description="write: true: rows that are already so are a success without a change. Otherwise they refuse.",
    )
    impact: Name = Field(default="customer", description="write: whom or what it touches, for rules and limits.")
    reversible: bool = Field(default=False, description="write: whether another write can take it back.")
    amount: str | None = Field(
        default=None, description="write: a parameter or a column of `amount_statement`: the money that moves."
    )
    amount_statement: Sql | None = Field(
        default=None, description="write: a SELECT of one row with the amount, run after the guards."
    )
    amount_currency: str | None = Field(
        default=None, description="write: ISO 4217 code, or a column of `amount_statement`."
    )
    amount_unit: Literal["minor", "major"] = Field(
        default="minor", description="write: whether `amount` is in cents or whole units."
    )
    protected: tuple[str, ...] = Field(default=(), description="write: columns never changed without a person.")

    def tool(self, engine: Engine, document: Document, at: Key) -> tuple[Tool | None, list[Fault]]:
        """The value object for an engine, or every fault that can be seen without the database."""
        faults: list[Fault] = []

        def sql(source: Mapping[Engine, str] | None, *key: str | int) -> Statement | None:
            if source is None:
                return None
            if engine not in source:
                faults.append(document.fault((*at, *key), f"There is no statement for {engine}. Add `{engine} = …`."))
                return None
            try:
                return statement.parse(source[engine], engine, known=(*self.params, *NAMES), lists=self._lists())
            except statement.Unsound as error:
                faults.append(document.fault((*at, *key), str(error)))
                return None

        read = sql(self.statement, "statement")
        guards = [sql(guard.statement, "guard", number, "statement") for number, guard in enumerate(self.guard)]
        steps = [sql(step.statement, "step", number, "statement") for number, step in enumerate(self.step)]
        amount = sql(self.amount_statement, "amount_statement")
        faults += [document.fault((*at, *key), message) for key, message in self._shape()]
        if faults:
            return None, faults
        kept = {name: getattr(self, name) for name in _SAME}
        tool = Tool(
            **kept,
            kind="write" if self.kind == "write" else "read",
            function=self.function or "",
            params={name: table.parameter() for name, table in self.params.items()},
            result=self.result or _PREFIX.sub("", self.name),
            columns={name: Column(**dict(self.columns.get(name, ColumnTable()))) for name in self.returns},
            statement=read,
            guards=tuple(
                Guard(statement=sound, message=guard.message)
                for guard, sound in zip(self.guard, guards, strict=True)
                if sound
            ),
            steps=tuple(
                Step(statement=sound, optional=step.optional)
                for step, sound in zip(self.step, steps, strict=True)
                if sound
            ),
            amount_statement=amount,
        )
        return tool, [document.fault((*at, *key), message) for key, message in _parameters(tool)]

    def _lists(self) -> dict[str, str]:
        """The list parameters, with the SQL type of their items."""
        return {name: _ITEM_TYPES[table.items.type] for name, table in self.params.items() if table.items}

    def _shape(self) -> Iterable[tuple[Key, str]]:
        """What a read or a write must have, and what it can't have."""
        needed, foreign = _KEYS[self.kind]
        for name in needed:
            if not getattr(self, name):
                yield (), f"The {self.kind} `{self.name}` has no `{name}`. Add it."
        for name in sorted(foreign & self.model_fields_set):
            yield (name,), f"`{name}` does not belong to a {self.kind}. Leave it out."
        for name in NAMES & self.params.keys():
            yield (
                ("params", name),
                f"`{name}` is bound by the daemon and can't be declared. Use `:{name}` in the SQL only.",
            )
        for name in self.columns.keys() - set(self.returns):
            yield ("columns", name), unknown(name, self.returns, "column of `returns`")
        for name, column in self.columns.items():
            if column.currency_column and column.currency_column not in self.returns:
                yield ("columns", name), unknown(column.currency_column, self.returns, "column of `returns`")
        for name in (name for name, table in self.params.items() if table.origins and self.kind == "read"):
            yield ("params", name, "from"), "`from` belongs to a parameter of a write. Leave it out."
        if self.kind == "python" and bool(self.reads) != bool(self.database):
            yield (
                (),
                "`database` and `reads` belong together: what the function's SQL may read. Add both or none.",
            )
        yield from self._amount()

    def _amount(self) -> Iterable[tuple[Key, str]]:
        if self.amount is None and (self.amount_statement or self.amount_currency):
            yield (), "`amount` is missing: name the parameter or the column that holds the money."
        if self.amount is None:
            return
        if self.amount_statement is None and self.amount not in self.params:
            yield ("amount",), unknown(self.amount, self.params, "parameter")
        if not is_code(self.amount_currency or "") and not (self.amount_statement and self.amount_currency):
            yield ("amount",), '`amount_currency` is missing. Add it, for example `amount_currency = "EUR"`.'


_ITEM_TYPES: dict[Kind, str] = {
    "string": "text",
    "enum": "text",
    "integer": "bigint",
    "number": "numeric",
    "boolean": "boolean",
    "date": "date",
}
_READ_KEYS = frozenset({"returns", "result", "columns", "statement", "bytes"})
_CODE_KEYS = frozenset({"function", "reads"})
_WRITE_KEYS = frozenset(
    {
        "guard",
        "step",
        "idempotent",
        "impact",
        "reversible",
        "amount",
        "amount_statement",
        "amount_currency",
        "amount_unit",
        "protected",
    }
)
_KEYS: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "read": (("database", "returns", "statement"), _WRITE_KEYS | _CODE_KEYS),
    "write": (("database", "step"), _READ_KEYS | _CODE_KEYS),
    "python": (("function", "returns"), _WRITE_KEYS | {"statement", "params"}),
}
"""Kind to what it needs, and what does not belong to it."""
_SAME = (
    *("name", "description", "database", "scope", "rows", "bytes", "deadline", "returns", "reads"),
    *("idempotent", "impact", "reversible", "amount", "amount_currency", "amount_unit", "protected"),
)


def _parameters(tool: Tool) -> Iterable[tuple[Key, str]]:
    """Faults between the names in the SQL and the declared ones."""
    used = {name for statement in tool.statements() for name in statement.names}
    for name in sorted(used - tool.params.keys() - NAMES):
        yield (), f"`:{name}` is not declared. {unknown(name, [*tool.params, *NAMES], 'parameter')}"
    for name in sorted(tool.params.keys() - used):
        yield ("params", name), f"`{name}` is declared, but no statement uses `:{name}`. Use it or leave it out."
    if tool.scope == "sender" and not tool.function and not used & {"sender", "customer"}:
        yield (), 'No statement uses `:sender`. Compare the owner\'s address with it, or declare `scope = "public"`.'
    reads = [guard.statement for guard in tool.guards] + [
        part for part in (tool.statement, tool.amount_statement) if part
    ]
    if any(statement.verb != "select" for statement in reads):
        yield (), f"A read, guard or amount of `{tool.name}` changes rows. Only a step may; write a SELECT."
    for number in (number for number, step in enumerate(tool.steps) if step.statement.verb == "select"):
        yield (
            ("step", number),
            f"A step of `{tool.name}` is a SELECT. Write an INSERT, UPDATE or DELETE, or make it a guard.",
        )
