"""Runs the migrations on the connection that `daemon.store.schema` gives; the engine's own tables are left alone."""

from typing import Any

from alembic import context

config = context.config


def _ours(name: str | None, kind: str, parents: Any) -> bool:
    del parents
    if kind == "schema":
        return name != "dbos"
    return kind != "table" or name in config.attributes["metadata"].tables


context.configure(
    connection=config.attributes["connection"],
    target_metadata=config.attributes["metadata"],
    include_name=_ours,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
