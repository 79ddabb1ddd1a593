"""`triaged tools`: the declared reads and writes on the business databases."""

from contextlib import closing
from typing import Annotated, Any

import typer

from daemon import release as releases
from daemon.cli import tool_call, tool_grant, tool_prove
from daemon.cli.output import ConfigOption, JsonOption, emit, resolve_config, say
from daemon.errors import NotFound
from daemon.release import Release
from tools.located import unknown
from tools.tool import Tool

app = typer.Typer()

_LIST = {
    "name": "tool",
    "kind": "kind",
    "scope": "scope",
    "database": "database",
    "params": "parameters",
    "used_by": "used by",
}


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the tools and which handlers use them."""
    release = releases.load(resolve_config(config))
    with closing(release.tools):
        rows = [_row(tool, release) for tool in release.tools.values()]
    emit(rows, as_json=as_json, columns=_LIST, empty="No tool is configured. Declare one in tools/NAME.toml.")


@app.command()
def show(name: Annotated[str, typer.Argument()], config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one tool: what a model may ask, what it runs, and which tables it reaches."""
    release = releases.load(resolve_config(config))
    with closing(release.tools):
        if name not in release.tools:
            raise NotFound(unknown(name, release.tools, "tool"))
        tool = release.tools[name]
    shown = {**_row(tool, release), **_details(tool, release)}
    if as_json:
        emit(shown, as_json=True)
        return
    statements = shown.pop("statements")
    del shown["schema"]
    emit(shown, as_json=False)
    for statement in statements:
        say(f"\n{statement}")


app.command("call")(tool_call.command)
app.command("prove")(tool_prove.command)
app.command("grant")(tool_grant.command)


def _row(tool: Tool, release: Release) -> dict[str, Any]:
    return {
        "name": tool.name,
        "kind": tool.kind,
        "scope": tool.scope,
        "database": tool.database,
        "description": tool.description,
        "params": list(tool.params),
        "used_by": [handler.name for handler in release.handlers.values() if tool.name in handler.tools],
    }


def _details(tool: Tool, release: Release) -> dict[str, Any]:
    touched = release.tools.touched[tool.name]
    own = {
        "read": {"result": tool.result, "returns": tool.returns, "rows": tool.rows},
        "write": {
            "guards": [guard.message for guard in tool.guards],
            "reversible": tool.reversible,
            "impact": tool.impact,
            "amount": tool.amount,
            "protected": tool.protected,
            "writes_tables": sorted(touched.written),
        },
    }
    return {
        **own[tool.kind],
        **({"function": tool.function} if tool.function else {}),
        "reads_tables": sorted({table for table, _ in touched.read}),
        "deadline": f"{tool.deadline:g} s",
        "schema": tool.schema(),
        "statements": [statement.source.strip() for statement in tool.statements()],
    }
