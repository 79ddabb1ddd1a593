"""Tools that are Python functions: what an operator's module imports, and how its functions are run."""

import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError

from tools import statement
from tools.bound import NAMES, Bound
from tools.confine import MOST_ROWS, Deadline, Engine, Touched
from tools.outcome import Failed, Refused
from tools.statement import Engine as Kind
from tools.statement import Statement
from tools.tool import Tool

__all__ = ["Bound", "Connection", "Failed", "Refused", "tool"]

_PATIENCE = 3
"""So many times in a row may a function miss its deadline: each time leaves a thread behind that nothing can end."""
FUNCTIONS = frozenset(
    {
        *("abs", "avg", "ceil", "coalesce", "concat", "concat_ws", "count", "date", "datetime", "floor", "format"),
        *("group_concat", "hex", "ifnull", "iif", "instr", "json_extract", "julianday", "length", "like", "lower"),
        *("ltrim", "max", "min", "mod", "nullif", "printf", "round", "row_number", "rtrim", "sign", "strftime"),
        *("substr", "substring", "sum", "time", "total", "trim", "typeof", "unixepoch", "upper"),
    }
)
"""What a function's SQL may call on SQLite, whose functions are not a role's to be granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A function that its module meant to be a tool."""

    function: Callable[..., Iterable[Mapping[str, Any]]]
    arguments: type[BaseModel] | None


class Connection:
    """What a function has of the database: queries under the tool's own confines, each a snapshot of its own."""

    def __init__(self, *, engine: Engine | None, touched: Touched, bound: Bound, deadline: Deadline) -> None:
        self._engine = engine
        self._touched = touched
        self._bound = bound.parameters()
        self._deadline = deadline

    def fetch(
        self, sql: str, parameters: Mapping[str, Any] | None = None, limit: int = MOST_ROWS
    ) -> list[dict[str, Any]]:
        """Run a SELECT; what is left of the tool's deadline is its own.

        Args:
            sql: with `:name` parameters; `:sender`, `:customer`, `:conversation` and `:now` are bound.
            parameters: the others.
            limit: most rows.

        Raises:
            Failed: it is no SELECT, reaches beyond what the tool declares in `reads`, or the deadline passed.
            Refused: the database does not take a value.
        """
        if self._engine is None:
            raise Failed("The tool declares no `database`. Add it, and the columns in `reads`.")
        given = dict(parameters or {})
        if taken := sorted(given.keys() & NAMES):
            raise Failed(f"`{taken[0]}` is bound by the daemon; the function can't choose it. Leave it out.")
        prepared = _select(sql, self._engine.kind)
        if missing := sorted(set(prepared.names) - given.keys() - NAMES):
            raise Failed(f"The SQL names `:{missing[0]}`, which is not among its parameters. Add it.")
        if self._deadline.left() == 0:
            raise Failed(f"The tool took longer than {self._deadline.seconds:g} s.")
        values = {name: (given | self._bound)[name] for name in prepared.names}
        with self._engine.reading(self._touched, self._bound, self._deadline) as session:
            return session.fetch(prepared, values, max(0, min(limit, MOST_ROWS)))


Function = Callable[[Any, Bound, Connection], Iterable[Mapping[str, Any]]]


def tool(arguments: type[BaseModel] | None = None) -> Callable[[Function], Written]:
    """Mark a function as the code of a tool that `tools/*.toml` declares; it does nothing else.

    The function gets its arguments as an instance of the model, who asks (`Bound`; nobody in a public tool), and a
    `Connection`. It returns rows: mappings with the columns that the declaration names in `returns`. `Refused` says
    that there is no answer for these arguments. It may run in several threads at once.

    Args:
        arguments: a model of what the language model chooses; None: nothing.
    """
    return lambda function: Written(function=function, arguments=arguments)


class PythonTool:
    """A function as the catalogue calls it. Safe to use from several threads if the function is."""

    def __init__(self, tool: Tool, written: Written, *, engine: Engine | None, touched: Touched, source: str) -> None:
        self.source = source
        """SHA-256 of the module."""
        self._tool = tool
        self._written = written
        self._engine = engine
        self._touched = touched
        self._lock = threading.Lock()
        self._late = 0
        """Calls in a row that missed the deadline."""

    def __call__(
        self, arguments: Mapping[str, Any], bound: Bound, deadline: Deadline, limit: int
    ) -> list[dict[str, Any]]:
        """The function's rows.

        No thread can be ended from outside: one that is late is left to itself, and its result is dropped.

        Raises:
            Refused: the model's validators or the function don't take these arguments.
            Failed: the deadline passed, the function broke, or it was late too often.
        """
        name = self._tool.name
        if self._late >= _PATIENCE:
            raise Failed(f"`{name}` was late {_PATIENCE} times in a row and is switched off. Correct it and reload.")
        given = self._given(arguments)
        known = bound if self._tool.scope == "sender" else replace(bound, sender=None, customer=None)
        connection = Connection(engine=self._engine, touched=self._touched, bound=known, deadline=deadline)
        answer: Future[list[dict[str, Any]]] = Future()

        def run() -> None:
            try:
                rows = self._written.function(given, known, connection)
                answer.set_result([dict(row) for row in islice(rows, limit)])
            except BaseException as error:  # noqa: BLE001 - also SystemExit: nobody else would hear of it
                answer.set_exception(error)

        threading.Thread(target=run, name=f"tool-{name}", daemon=True).start()
        late = bool(wait([answer], timeout=deadline.left()).not_done)
        with self._lock:
            self._late = self._late + 1 if late else 0
        if late:
            raise Failed(f"`{name}` took longer than {deadline.seconds:g} s.")
        return self._rows(answer)

    def close(self) -> None:
        """Nothing is held between calls."""

    def _given(self, arguments: Mapping[str, Any]) -> BaseModel | None:
        if self._written.arguments is None:
            return None
        chosen = {name: arguments[name] for name in self._tool.params if arguments[name] is not None}
        try:
            return self._written.arguments.model_validate(chosen)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Refused(f"`{where or self._tool.name}`: {first['msg']}.") from error

    def _rows(self, answer: "Future[list[dict[str, Any]]]") -> list[dict[str, Any]]:
        error = answer.exception()
        if isinstance(error, Refused | Failed):
            raise error
        if error is not None:
            told = f"`{self._tool.name}` broke with {type(error).__name__}{_place(error)}. Correct it."
            raise Failed(told) from error
        rows = answer.result()
        for column in (column for row in rows for column in self._tool.returns if column not in row):
            raise Failed(f"`{self._tool.name}` gave a row without `{column}`, which it declares in `returns`.")
        return rows


def queries(reads: Iterable[str], kind: Kind) -> list[Statement]:
    """A SELECT for each table of a tool's `reads`: what proves that they exist, and what grants are made of."""
    tables: dict[str, list[str]] = {}
    for each in reads:
        table, _, column = each.rpartition(".")
        tables.setdefault(table, []).append(column)
    return [
        statement.parse(f"SELECT {', '.join(columns)} FROM {table}", kind)  # noqa: S608 - names of a declaration
        for table, columns in tables.items()
    ]


@lru_cache(maxsize=256)
def _select(sql: str, kind: Kind) -> Statement:
    try:
        prepared = statement.parse(sql, kind)
    except statement.Unsound as error:
        raise Failed(str(error)) from error
    if prepared.verb != "select":
        raise Failed("A function can only read. Declare a write as `[[tool.step]]`.")
    return prepared


def _place(error: BaseException) -> str:
    """Where it broke, without what it says: that may quote a row."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
