"""A tool that is a Python function has a connection in its own confines, the caps of every tool, and a deadline."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from daemon import release
from daemon.scaffold import directory
from handlers.contract import Handler, Sender, ToolCall
from handlers.toolbox import Toolbox
from tests.fixtures.business import Business, bound
from tools.catalogue import Catalogue
from tools.confine import Deadline
from tools.located import Faults
from tools.outcome import UNIFORM, Failed, Refused
from tools.python import Connection
from tools.read import read

DECLARED = """
[[tool]]
kind = "python"
name = "spent"
description = "What a customer has spent."
database = "shop"
function = "totals:spent"
reads = ["orders.order_id", "orders.customer_id", "orders.total", "customers.customer_id", "customers.email"]
returns = ["order_id", "total"]
rows = 5
deadline = 5.0
[tool.columns]
total = { type = "money", currency = "EUR" }
"""
MODULE = """
import threading
from pydantic import BaseModel, Field, field_validator
from tools.python import Refused, tool

class Least(BaseModel):
    least: int = Field(ge=0)

    @field_validator("least")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("is odd")
        return value

SQL = '''SELECT o.order_id, o.total FROM orders o JOIN customers c ON c.customer_id = o.customer_id
         WHERE c.email = :sender AND o.total >= :least ORDER BY o.order_id'''

@tool(Least)
def spent(chosen, bound, connection):
    rows = connection.fetch(SQL, {"least": chosen.least})
    count = connection.fetch("SELECT count(*) AS n FROM orders")[0]["n"]
    return rows + [{"order_id": "sum of " + str(count), "total": sum(row["total"] for row in rows)}]
"""
BODY = """
from tools.python import Refused, tool
import threading
END = threading.Event()
@tool()
def spent(chosen, bound, connection):
    {body}
