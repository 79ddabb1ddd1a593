"""What a connection of a tool can't do, on the engine itself: past the parser, with the worst statement."""

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.fixtures import escapes
from tests.fixtures.business import Business, bound, plain_url
from tools.catalogue import load
from tools.confine import Database, Deadline, Engine, Touched, connect
from tools.located import Faults
from tools.outcome import Failed, Refused
from tools.read import read
from tools.stage import stage
from tools.statement import Statement, Unsound, parse

READ = """
[[tool]]
name = "look"
kind = "read"
description = "Look."
database = "shop"
scope = "public"
returns = ["it"]
{more}
statement = \"\"\"{statement}\"\"\"
"""


def test_a_read_that_is_more_than_a_query_is_a_fault_on_sqlite(sqlite_business: Business) -> None:
    for statement in escapes.BOTH:
        with pytest.raises(Faults):
            sqlite_business.load(READ.format(statement=statement, more="")).close()


def test_a_read_that_is_more_than_a_query_is_a_fault_on_postgresql(postgres_business: Business) -> None:
    for statement in escapes.BOTH:
        with pytest.raises(Faults):
            postgres_business.load(READ.format(statement=statement, more="")).close()


def _raw(sql: str) -> Statement:
    return Statement(source=sql, sql=sql, names=(), verb="select")


def _tried(engine: Engine, sql: str, touched: Touched) -> list[dict[str, object]] | None:
    """The rows, or None where the engine denies it."""
    try:
        with engine.reading(touched, bound().parameters(), Deadline(1)) as session:
            return session.fetch(_raw(sql), {}, 5)
    except (Failed, Refused):
        return None


