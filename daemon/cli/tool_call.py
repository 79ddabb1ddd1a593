"""`triaged tools call`: runs one tool as the daemon would, and shows what a model would see; writes are rolled back."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from daemon import release as releases
from daemon.cli.draft_page import changes
from daemon.cli.output import ConfigOption, JsonOption, emit, note, resolve_config, say
from daemon.config import Config
from daemon.errors import NotFound, SchemaMismatch, StoreUnusable, WrongUse
from daemon.inbound.address import normalise
from daemon.release import Release
from daemon.review.decide import reviewer
from daemon.store import called, schema
from daemon.store.engine import opened
from handlers import transcript
from handlers.contract import Handler, Sender, ToolCall, ToolResult
from handlers.toolbox import Toolbox
from tools.bound import Bound
from tools.identity import find
from tools.located import unknown
from tools.parameter import Parameter
from tools.tool import Tool

T = TypeVar("T")

_BOUNDARY = "CODE"
"""Stands for the code of a run, which nobody can guess."""
_CHARACTERS_A_TOKEN = 4
"""An estimate: no provider says how it counts before it is asked."""


def command(
    name: Annotated[str, typer.Argument(help="The tool.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE…", help="Its arguments.")] = None,
    sender: Annotated[
        str | None, typer.Option("--as", metavar="ADDRESS", help="As if this address had written, verified.")
    ] = None,
    mailbox: Annotated[
        str | None, typer.Option("--mailbox", metavar="NAME", help="Whose [identity.NAME] says which customer that is.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a tool and show what a model would see; a write is tried, shown and rolled back, never applied."""
    release = releases.load(resolve_config(config))
    by = reviewer(release.config, right="read")
    with closing(release.tools):
        if name not in release.tools:
            raise NotFound(unknown(name, release.tools, "tool"))
        tool = release.tools[name]
        now = datetime.now(UTC)
        bound = Bound(
            sender=_address(sender) if sender else None,
            customer=_customer(release, tool, sender, mailbox, now),
            conversation="tools-call",
            now=now,
        )
        result = asyncio.run(_call(release, tool, given(tool, arguments or ()), bound))
    _record(release.config, result, bound, by)
    emit(_told(result, bound), as_json=True) if as_json else _show(result, bound)
    if result.outcome != "ok":
        raise typer.Exit(1)


def given(tool: Tool, words: Sequence[str]) -> dict[str, Any]:
    """`key=value` words as the arguments that a model would send; a value that can't be read stays text.

    Raises:
        WrongUse: a word without `=`.
    """
    pairs = [word.partition("=") for word in words]
    for key, equals, _ in pairs:
        if not equals:
            raise WrongUse(f"`{key}` is no argument. Write each as key=value.")
    return {key: _value(tool.params.get(key), text) for key, _, text in pairs}


def _value(parameter: Parameter | None, text: str) -> Any:
    if parameter is None or parameter.type in {"string", "enum", "date"}:
        return text
    if parameter.items is not None and not text.startswith("["):
        return [_value(parameter.items, part.strip()) for part in text.split(",")]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _address(text: str) -> str:
    address = normalise(text)
    if not address:
        raise WrongUse(f"`{text}` is no mail address. Write one like ana@example.com.")
    return address


def _customer(release: Release, tool: Tool, sender: str | None, mailbox: str | None, now: datetime) -> str | None:
    """What `[identity.NAME]` says of the address, where the tool asks for it."""
    known = release.config.mailbox
    if mailbox is not None and mailbox not in known:
        raise NotFound(unknown(mailbox, known, "mailbox"))
    proven = release.identities.get(mailbox or next(iter(known), ""))
    if proven is None or sender is None or not tool.uses("customer"):
        return None
    return find(proven, _address(sender), now, release.tools).customer


async def _call(release: Release, tool: Tool, arguments: dict[str, Any], bound: Bound) -> ToolResult:
    sender = Sender(address=bound.sender or "", verdict="verified" if bound.sender else "unverified")
    alone = Handler(name="tools-call", tools=(tool.name,))
    box = Toolbox(handler=alone, catalogue=release.tools, bound=bound, sender=sender, run=_here)
    return await box.call(ToolCall(id="call", name=tool.name, arguments=arguments))


def _here(work: Callable[[], T], /) -> Awaitable[T]:
    """Run it in this thread: nothing else waits."""

    async def run() -> T:
        return work()

    return run()


def _record(config: Config, result: ToolResult, bound: Bound, by: str) -> None:
    """Enter the call into the records, where there is a store."""
    try:
        with closing(opened(config)) as store:
            schema.check(store)
            store.write_now(
                lambda session: called.record(
                    session,
                    store.vault,
                    tool=result.call.name,
                    outcome=result.outcome,
                    rows=len(result.rows),
                    sender=bound.sender,
                    by=by,
                    now=bound.now,
                )
            )
    except (StoreUnusable, SchemaMismatch) as error:
        note(f"The call is not recorded. {error}")


def _told(result: ToolResult, bound: Bound) -> dict[str, Any]:
    seen = transcript.shown(result, _BOUNDARY)
    return {
        "tool": result.call.name,
        "arguments": dict(result.call.arguments),
        "sender": bound.sender,
        "customer": bound.customer,
        "outcome": result.outcome,
        "shown_to_the_model": seen,
        "detail": result.detail,
        "rows": [dict(row.values) for row in result.rows],
        "changes": result.staged.changes if result.staged else [],
        "amount": result.staged.amount if result.staged else None,
        "currency": result.staged.currency if result.staged else None,
        "milliseconds": result.milliseconds,
        "tokens": -(-len(seen) // _CHARACTERS_A_TOKEN),
    }


def _show(result: ToolResult, bound: Bound) -> None:
    for line in _lines(result, bound):
        say(line)


def _lines(result: ToolResult, bound: Bound) -> Iterator[str]:
    told = _told(result, bound)
    who = f"as {bound.sender}" if bound.sender else "as nobody verified"
    customer = f", customer {bound.customer}" if bound.customer else ""
    yield f"{result.outcome}, {who}{customer}, {result.milliseconds} ms, about {told['tokens']} tokens"
    if result.detail:
        yield f"for you: {result.detail}"
    yield "the model sees:"
    yield from (f"  {line}" for line in told["shown_to_the_model"].splitlines())
    if result.staged is not None:
        yield "it would change, and was rolled back:"
        yield from changes(result.staged)