"""


def made(business: Business, body: str = "", declared: str = DECLARED) -> Catalogue:
    (business.folder / "totals.py").write_text(BODY.format(body=body) if body else MODULE)
    return business.load(declared)


@pytest.fixture
def spent(sqlite_business: Business) -> Iterator[Catalogue]:
    with made(sqlite_business) as catalogue:
        yield catalogue


def rows(catalogue: Catalogue, sender: str | None = "ana@example.com", **arguments: object) -> list[object]:
    return [dict(row) for row in read(catalogue["spent"], arguments, bound(sender), catalogue).rows]


def test_a_function_reads_what_is_the_senders(business: Business) -> None:
    with made(business) as catalogue:
        assert rows(catalogue, least=2000) == [
            {"order_id": "1002", "total": 5000},
            {"order_id": "sum of 3", "total": 5000},
        ]
        assert rows(catalogue, "bob@example.com", least=0)[0] == {"order_id": "2001", "total": 700}


def test_its_model_is_what_a_language_model_is_told(spent: Catalogue) -> None:
    assert spent["spent"].schema()["properties"] == {"least": {"type": "integer", "description": "At least 0."}}


@pytest.mark.parametrize("arguments", [{}, {"least": -2}, {"least": "2"}, {"least": 3}, {"least": 2, "sender": "b@x"}])
def test_arguments_that_the_model_does_not_take_refuse(spent: Catalogue, arguments: dict[str, object]) -> None:
    with pytest.raises(Refused):
        read(spent["spent"], arguments, bound(), spent)
    with pytest.raises(Refused, match="verified sender"):
        rows(spent, None, least=2)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT note FROM orders", "could not answer"),
        ("SELECT name FROM customers", "could not answer"),
        ("SELECT sku FROM items", "could not answer"),
        ("SELECT random() FROM orders", "could not answer"),
        ("DELETE FROM orders", "can only read"),
        ("SELECT 1; SELECT 2", "several|one statement|;"),
        ("SELECT :least FROM orders", "`:least`, which is not among"),
        ("SELECT {x} FROM orders", "{"),
    ],
)
def test_its_sql_is_held_to_the_declared_columns(sqlite_business: Business, sql: str, told: str) -> None:
    with made(sqlite_business, f'return connection.fetch("{sql}")') as catalogue, pytest.raises(Failed, match=told):
        rows(catalogue)


def test_on_postgresql_its_sql_is_held_to_the_role_and_can_not_write(postgres_business: Business) -> None:
    for sql in ("SELECT nextval('x')", "WITH d AS (DELETE FROM orders RETURNING 1) SELECT * FROM d"):
        with made(postgres_business, f'return connection.fetch("{sql}")') as catalogue, pytest.raises(Failed):
            rows(catalogue)
    body = "return [{'order_id': connection.fetch(\"SELECT current_setting('app.sender') AS s\")[0]['s'], 'total': 1}]"
    with made(postgres_business, body) as catalogue:
        assert rows(catalogue) == [{"order_id": "ana@example.com", "total": 1}]


def test_bound_values_can_not_be_chosen_and_a_public_tool_knows_nobody(sqlite_business: Business) -> None:
    body = 'return connection.fetch("SELECT order_id, total FROM orders", {"sender": "bob@example.com"})'
    with made(sqlite_business, body) as catalogue, pytest.raises(Failed, match="`sender` is bound"):
        rows(catalogue)
    public = DECLARED.replace("rows = 5", 'scope = "public"')
    with made(sqlite_business, 'return [{"order_id": bound.sender, "total": 0}]', public) as catalogue:
        assert rows(catalogue) == [{"order_id": None, "total": 0}]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("1 / 0", r"`spent` broke with ZeroDivisionError at totals.py:7. Correct it"),
        ("raise SystemExit(1)", "broke with SystemExit"),
        ("raise RuntimeError('secret')", "broke with RuntimeError"),
        ("return 5", "broke with TypeError"),
        ("return [5]", "broke with TypeError"),
        ("return [{'order_id': 1}]", "gave a row without `total`"),
        ("raise TimeoutError", "broke with TimeoutError"),
    ],
)
def test_a_function_that_breaks_is_a_failed_tool_and_tells_no_value(
    sqlite_business: Business, body: str, told: str
) -> None:
    with made(sqlite_business, body) as catalogue, pytest.raises(Failed, match=told) as error:
        rows(catalogue)
    assert "secret" not in str(error.value)


T = TypeVar("T")


async def test_a_refusal_of_a_function_is_the_uniform_sentence(sqlite_business: Business) -> None:
    with made(sqlite_business, "raise Refused('No such thing, Ana.')") as catalogue:

        async def here(work: Callable[[], T], /) -> T:
            return work()

        known = Sender(address="ana@example.com", verdict="verified")
        box = Toolbox(
            handler=Handler(name="desk", tools=("spent",)), catalogue=catalogue, bound=bound(), sender=known, run=here
        )
        result = await box.call(ToolCall(id="1", name="spent", arguments={}))
    assert (result.outcome, result.content, result.detail) == ("refused", UNIFORM, "No such thing, Ana.")


def test_rows_and_bytes_are_capped(sqlite_business: Business) -> None:
    endless = "return ({'order_id': str(n), 'total': n, 'more': 'x'} for n in __import__('itertools').count())"
    with made(sqlite_business, endless) as catalogue:
        found = read(catalogue["spent"], {}, bound(), catalogue)
        assert (len(found.rows), found.truncated, list(found.rows[0])) == (5, True, ["order_id", "total"])
    large = made(sqlite_business, "return [{'order_id': 'x' * 70_000, 'total': 1}]")
    with large, pytest.raises(Failed, match="larger than"):
        rows(large)


def test_one_that_is_late_three_times_in_a_row_is_switched_off_until_it_is_loaded_again(
    sqlite_business: Business,
) -> None:
    body = "END.wait(60) if bound.sender == 'ana@example.com' else None; return []"

    def call(catalogue: Catalogue, sender: str, seconds: float) -> str:
        try:
            return str(catalogue.functions["spent"]({}, bound(sender), Deadline(seconds), 5))
        except Failed as error:
            return str(error)

    with made(sqlite_business, body) as catalogue:
        calls = ["ana", "ana", "bob", "ana", "ana", "ana", "bob"]
        seen = [call(catalogue, f"{name}@example.com", 0.01 if name == "ana" else 60) for name in calls]
        late = "`spent` took longer than 0.01 s."
        off = "`spent` was late 3 times in a row and is switched off. Correct it and reload."
        assert seen == [late, late, "[]", late, late, late, off]
    with made(sqlite_business, body) as again:
        assert call(again, "bob@example.com", 60) == "[]"


def test_sql_is_not_begun_after_the_deadline_and_not_without_a_database(sqlite_business: Business) -> None:
    with made(sqlite_business) as catalogue:
        engine, touched = catalogue.engine("shop"), catalogue.touched["spent"]
        late = Connection(engine=engine, touched=touched, bound=bound(), deadline=Deadline(0))
        with pytest.raises(Failed, match="took longer than 0 s"):
            late.fetch("SELECT order_id FROM orders")
        alone = Connection(engine=None, touched=touched, bound=bound(), deadline=Deadline(60))
        with pytest.raises(Failed, match="declares no `database`"):
            alone.fetch("SELECT 1")


def test_a_query_is_cut_off_at_the_deadline(sqlite_business: Business) -> None:
    many = ", ".join(f"orders AS o{number}" for number in range(20))
    with made(sqlite_business) as catalogue:
        short = Connection(
            engine=catalogue.engine("shop"), touched=catalogue.touched["spent"], bound=bound(), deadline=Deadline(0.05)
        )
        with pytest.raises(Failed, match=r"took longer than 0\.05 s"):
            short.fetch(f"SELECT count(*) AS n FROM {many}")


@pytest.mark.parametrize(
    ("wrong", "line", "told"),
    [
        (("totals:spent", "totals:spend"), 7, "Did you mean `spent`?"),
        (("totals:spent", "totals"), 7, "`function`"),
        (("totals:spent", "absent:spent"), 7, "can't be loaded: ModuleNotFoundError"),
        (('"orders.total"', '"orders.sum"'), 8, "does not have these columns"),
        (('"orders.total"', '"triaged_ledger.draft"'), 8, "can't touch `triaged_ledger`"),
        (('"orders.total"', '"orders.total; DROP"'), 8, "`reads.2`"),
        (('database = "shop"\n', ""), 2, "`database` and `reads` belong together"),
        (('"shop"', '"shap"'), 6, "Did you mean `shop`?"),
        (("rows = 5", 'statement = "SELECT 1"'), 10, "`statement` does not belong to a python"),
        (("rows = 5", "params = {}"), 10, "`params` does not belong to a python"),
    ],
)
def test_faults_stand_at_their_line(sqlite_business: Business, wrong: tuple[str, str], line: int, told: str) -> None:
    with pytest.raises(Faults) as error:
        made(sqlite_business, declared=DECLARED.replace(*wrong)).close()
    (fault,) = error.value.faults
    assert (fault.line, told in fault.message) == (line, True), fault


def test_the_code_belongs_to_the_release_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.write(tmp_path / "config")
    installed = tmp_path / "site" / "triaged_test_totals.py"
    installed.parent.mkdir()
    monkeypatch.syspath_prepend(installed.parent)
    declared = DECLARED.replace("totals:", "triaged_test_totals:").replace('database = "shop"\n', "")
    declared = "\n".join(line for line in declared.splitlines() if not line.startswith("reads"))
    (tmp_path / "config" / "tools" / "totals.toml").write_text(declared)
    ids = set()
    for body in ("return []", "return [1]"):
        installed.write_text(BODY.format(body=body))
        sys.modules.pop(installed.stem, None)
        importlib.invalidate_caches()
        loaded = release.load(tmp_path / "config")
        ids.add(loaded.id)
        loaded.tools.close()
    assert len(ids) == 2
