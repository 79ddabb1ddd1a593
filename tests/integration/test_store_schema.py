"""The store's schema on both engines."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from daemon.errors import SchemaMismatch
from daemon.store import schema
from daemon.store.columns import Table
from daemon.store.engine import Store


def test_migrations_make_exactly_the_tables_that_the_code_declares(store: Store) -> None:
    with store.writer.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or name in Table.metadata.tables,
            },
        )
        assert compare_metadata(context, Table.metadata) == []


def test_a_second_upgrade_changes_nothing(store: Store) -> None:
    assert schema.upgrade(store) == (schema.needed(), schema.needed())
    schema.check(store)


@pytest.mark.parametrize(("version", "word"), [("0000", "newer"), (None, "empty")])
def test_a_store_that_is_ahead_or_empty_is_refused_with_the_command_that_helps(
    store: Store, version: str | None, word: str
) -> None:
    with store.writer.begin() as connection:
        connection.execute(sa.text("DELETE FROM alembic_version"))
        if version is not None:
            connection.execute(sa.text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})
    with pytest.raises(SchemaMismatch, match=word):
        schema.check(store)