def test_the_engine_itself_denies_it_on_sqlite(sqlite_business: Business, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    touched = Touched(read=frozenset({("orders", "order_id"), ("orders", "")}))
    engine = connect(sqlite_business.database)
    attacks = [sql for sql in escapes.BOTH if not sql.startswith(("EXPLAIN", "/*"))] + escapes.SQLITE
    assert {sql: rows for sql in attacks if (rows := _tried(engine, sql, touched)) is not None} == {}
    assert sqlite_business.run("SELECT count(*), sum(total) FROM orders") == [(3, 7699)]
    assert sqlite_business.run("SELECT count(*) FROM sqlite_master WHERE name LIKE 'loot%'") == [(0,)]
    assert sorted(tmp_path.rglob("*")) == before
    assert not list(Path("/tmp").glob("triaged-loot*"))


STATE = """
SELECT (SELECT count(*) FROM orders), (SELECT sum(total) FROM orders), (SELECT count(*) FROM items),
       (SELECT count(*) FROM pg_class WHERE relname LIKE 'loot%'),
       (SELECT count(*) FROM pg_roles WHERE rolname = 'loot'),
       (SELECT count(*) FROM pg_policy), (SELECT last_value FROM numbers), (SELECT count(*) FROM pg_prepared_xacts),
       (SELECT rolsuper FROM pg_roles WHERE rolname = 'shop_reader'), (SELECT count(*) FROM pg_largeobject_metadata)
"""


def test_a_connection_that_is_used_again_knows_nothing_of_the_call_before_on_sqlite(sqlite_business: Business) -> None:
    engine = connect(sqlite_business.database)
    orders, customers = "SELECT order_id FROM orders", "SELECT email FROM customers"
    reach = {
        orders: Touched(read=frozenset({("orders", "order_id"), ("orders", "")})),
        customers: Touched(read=frozenset({("customers", "email"), ("customers", "")})),
    }
    for sql, other in ((orders, customers), (customers, orders)) * 2:
        assert _tried(engine, sql, reach[sql])
        assert _tried(engine, other, reach[sql]) is None
        assert _tried(engine, sql, reach[sql])
    with pytest.raises(Failed, match="took longer"), engine.reading(reach[orders], {}, Deadline(0)) as session:
        session.fetch(_raw("SELECT o.order_id FROM orders o" + ", orders" * 12), {}, 5000)
    assert _tried(engine, orders, reach[orders])
    engine.close()
    assert _tried(engine, orders, reach[orders])


def test_a_file_that_was_put_in_place_of_another_is_read_on_sqlite(sqlite_business: Business) -> None:
    engine = connect(sqlite_business.database)
    touched = Touched(read=frozenset({("orders", "order_id"), ("orders", "")}))
    assert _tried(engine, "SELECT order_id FROM orders", touched)
    path = Path(sqlite_business.database.url.removeprefix("sqlite:///"))
    copy = path.with_suffix(".new")
    copy.write_bytes(path.read_bytes())
    sqlite_business.run("INSERT INTO orders VALUES ('3001', 1, 'new', 5, NULL, NULL)")
    assert len(_tried(engine, "SELECT order_id FROM orders", touched) or []) == 4
    copy.rename(path)
    assert len(_tried(engine, "SELECT order_id FROM orders", touched) or []) == 3
    path.unlink()
    assert _tried(engine, "SELECT order_id FROM orders", touched) is None
    engine.close()


def test_the_engine_itself_denies_it_on_postgresql(postgres_business: Business, role: Database) -> None:
    postgres_business.run(
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS 'DELETE FROM items RETURNING line'",
        "GRANT ALL ON numbers TO shop_reader",
        "GRANT DELETE, SELECT ON items TO shop_reader",
        "REVOKE SELECT ON items FROM shop_reader",
    )
    before = postgres_business.run(STATE)
    engine = connect(role)
    attacks = [*escapes.BOTH, *escapes.POSTGRESQL, *escapes.HARMLESS]
    let = {sql for sql in attacks if _tried(engine, sql, Touched()) is not None}
    assert let == set(escapes.HARMLESS)
    who = "SELECT current_setting('app.sender') AS who, current_user AS role, current_setting('is_superuser') AS super"
    assert _tried(engine, who, Touched()) == [{"who": "ana@example.com", "role": "shop_reader", "super": "off"}]
    assert _tried(engine, "SELECT email FROM customers", Touched()) == [{"email": "ana@example.com"}]
    engine.close()
    assert postgres_business.run(STATE) == before
    assert not list(Path("/tmp").glob("triaged-loot*"))
    postgres_business.run("DROP OWNED BY shop_reader")


@pytest.mark.parametrize("sql", [sql for sql, why in escapes.HARMLESS.items() if "refused at load" in why])
def test_what_an_engine_would_let_a_query_do_is_refused_at_load(sql: str) -> None:
    with pytest.raises(Unsound):
        parse(sql, "postgresql")


def test_a_lock_that_outlives_its_call_is_refused_at_load() -> None:
    with pytest.raises(Unsound, match="pg_advisory_lock"):
        parse("SELECT pg_advisory_lock(1) AS it", "postgresql")


def test_the_lists_of_attacks_are_long_enough_and_name_nothing_twice() -> None:
    for attacks in ([*escapes.BOTH, *escapes.SQLITE], [*escapes.BOTH, *escapes.POSTGRESQL]):
        assert len(attacks) == len(set(attacks)) >= 80


@pytest.mark.parametrize(
    "sql", ["SELECT note FROM orders", "SELECT email FROM customers", "SELECT upper(order_id) FROM orders"]
)
def test_a_column_table_or_function_that_was_not_proven_is_denied_on_sqlite(
    sqlite_business: Business, sql: str
) -> None:
    touched = Touched(read=frozenset({("orders", "order_id"), ("orders", "")}))
    engine = connect(sqlite_business.database)
    with pytest.raises(Failed), engine.reading(touched, {}, Deadline(2)) as session:
        session.fetch(_raw(sql), {}, 5)
    with engine.reading(touched, {}, Deadline(2)) as session:
        assert len(session.fetch(_raw("SELECT order_id FROM orders"), {}, 5)) == 3


def test_the_engine_itself_denies_changes_on_postgresql(postgres_business: Business) -> None:
    engine = connect(postgres_business.database)
    for sql in (
        *(
            "SELECT 1; DROP TABLE orders",
            "COMMIT; DROP TABLE orders",
            "SELECT 1) TO STDOUT; COMMIT",
            "DELETE FROM orders",
        ),
        *("WITH d AS (DELETE FROM orders RETURNING 1) SELECT * FROM d", "SELECT 1; COMMIT", "SELECT nextval('nope')"),
    ):
        with pytest.raises((Failed, Refused)), engine.reading(Touched(), {}, Deadline(2)) as session:
            session.fetch(_raw(sql), {}, 5)
    engine.close()
    assert postgres_business.run("SELECT count(*) FROM orders") == [(3,)]


def test_a_function_that_changes_rows_can_not_from_a_read_on_postgresql(postgres_business: Business) -> None:
    postgres_business.run(
        "CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS 'DELETE FROM items RETURNING line'",
    )
    with (
        postgres_business.load(READ.format(statement="SELECT sly() AS it", more="")) as catalogue,
        pytest.raises(Failed, match="read-only transaction"),
    ):
        read(catalogue["look"], {}, bound(), catalogue)
    assert postgres_business.run("SELECT count(*) FROM items") == [(4,)]


HEAVY = """SELECT count(*) AS it FROM items a, items b, items c, items d, items e, items f, items g, items h,
    items i, items j, items k, items l, items m, items n WHERE a.sku < b.sku || c.sku || n.sku || :conversation"""


def test_a_query_is_cut_off_at_its_deadline(business: Business) -> None:
    with business.load(READ.format(statement=HEAVY, more="deadline = 0.3")) as catalogue:
        begun = time.monotonic()
        with pytest.raises(Failed, match=r"longer than 0\.3 s"):
            read(catalogue["look"], {}, bound(), catalogue)
        assert time.monotonic() - begun < 1.5


def test_a_write_does_not_wait_for_a_lock_past_its_deadline(business: Business) -> None:
    tools = """
[[tool]]
name = "mark"
kind = "write"
description = "Mark."
database = "shop"
deadline = 0.3
[[tool.step]]
statement = "UPDATE customers SET city = 'x' WHERE email = :sender"
"""
    with business.load(tools) as catalogue:
        if business.postgresql:
            holder = psycopg.connect(plain_url(business.database.url))
            holder.execute("SELECT 1 FROM customers FOR UPDATE")
        else:
            import sqlite3

            holder = sqlite3.connect(business.database.url.removeprefix("sqlite:///"), isolation_level=None)  # type: ignore[assignment]
            holder.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.raises(Failed):
            stage(catalogue["mark"], {}, bound(), catalogue)
        assert time.monotonic() - begun < 1.5
        holder.close()
        assert stage(catalogue["mark"], {}, bound(), catalogue).changes


def test_rows_and_bytes_are_capped_and_the_cut_is_told(business: Business) -> None:
    statement = "SELECT order_id AS it FROM orders ORDER BY order_id"
    with business.load(READ.format(statement=statement, more="rows = 2")) as catalogue:
        rows = read(catalogue["look"], {}, bound(), catalogue)
        assert (len(rows.rows), rows.truncated) == (2, True)
    statement = "SELECT replace('" + "x" * 150 + "', 'x', 'yy') AS it FROM orders"
    with business.load(READ.format(statement=statement, more="bytes = 700")) as catalogue:
        rows = read(catalogue["look"], {}, bound(), catalogue)
        assert (len(rows.rows), rows.truncated) == (2, True)
    with (
        business.load(READ.format(statement=statement, more="bytes = 256")) as catalogue,
        pytest.raises(Failed, match="larger than 256 bytes"),
    ):
        read(catalogue["look"], {}, bound(), catalogue)


@pytest.fixture
def role(postgres_business: Business) -> Database:
    """A role with column grants and a row policy, as docs/tools.md recommends."""
    postgres_business.run(
        "DROP ROLE IF EXISTS shop_reader",
        "CREATE ROLE shop_reader LOGIN NOSUPERUSER NOBYPASSRLS",
        "GRANT SELECT (order_id, customer_id, status) ON orders TO shop_reader",
        "GRANT SELECT (customer_id, email) ON customers TO shop_reader",
        "ALTER TABLE customers ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON customers TO shop_reader USING (email = current_setting('app.sender', true))",
    )
    return Database(name="shop", url=postgres_business.database.url.replace("postgres@", "shop_reader@"))


def test_row_policies_know_the_sender_on_postgresql(postgres_business: Business, role: Database) -> None:
    statement = "SELECT o.order_id AS it FROM orders o JOIN customers c USING (customer_id)"
    (postgres_business.folder / "t.toml").write_text(READ.format(statement=statement, more=""))
    with load(postgres_business.folder, {"shop": role}) as catalogue:
        for sender, count in (("ana@example.com", 2), ("bob@example.com", 1), (None, 0), ("ana@example.com", 2)):
            assert len(read(catalogue["look"], {}, bound(sender), catalogue).rows) == count
    postgres_business.run("DROP OWNED BY shop_reader")


def test_a_column_that_is_not_granted_is_a_fault_at_start_on_postgresql(
    postgres_business: Business, role: Database
) -> None:
    (postgres_business.folder / "t.toml").write_text(READ.format(statement="SELECT total AS it FROM orders", more=""))
    with pytest.raises(Faults, match="permission denied for table orders"):
        load(postgres_business.folder, {"shop": role})
    postgres_business.run("DROP OWNED BY shop_reader")


def test_connections_that_the_server_closed_are_replaced_on_postgresql(postgres_business: Business) -> None:
    with postgres_business.load() as catalogue:
        assert read(catalogue["list_orders"], {}, bound(), catalogue).rows
        postgres_business.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'triaged'"
        )
        time.sleep(0.1)
        assert read(catalogue["list_orders"], {}, bound(), catalogue).rows


