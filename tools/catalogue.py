"""Every tool of a configuration, each proven on its database, and the engines that they run on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from tools import knowledge, ledger, located, python, python_module
from tools.bound import Bound
from tools.confine import LEDGER, Database, Deadline, Engine, Touched, Unprepared, Unusable, connect
from tools.declaration import ToolTable
from tools.located import Document, Fault, Faults, Key, unknown
from tools.money import is_code
from tools.outcome import Failed
from tools.tool import Tool


class Function(Protocol):
    """A read that code answers."""

    source: str
    """SHA-256 of the code, where it is the operator's; else empty."""

    def __call__(
        self, arguments: Mapping[str, Any], bound: Bound, deadline: Deadline, limit: int, /
    ) -> list[dict[str, Any]]:
        """At most `limit` rows, each with the columns that the tool declares.

        Raises:
            Refused: not with these arguments.
            Failed: the deadline passed, or it could not answer.
        """
        ...

    def close(self) -> None:
        """Give back what is held between calls."""
        ...


class Catalogue(Mapping[str, Tool]):
    """Tools by name. It holds idle connections: close it when a later release has taken over."""

    def __init__(
        self,
        *,
        tools: Mapping[str, Tool],
        touched: Mapping[str, Touched],
        engines: Mapping[str, Engine],
        functions: Mapping[str, Function] | None = None,
    ) -> None:
        self.tools = dict(tools)
        self.touched = dict(touched)
        """What each tool reaches, as its database said."""
        self.functions = dict(functions or {})
        """Code of the tools that are no statement."""
        self._engines = dict(engines)

    def __getitem__(self, name: str) -> Tool:
        return self.tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tools)

    def __len__(self) -> int:
        return len(self.tools)

    def engine(self, database: str) -> Engine:
        """The engine of a configured database.

        Raises:
            Failed: it is no longer configured.
        """
        try:
            return self._engines[database]
        except KeyError:
            raise Failed(f"The database `{database}` is not configured. Add [database.{database}] again.") from None

    def close(self) -> None:
        """Close idle connections; calls that are still running end normally."""
        for engine in self._engines.values():
            engine.close()
        for function in self.functions.values():
            function.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(folder: Path, databases: Mapping[str, Database], texts: Path | None = None) -> Catalogue:
    """Read `folder/*.toml` and prove every statement on its database.

    A folder that does not exist is an empty catalogue.

    Args:
        folder: the declarations.
        databases: the business databases by name.
        texts: a folder of Markdown files for `search_knowledge`, which is there when it holds any.

    Raises:
        Faults: everything that is wrong, with file and line.
    """
    loader = _Loader(engines={name: connect(database) for name, database in databases.items()})
    for path in sorted(folder.glob("*.toml")):
        loader.read(path)
    loader.prove()
    if texts is not None:
        loader.learn(texts)
    catalogue = Catalogue(
        tools=loader.tools, touched=loader.touched, engines=loader.engines, functions=loader.functions
    )
    if loader.faults:
        catalogue.close()
        raise Faults(loader.faults)
    return catalogue


def declared(folder: Path, databases: Mapping[str, Database]) -> dict[str, Tool]:
    """The tools of `folder/*.toml` as they are written, not proven: nothing is opened.

    Raises:
        Faults: what can be seen to be wrong without the databases.
    """
    loader = _Loader(engines={name: connect(database) for name, database in databases.items()})
    for path in sorted(folder.glob("*.toml")):
        loader.read(path)
    if loader.faults:
        raise Faults(loader.faults)
    return loader.tools


@dataclass(frozen=True, slots=True)
class _Place:
    document: Document
    at: Key

    def fault(self, message: str, *key: str | int) -> Fault:
        return self.document.fault((*self.at, *key), message)


