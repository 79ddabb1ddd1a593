"""What `triaged tools grant` prints is enough for every tool on a real PostgreSQL, and for nothing else."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from daemon import cli
from daemon.scaffold import directory as scaffold
from tests.fixtures.business import TOOLS, Business, bound, plain_url, staging
from tools.apply import Applied, apply
from tools.catalogue import load
from tools.confine import Database
from tools.outcome import Refused
from tools.read import read

ROLES = ("granted_reader", "granted_writer")
CODE = """
[[tool]]
kind = "python"
name = "sold"
description = "What was sold."
database = "shop"
scope = "public"
function = "sold:sold"
reads = ["items.sku"]
returns = ["sku"]
"""
SOLD = """
from tools.python import tool

@tool()
def sold(arguments, bound, connection):
    return connection.fetch("SELECT sku FROM items")
"""
LEDGERLESS = ("DROP TABLE triaged_ledger",)


def as_role(business: Business, role: str) -> str:
    return business.database.url.replace("postgres@", f"{role}@")


@pytest.fixture
def directory(postgres_business: Business, tmp_path: Path) -> Iterator[Path]:
    """A configuration whose roles may nothing yet, but connect."""
    for role in ROLES:
        postgres_business.run(f"CREATE ROLE {role} LOGIN")
    postgres_business.run(*LEDGERLESS)
    urls = {
        "url": as_role(postgres_business, "granted_reader"),
        "write_url": as_role(postgres_business, "granted_writer"),
    }
    scaffold.write(tmp_path / "etc", values={("database", "shop"): urls})
    (tmp_path / "etc" / "tools" / "shop.toml").write_text(TOOLS + CODE)
    (tmp_path / "etc" / "tools" / "sold.py").write_text(SOLD)
    yield tmp_path / "etc"
    for role in ROLES:
        postgres_business.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def grant(directory: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.invoke(["tools", "grant", "--database", "shop", "--config", str(directory)]) == 0
    return capsys.readouterr().out


def test_with_the_printed_sql_every_tool_works_and_nothing_else(
    directory: Path, postgres_business: Business, capsys: pytest.CaptureFixture[str]
) -> None:
    business, printed = postgres_business, grant(directory, capsys)
    business.run(printed)
    business.run(printed)  # again: it is so already
    assert printed == grant(directory, capsys)
    database = Database(
        name="shop", url=as_role(business, "granted_reader"), write_url=as_role(business, "granted_writer")
    )
    with load(directory / "tools", {"shop": database}) as catalogue:
        assert read(catalogue["find_order"], {"order_id": "1001"}, bound(), catalogue).rows
        assert len(read(catalogue["list_orders"], {}, bound(), catalogue).rows) == 2
        assert len(read(catalogue["sold"], {}, bound(None), catalogue).rows) == 4
        put = staging(catalogue)
        assert put("move_house", city="Rome").changes
        assert put("forget_order", order_id="1001").changes
        writes = [put("cancel_order", order_id="1001"), put("refund_order", order_id="1002")]
        assert apply(writes, catalogue, key="d:1") == Applied(key="d:1")
        with pytest.raises(Refused):
            put("cancel_order", order_id="2001")
    refused = {
        "granted_reader": ["SELECT city FROM customers", "SELECT * FROM items", "UPDATE orders SET status = 'x'"],
        "granted_writer": ["UPDATE orders SET total = 0", "SELECT * FROM history", "UPDATE customers SET email = 'x'"],
    }
    for role, statements in refused.items():
        with psycopg.connect(plain_url(as_role(business, role)), autocommit=True) as connection:
            for statement in statements:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
            assert connection.execute("SELECT count(email) FROM customers").fetchone() == (0,)
    assert business.run("SELECT count(*) FROM customers") == [(2,)]


def test_sqlite_needs_its_ledger_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scaffold.write(tmp_path, values={("database", "shop"): {"url": "sqlite:////srv/shop.db"}})
    (tmp_path / "tools" / "shop.toml").write_text(TOOLS)
    told = grant(tmp_path, capsys)
    assert "chmod 660 /srv/shop.db" in told
    assert "CREATE TABLE IF NOT EXISTS triaged_ledger" in told


def test_an_unknown_database_is_told(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["tools", "grant", "--database", "shp", "--config", str(directory)]) == 2
    assert "Did you mean `shop`?" in capsys.readouterr().err
