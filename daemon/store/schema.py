"""Keeps the store's schema at the version that this code needs: `triaged db upgrade`, and the check at start."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import daemon.store.tables  # noqa: F401 - fills the metadata
import migrations
from daemon.errors import SchemaMismatch
from daemon.store.columns import Table
from daemon.store.engine import Store, told
from daemon.store.queue import migrate as migrate_queue


def _alembic(connection: sa.Connection | None = None) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = Table.metadata
    return config


def needed() -> str:
    """The schema version that this code needs."""
    head = ScriptDirectory.from_config(_alembic()).get_current_head()
    assert head is not None
    return head


def found(store: Store) -> str | None:
    """The schema version that the store has; None for an empty one."""
    with told(str(store.url)), store.reader.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(store: Store) -> tuple[str | None, str]:
    """Bring the store to the version that this code needs; the version before and after.

    Raises:
        SchemaMismatch: the store is newer than this code.
    """
    before = found(store)
    if before is not None and before not in _known():
        raise SchemaMismatch(_ahead(before))
    with told(str(store.url)), store.writer.begin() as connection:
        command.upgrade(_alembic(connection), "head")
    migrate_queue(store)
    return before, needed()


def check(store: Store) -> None:
    """Refuse a store whose schema is not the needed one.

    Raises:
        SchemaMismatch: behind or ahead; the message says which command helps.
    """
    version = found(store)
    if version == needed():
        return
    if version is None:
        raise SchemaMismatch("The store is empty. Run `triaged db upgrade`.")
    if version not in _known():
        raise SchemaMismatch(_ahead(version))
    raise SchemaMismatch(
        f"The store has schema {version}, this version needs {needed()}. "
        "Stop the daemon, then run `triaged db upgrade`."
    )


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()}


def _ahead(version: str) -> str:
    return (
        f"The store has schema {version}, which a newer triaged made; this one needs {needed()}. "
        "Install the newer version again, or restore a backup."
    )
