"""`triaged tools prove`: what each tool can reach, and whether two people ever get the same row."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from daemon import release as releases
from daemon.cli.output import ConfigOption, JsonOption, emit, resolve_config
from daemon.errors import NotFound
from daemon.inbound.address import normalise
from daemon.release import Release
from tools.bound import Bound
from tools.canary import Trial, tried
from tools.identity import find
from tools.located import unknown
from tools.tool import Tool

_LIST = {"name": "tool", "reads": "reads", "writes": "writes", "functions": "functions", "canaries": "canaries"}


def command(
    name: Annotated[str | None, typer.Argument(help="One tool. Default: all.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prepare every statement, show what each tool can reach, and run the sender's reads as the canaries."""
    release = releases.load(resolve_config(config))
    with closing(release.tools):
        if name is not None and name not in release.tools:
            raise NotFound(unknown(name, release.tools, "tool"))
        people = {database: list(_people(release, database)) for database in release.config.database}
        rows = [
            _row(tool, release, people.get(tool.database, []))
            for tool in release.tools.values()
            if name in {None, tool.name}
        ]
    emit(rows, as_json=as_json, columns=_LIST, empty="No tool is configured. Declare one in tools/NAME.toml.")
    if any(row["outcome"] == "shared" for row in rows):
        raise typer.Exit(1)


def _people(release: Release, database: str) -> Iterator[Bound]:
    """The canaries of a database, with the customers that they are."""
    now = datetime.now(UTC)
    proven = next((each for each in release.identities.values() if each.database == database), None)
    for address in release.config.database[database].canaries:
        sender = normalise(address)
        customer = find(proven, sender, now, release.tools).customer if proven else None
        yield Bound(sender=sender, customer=customer, conversation="tools-prove", now=now)


def _row(tool: Tool, release: Release, people: list[Bound]) -> dict[str, Any]:
    touched = release.tools.touched[tool.name]
    trial = _trial(tool, release, people)
    return {
        "name": tool.name,
        "kind": tool.kind,
        "scope": tool.scope,
        "reads": sorted(f"{table}.{column}" if column else table for table, column in touched.read),
        "writes": sorted(touched.written),
        "functions": sorted(touched.functions),
        "outcome": trial.outcome,
        "canaries": f"{trial.outcome}: {trial.told}" if trial.told else trial.outcome,
    }


def _trial(tool: Tool, release: Release, people: list[Bound]) -> Trial:
    if tool.kind == "write" or tool.scope == "public":
        return Trial(outcome="not tried", told="")
    if not people:
        return Trial(outcome="not tried", told=f"Add canaries to [database.{tool.database}].")
    return tried(tool, release.tools, people)
