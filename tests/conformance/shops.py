"""Retail databases on both engines, which can be put back as they were."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.conformance.rows import COMPARED, LOADED, Flat, Rows, Values, of
from tests.fixtures.postgres import fresh_database
from tools import ledger
from tools.confine import LEDGER, Database

FOLDER = Path(__file__).parent
"""Where the schema and the declarations are."""
_READER, _WRITER = "retail_reader", "retail_writer"
_GRANTS = f"""
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {_READER}, {_WRITER};
REVOKE ALL ON {LEDGER} FROM {_READER};
GRANT UPDATE ON users, orders, order_items, payment_methods TO {_WRITER};
GRANT INSERT ON payments, exchanged_items, returned_items, {LEDGER} TO {_WRITER};
"""
_PRISTINE = "CREATE SCHEMA pristine; " + " ".join(
    f"CREATE TABLE pristine.{table} AS TABLE {table};" for table in LOADED
)
_RESET = f"TRUNCATE {', '.join(LOADED)}, exchanged_items, returned_items, {LEDGER}; " + " ".join(
    f"INSERT INTO {table} TABLE pristine.{table};" for table in LOADED
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One database, as the tools see it and as its owner does."""

    database: Database
    rows: Callable[[], Rows]
    """All rows, by the names of COMPARED."""
    reset: Callable[[], None]
    """Put back the rows of the reference."""


def sqlite_shop(flat: Flat, folder: Path) -> Shop:
    """A file in `folder` with these rows."""
    template, path = folder / "template.db", folder / "retail.db"
    with closing(sqlite3.connect(template)) as connection, connection:
        connection.executescript((FOLDER / "schema.sql").read_text() + ledger.DDL)
        for insert, values in _inserts(flat, "?"):
            connection.executemany(insert, values)

    def rows() -> Rows:
        with closing(sqlite3.connect(path)) as connection:
            return {name: connection.execute(sql).fetchall() for name, sql in COMPARED.items()}

    def reset() -> None:
        copy = path.with_suffix(".new")
        shutil.copy(template, copy)
        copy.replace(path)

    reset()
    return Shop(database=Database(name="retail", url=f"sqlite:///{path}"), rows=rows, reset=reset)


@contextmanager
def postgres_shop(flat: Flat, port: int) -> Iterator[Shop]:
    """A database of the cluster with these rows; the tools see it through two roles that may do just what they need."""
    with fresh_database(port) as url, psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute((FOLDER / "schema.sql").read_text())
        owner.execute(ledger.DDL)
        for role in (_READER, _WRITER):
            owner.execute(f"DROP ROLE IF EXISTS {role}")
            owner.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS")
        owner.execute(_GRANTS)
        with owner.transaction(), owner.cursor() as cursor:
            for insert, values in _inserts(flat, "%s"):
                cursor.executemany(insert, values)
        owner.execute(_PRISTINE)

        def rows() -> Rows:
            return {name: owner.execute(sql).fetchall() for name, sql in COMPARED.items()}

        def reset() -> None:
            owner.execute(_RESET)

        reader, writer = (url.replace("postgres@", f"{role}@") for role in (_READER, _WRITER))
        yield Shop(database=Database(name="retail", url=reader, write_url=writer), rows=rows, reset=reset)


def _inserts(flat: Flat, mark: str) -> Iterator[tuple[str, list[Values]]]:
    for table, columns in LOADED.items():
        insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"
        yield insert, [row[: len(columns)] for row in of(table, flat)]
