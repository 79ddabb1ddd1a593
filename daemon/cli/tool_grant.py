"""`triaged tools grant`: prints the SQL by which the owner of a database gives triaged what its tools reach."""

from typing import Annotated

import typer

from daemon import config as configuration
from daemon import release as releases
from daemon.cli.output import ConfigOption, resolve_config, say
from daemon.errors import NotFound, NotPossible
from tools import catalogue, grants, python
from tools import statement as statements
from tools.confine import Database
from tools.located import unknown

_USES = ("sender", "now")


def command(
    database: Annotated[str, typer.Option("--database", metavar="NAME", help="The [database.NAME].")],
    reader: Annotated[
        str, typer.Option("--reader", metavar="ROLE", help="Role that reads. Default: the user of `url`.")
    ] = "",
    writer: Annotated[
        str, typer.Option("--writer", metavar="ROLE", help="Role that writes. Default: the user of `write_url`.")
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Print the SQL that gives the roles of a database what its tools reach, and no more; nothing is run."""
    settings, document = configuration.read(resolve_config(config))
    known = releases.databases(settings, document)
    if database not in known:
        raise NotFound(unknown(database, known, "database"))
    chosen = known[database]
    tools = [
        each for each in catalogue.declared(settings.directory / "tools", known).values() if each.database == database
    ]
    if chosen.kind == "sqlite":
        writes = any(tool.kind == "write" for tool in tools)
        say(grants.sqlite(grants.Reach(writes=writes), path=chosen.url.removeprefix("sqlite:///")))
        return
    from tools.postgres_reach import reach

    more = [
        statements.parse(each.statement, chosen.kind, known=_USES)
        for each in settings.identity.values()
        if each.database == database
    ]
    more += [query for tool in tools for query in python.queries(tool.reads, chosen.kind)]
    reads = reader or _user(chosen, chosen.url, "--reader")
    writes_as = writer or (_user(chosen, chosen.write_url, "--writer") if chosen.write_url else reads)
    say(grants.postgresql(reach(chosen, tools, more), reader=reads, writer=writes_as))


def _user(database: Database, url: str, option: str) -> str:
    from sqlalchemy import make_url

    user = make_url(url).username
    if not user:
        raise NotPossible(f"The URL of `{database.name}` names no user. Name the role with {option}.")
    return user
