"""`triaged db`: the store's schema."""

import typer

from daemon import config as configuration
from daemon.cli.output import ConfigOption, resolve_config, say
from daemon.store import schema
from daemon.store.engine import prepared

app = typer.Typer(help="The store.")


@app.callback()
def group() -> None:
    """The store."""


@app.command()
def upgrade(config: ConfigOption = None) -> None:
    """Make the store, or bring its schema to this version. Stop the daemon first."""
    store = prepared(configuration.load(resolve_config(config)))
    try:
        before, after = schema.upgrade(store)
    finally:
        store.close()
    name = store.url.render_as_string(hide_password=True)
    if before is None:
        say(f"Made the store {name} with schema {after}.")
    elif before == after:
        say(f"The store {name} already has schema {after}.")
    else:
        say(f"Upgraded the store {name} from schema {before} to {after}.")