@pytest.mark.parametrize("path", ["missing.db", "text.db"])
def test_a_database_that_can_not_be_opened_is_one_fault(tmp_path: Path, path: str) -> None:
    (tmp_path / "text.db").write_text("This is no database. " * 100)
    (tmp_path / "t.toml").write_text(READ.format(statement="SELECT 1 AS it", more="") * 1)
    with pytest.raises(Faults, match="can't be opened") as told:
        load(tmp_path, {"shop": Database(name="shop", url=f"sqlite:///{tmp_path / path}")})
    assert len(told.value.faults) == 1


def test_a_server_that_does_not_answer_is_one_fault(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(READ.format(statement="SELECT 1 AS it", more=""))
    with pytest.raises(Faults, match="can't be opened"):
        load(tmp_path, {"shop": Database(name="shop", url="postgresql+psycopg://nobody@127.0.0.1:1/x")})


def test_a_file_whose_writer_was_killed_in_a_transaction_is_read_as_it_was_before(sqlite_business: Business) -> None:
    catalogue = sqlite_business.load(READ.format(statement="SELECT count(*) AS it FROM orders", more=""))
    path = sqlite_business.database.url.removeprefix("sqlite:///")
    killed = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA cache_size = 1')\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "connection.execute('CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "WHERE i < 5000) SELECT i, hex(randomblob(50)) AS it FROM n')\n"
        "connection.execute('DELETE FROM orders')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    rows = read(catalogue["look"], {}, bound(), catalogue).rows
    subprocess.run([sys.executable, "-c", killed, path], check=False)
    assert Path(path + "-journal").stat().st_size > 0
    assert read(catalogue["look"], {}, bound(), catalogue).rows == rows
