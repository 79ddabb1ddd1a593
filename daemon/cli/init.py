"""`triaged init`: writes a configuration to start from."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.output import say
from daemon.scaffold import directory as scaffold

_NEXT = """\
Next:
  1. Set your address, mail server and databases in {directory}/triaged.toml
  2. triaged check --config {directory}         tells every fault of it at once
  3. triaged db upgrade --config {directory}    makes the store
  4. triaged try MAIL.eml --config {directory}  shows what would happen to a mail
  5. triaged run --config {directory}           runs the daemon in shadow mode: replies are drafted, nothing leaves
Before mode = "live": categories with auto = "on" (`triaged check` lists them) are then answered without a person.
"""


def command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write, such as /etc/triaged.")],
    example: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help=f"Add a packaged handler and its sample database: {', '.join(scaffold.EXAMPLES)}."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a directory that is not empty.")] = False,
) -> None:
    """Write a configuration: explained key by key, in shadow mode, from which nothing leaves."""
    written = scaffold.write(directory, example=example, force=force)
    say(f"Wrote {len(written)} files to {directory}.")
    say(_NEXT.format(directory=directory))
