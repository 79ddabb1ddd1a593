"""`triaged handlers`: the kinds of work that the configuration declares."""

from contextlib import closing
from typing import Annotated, Any

import typer

from daemon import release as releases
from daemon.cli.output import ConfigOption, JsonOption, emit, resolve_config, say
from daemon.errors import NotFound
from handlers.contract import Handler, Limit
from tools import money
from tools.located import unknown

app = typer.Typer()

_LIST = {
    "name": "handler",
    "pattern": "pattern",
    "categories": "categories",
    "automatic": "automatic",
    "tools": "tools",
}
_CATEGORIES = {
    "name": "category",
    "auto": "automatic",
    "template": "template",
    "tools": "needs",
    "description": "what it is",
}


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the handlers."""
    release = releases.load(resolve_config(config))
    with closing(release.tools):
        rows = [_row(handler) for handler in release.handlers.values()]
        emit(rows, as_json=as_json, columns=_LIST, empty="No handler is configured: every mail is held.")


@app.command()
def show(name: Annotated[str, typer.Argument()], config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one handler: its categories, tools, limits and what holds a reply."""
    release = releases.load(resolve_config(config))
    with closing(release.tools):
        if name not in release.handlers:
            raise NotFound(unknown(name, release.handlers, "handler"))
        handler = release.handlers[name]
    if as_json:
        emit({**_row(handler), "categories": _categories(handler), **_rest(handler)}, as_json=True)
        return
    say(f"{handler.name}: {handler.description}\n")
    emit(_categories(handler), as_json=False, columns=_CATEGORIES)
    say("")
    emit(_rest(handler), as_json=False)


def _row(handler: Handler) -> dict[str, Any]:
    automatic = [category.name for category in handler.categories if category.auto != "off"]
    return {
        "name": handler.name,
        "description": handler.description,
        "pattern": handler.pattern,
        "languages": handler.languages,
        "categories": len(handler.categories),
        "automatic": automatic,
        "tools": len(handler.tools),
    }


def _categories(handler: Handler) -> list[dict[str, Any]]:
    return [
        {
            "name": category.name,
            "description": category.description,
            "auto": category.auto,
            "template": category.template,
            "tools": category.tools,
            "examples": len(category.examples),
        }
        for category in handler.categories
    ]


def _rest(handler: Handler) -> dict[str, Any]:
    return {
        "tools": handler.tools,
        "prefetch": handler.prefetch,
        "templates": sorted(handler.templates),
        "languages": handler.languages,
        "deadline": f"{handler.deadline // 60} min",
        "limits": [_limit(limit) for limit in handler.limits],
        "hold_when": handler.hold_when,
    }


def _limit(limit: Limit) -> str:
    """`refunds: 50.00 EUR for each sender in 24 h`."""
    amount = money.shown(limit.amount, limit.currency or "") if limit.amount is not None else ""
    most = " and ".join(filter(None, [amount, str(limit.count) if limit.count is not None else ""]))
    tool = f", {limit.tool} only" if limit.tool else ""
    return f"{limit.name}: {most} for each {limit.per} in {limit.window / 3600:g} h{tool}"
