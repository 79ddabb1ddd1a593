"""The tools of a handler, bound to one sender and conversation: what a model's calls become on the database."""

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from handlers import finding, formats, untrusted
from handlers.contract import Handler, Message, Row, Sender, ToolCall, ToolResult, ToolSpec
from tools import provenance
from tools.bound import Bound
from tools.catalogue import Catalogue
from tools.outcome import UNIFORM, Failed, Refused
from tools.read import read
from tools.stage import stage
from tools.staged import StagedWrite
from tools.tool import Tool
from tools.values import canonical

T = TypeVar("T")

_STAGED = "Staged. It happens when the reply is approved."
_TWICE = "Staged already."


class Hop(Protocol):
    """Runs something that blocks in the daemon's `tools` executor."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """The result of `work`, or what it raised."""
        ...


class Toolbox:
    """`handlers.contract.Tools` over the declared tools. Lives as long as one run."""

    def __init__(
        self, *, handler: Handler, catalogue: Catalogue, bound: Bound, sender: Sender, run: Hop, words: str = ""
    ) -> None:
        """Choose the tools (promise P5).

        Sender-scoped ones are absent, not failing, unless the sender is verified; those that use `:customer` unless it
        is known who the sender is.

        Args:
            handler: names the tools.
            catalogue: their declarations and databases.
            bound: what the daemon binds into statements.
            sender: who wrote.
            run: the hop into the executor.
            words: subject and text of the mails, in which the arguments of writes are looked for.
        """
        verified = sender.verdict == "verified" and bound.sender is not None
        named = [catalogue[name] for name in handler.tools]
        self._tools = {
            tool.name: tool
            for tool in named
            if (tool.scope == "public" or verified) and (bound.customer is not None or not tool.uses("customer"))
        }
        self._prefetch = tuple(name for name in handler.prefetch if name in self._tools)
        self._catalogue = catalogue
        self._bound = bound
        self._hop = run
        self._references = References()
        self._words = words
        self._found: list[Row] = []
        """What the reads of this run returned."""
        self._staged: dict[bytes, StagedWrite] = {}

    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model may call. A prefetched read without parameters is left out: its rows are there already."""
        return tuple(_spec(tool) for tool in self._tools.values() if tool.params or tool.name not in self._prefetch)

    async def prefetch(self, message: Message) -> tuple[ToolResult, ...]:
        """Run the prefetched reads, each once for every set of arguments that the mail supplies, in order."""
        text = f"{message.subject}\n{message.text}"
        results: list[ToolResult] = []
        for name in self._prefetch:
            for arguments in finding.arguments(self._tools[name], text):
                call = ToolCall(id=f"prefetch_{len(results) + 1}", name=name, arguments=arguments)
                results.append(await self._answer(call, prefetched=True))
        return tuple(results)

    async def call(self, call: ToolCall) -> ToolResult:
        """Run a read, or stage a write; what went wrong is in the result."""
        return await self._answer(call, prefetched=False)

    def restore(self, results: Sequence[ToolResult]) -> None:
        """Take up what an earlier attempt of the run recorded."""
        for result in results:
            self._references.restore(result.rows)
            self._found += result.rows
            if result.staged is not None:
                self._staged[_key(result.staged.tool, result.staged.arguments)] = result.staged

    async def _answer(self, call: ToolCall, *, prefetched: bool) -> ToolResult:
        began = time.monotonic()

        def result(outcome: Any, content: str, **more: Any) -> ToolResult:
            elapsed = round((time.monotonic() - began) * 1000)
            return ToolResult(
                call=call, outcome=outcome, content=content, milliseconds=elapsed, prefetched=prefetched, **more
            )

        tool = self._tools.get(call.name)
        if tool is None:
            return result("refused", UNIFORM, detail="There is no such tool for this sender.")
        try:
            if tool.kind == "write":
                return result("ok", **await self._write(tool, call.arguments))
            return result("ok", **await self._read(tool, call.arguments))
        except Refused as refused:
            return result("refused", refused.told, detail=refused.detail)
        except Failed as failed:
            return result("failed", failed.told, detail=failed.detail)
        except Exception as error:  # noqa: BLE001 - a broken tool is a held mail, never a broken daemon (promise P10)
            return result(
                "failed", Failed("").told, detail=f"`{tool.name}` broke with {type(error).__name__}. Report it."
            )

    async def _read(self, tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
        found = await self._hop(lambda: read(tool, arguments, self._bound, self._catalogue))
        if not found.rows:
            raise Refused("No row for this sender.")
        rows = self._references.name(tool, found.rows)
        self._found += rows
        lines = [_line(tool, row) for row in rows] + ["(there are more rows)"] * found.truncated
        return {"content": "\n".join(lines), "rows": rows}

    async def _write(self, tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Stage a write after those before it; asked for again with the same arguments, it must not happen twice."""
        key = _key(tool.name, tool.validate(arguments))
        if key in self._staged:
            return {"content": _TWICE}
        earlier = tuple(self._staged.values())
        known = self._evidence()
        staged = await self._hop(
            lambda: stage(tool, arguments, self._bound, self._catalogue, earlier=earlier, known=known)
        )
        self._staged[key] = staged
        return {"content": _STAGED, "staged": staged}

    def _evidence(self) -> provenance.Evidence:
        """What the arguments of a write may come from; rows of a tool that is no more say nothing."""
        found = [(self._tools[row.tool], row.values) for row in self._found if row.tool in self._tools]
        bound = (self._bound.sender, self._bound.customer, self._bound.conversation)
        return provenance.evidence(self._words, found, bound, self._bound.now.date())


class References:
    """Gives rows their names: `order`, `order2`, …; a row that comes again keeps the name that it has."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}
        self._taken: set[str] = set()

    def name(self, tool: Tool, found: Iterable[Mapping[str, Any]]) -> tuple[Row, ...]:
        """The rows that a tool returned, named."""
        return tuple(
            Row(reference=self._reference(tool, values), tool=tool.name, values=dict(values)) for values in found
        )

    def restore(self, rows: Iterable[Row]) -> None:
        """Take up the names of an earlier attempt."""
        for row in rows:
            self._names[_key(row.tool, row.values)] = row.reference
            self._taken.add(row.reference)

    def _reference(self, tool: Tool, values: Mapping[str, Any]) -> str:
        key = _key(tool.name, values)
        if key not in self._names:
            number = 1
            while (name := tool.result if number == 1 else f"{tool.result}{number}") in self._taken:
                number += 1
            self._names[key] = name
            self._taken.add(name)
        return self._names[key]


def _spec(tool: Tool) -> ToolSpec:
    return ToolSpec(
        name=tool.name,
        description=tool.description,
        kind=tool.kind,
        schema=tool.schema(),
        find=finding.patterns(tool),
    )


def _line(tool: Tool, row: Row) -> str:
    """A row as a model sees it: `order: order_id="4711"; total=19.99 EUR`. Empty columns are left out."""
    shown = "; ".join(
        f"{column}{' (untrusted)' if tool.columns[column].untrusted else ''}={_brief(tool, row, column)}"
        for column, value in row.values.items()
        if value is not None
    )
    return f"{row.reference}: {shown}"


def _brief(tool: Tool, row: Row, column: str) -> str:
    value = row.values[column]
    if tool.columns[column].type == "money":
        return formats.amount(value, tool.columns[column], row.values)
    if isinstance(value, str):
        return json.dumps(untrusted.line(value, limit=tool.columns[column].max_length), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def _key(name: str, values: Mapping[str, Any]) -> bytes:
    return canonical([name, dict(values)])