class _Loader:
    """Collects tools and faults: one fault does not hide the next."""

    def __init__(self, *, engines: Mapping[str, Engine]) -> None:
        self.engines = engines
        self.tools: dict[str, Tool] = {}
        self.touched: dict[str, Touched] = {}
        self.functions: dict[str, Function] = {}
        self.faults: list[Fault] = []
        self._places: dict[str, _Place] = {}

    def read(self, path: Path) -> None:
        try:
            document = located.load(path)
        except Faults as found:
            self.faults += found.faults
            return
        for key in document.data.keys() - {"tool"}:
            self.faults.append(document.fault((key,), unknown(key, ["tool"], "key")))
        tables = document.data.get("tool", [])
        if not isinstance(tables, list):
            self.faults.append(document.fault(("tool",), "`tool` is not an array of tables. Write [[tool]]."))
            return
        for number in range(len(tables)):
            self._declare(_Place(document, ("tool", number)))

    def _declare(self, place: _Place) -> None:
        try:
            table = located.validate(place.document, ToolTable, at=place.at)
        except Faults as found:
            self.faults += found.faults
            return
        if table.name == knowledge.NAME:
            self.faults.append(place.fault(f"`{table.name}` is the search in knowledge/. Rename this tool.", "name"))
            return
        if table.name in self._places:
            first = self._places[table.name]
            where = f"{first.document.path}:{first.document.line(first.at)}"
            self.faults.append(place.fault(f"`{table.name}` is declared twice, first at {where}. Rename one.", "name"))
            return
        self._places[table.name] = place
        if not table.database and table.kind != "python":
            self.faults.append(place.fault("`database` is missing. Add it."))
            return
        if table.database and table.database not in self.engines:
            self.faults.append(place.fault(unknown(table.database, self.engines, "database"), "database"))
            return
        engine = self.engines.get(table.database)
        tool, faults = table.tool(engine.kind if engine else "sqlite", place.document, place.at)
        self.faults += faults
        if tool and not faults:
            self.tools[tool.name] = tool

    def prove(self) -> None:
        """Ask each database what it makes of the statements; a database that can't be opened is one fault, not many."""
        closed: dict[str, str] = {}
        for name in dict.fromkeys(tool.database for tool in self.tools.values() if tool.database):
            try:
                self.engines[name].open()
            except Unusable as error:
                closed[name] = str(error)
                first = next(tool.name for tool in self.tools.values() if tool.database == name)
                self.faults.append(self._places[first].fault(str(error), "database"))
        for tool in list(self.tools.values()):
            if tool.database not in closed:
                self._prove_function(tool) if tool.function else self._prove(tool)
        self._prove_ledgers(closed)

    def _prove(self, tool: Tool) -> None:
        engine, place = self.engines[tool.database], self._places[tool.name]
        parts: list[tuple[Key, Any]] = [
            (("statement",), tool.statement),
            (("amount_statement",), tool.amount_statement),
        ]
        parts += [(("guard", number, "statement"), guard.statement) for number, guard in enumerate(tool.guards)]
        parts += [(("step", number, "statement"), step.statement) for number, step in enumerate(tool.steps)]
        touched = Touched()
        for key, statement in parts:
            if statement is None:
                continue
            try:
                found = engine.prove(statement, writes=tool.kind == "write")
            except Unprepared as error:
                self.faults.append(place.fault(f"The statement does not prepare on `{tool.database}`: {error}", *key))
                continue
            touched = touched | found
            wanted = _wanted(tool, key[0])
            for column in sorted(wanted - set(found.columns)):
                self.faults.append(place.fault(unknown(column, found.columns, "column of the statement"), *key))
        if LEDGER in touched.written | {table for table, _ in touched.read}:
            self.faults.append(place.fault(f"A tool can't touch `{LEDGER}`. Leave it to triaged."))
        known = {column for _, column in touched.held} | {f"{table}.{column}" for table, column in touched.held}
        for column in sorted(set(tool.protected) - known):
            self.faults.append(place.fault(unknown(column, known, "column of the changed tables"), "protected"))
        self.touched[tool.name] = touched

    def _prove_function(self, tool: Tool) -> None:
        """Load the code, and ask the database for the columns that its SQL may read."""
        engine, place = self.engines.get(tool.database), self._places[tool.name]
        touched = Touched(functions=python.FUNCTIONS)
        try:
            loaded = python_module.load(tool.function, place.document.path.parent)
            if engine is not None:
                for query in python.queries(tool.reads, engine.kind):
                    touched = touched | engine.prove(query, writes=False)
        except python_module.Unloadable as error:
            self.faults.append(place.fault(str(error), "function"))
            return
        except Unprepared as error:
            self.faults.append(place.fault(f"`{tool.database}` does not have these columns: {error}", "reads"))
            return
        read = touched.read | {(table, "") for table, _ in touched.read}
        if LEDGER in {table for table, _ in read}:
            self.faults.append(place.fault(f"A tool can't touch `{LEDGER}`. Leave it to triaged.", "reads"))
        self.tools[tool.name] = whole = replace(tool, params=loaded.params)
        self.touched[tool.name] = known = replace(touched, read=read, columns=tool.returns)
        self.functions[tool.name] = python.PythonTool(
            whole, loaded.written, engine=engine, touched=known, source=loaded.source
        )

    def learn(self, texts: Path) -> None:
        """Add the search in the operator's own texts."""
        try:
            found = knowledge.load(texts)
        except Faults as faults:
            self.faults += faults.faults
            return
        if found is not None:
            self.tools[knowledge.NAME] = knowledge.TOOL
            self.touched[knowledge.NAME] = Touched(columns=knowledge.TOOL.returns)
            self.functions[knowledge.NAME] = found

    def _prove_ledgers(self, closed: Mapping[str, str]) -> None:
        """A write needs the ledger beside the rows that it changes."""
        for name in dict.fromkeys(tool.database for tool in self.tools.values() if tool.kind == "write"):
            first = next(tool.name for tool in self.tools.values() if tool.database == name and tool.kind == "write")
            if name not in closed and (missing := ledger.missing(self.engines[name])):
                self.faults.append(self._places[first].fault(missing, "database"))


def _wanted(tool: Tool, key: str | int) -> set[str]:
    """The columns that a statement must yield."""
    if key == "statement":
        return set(tool.returns)
    if key != "amount_statement" or tool.amount is None:
        return set()
    currency = tool.amount_currency or ""
    wanted = {tool.amount} - tool.params.keys()
    return wanted if is_code(currency) else wanted | ({currency} - {""})
