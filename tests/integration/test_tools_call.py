"""`triaged tools call` shows what a model would see, keeps a write from happening, and is recorded."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from daemon import cli
from daemon import config as configuration
from daemon.scaffold import directory as scaffold
from daemon.store.engine import opened
from daemon.store.tables import Record
from tests.fixtures import desk
from tools.outcome import UNIFORM

ANA = ("--as", "Ana@Example.com")
LIST = """
[[tool]]
name = "sum_orders"
kind = "read"
description = "Orders."
database = "shop"
returns = ["order_id"]
statement = '''
SELECT o.order_id FROM orders o JOIN customers c USING (customer_id)
JOIN :order_ids AS wanted ON wanted.value = o.order_id
WHERE lower(c.email) = :sender
'''
[tool.params.order_ids]
type = "list"
items = { type = "string" }
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    scaffold.write(tmp_path, values={("database", "shop"): {"url": "sqlite:///shop.db"}})
    desk.build_database(tmp_path / "shop.db")
    (tmp_path / "tools" / "shop.toml").write_text(desk.TOOLS + LIST)
    (tmp_path / "rules.toml").write_text("")
    return tmp_path


def run(directory: Path, *words: str) -> int:
    return cli.invoke(["tools", *words, "--config", str(directory)])


def told(directory: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    run(directory, "call", *words, "--json")
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    return shown


def test_a_read_shows_the_rows_as_a_model_sees_them(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(directory, capsys, "find_order", "order_id=1001", *ANA)
    assert shown["outcome"] == "ok"
    assert shown["sender"] == "ana@example.com"
    assert shown["shown_to_the_model"].startswith('[CODE rows\norder: order_id="1001"; status="shipped"')
    assert shown["rows"][0]["total"] == 125050
    assert shown["tokens"] == -(-len(shown["shown_to_the_model"]) // 4)
    assert shown["milliseconds"] >= 0


def test_a_refusal_shows_both_texts(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(directory, "call", "find_order", "order_id=2001", *ANA) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "for you: No row for this sender." in lines
    assert f"  {UNIFORM}" in lines


def test_without_an_address_a_tool_of_the_sender_is_not_there(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = told(directory, capsys, "find_order", "order_id=1001")
    assert (shown["outcome"], shown["shown_to_the_model"], shown["rows"]) == ("refused", UNIFORM, [])
    assert told(directory, capsys, "shop_hours")["outcome"] == "ok"


def test_a_write_is_shown_and_has_not_happened(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(directory, "call", "request_refund", "order_id=1001", *ANA) == 0
    lines = capsys.readouterr().out
    assert "it would change, and was rolled back:" in lines
    assert "+ refunds order_id=1001, amount=125050" in lines
    with closing(sqlite3.connect(directory / "shop.db")) as shop:
        assert shop.execute("SELECT count(*) FROM refunds").fetchone() == (0,)


def test_values_are_read_as_the_parameters_are_declared(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for written in ("order_ids=1001, 1002", 'order_ids=["1001", "1002"]'):
        assert len(told(directory, capsys, "sum_orders", written, *ANA)["rows"]) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("find_orde", "order_id=1001"), 2, "Did you mean `find_order`?"),
        (("find_order", "1001"), 2, "`1001` is no argument. Write each as key=value."),
        (("find_order", "order_id=1001", "--as", "ana"), 2, "`ana` is no mail address."),
        (("find_order", "order_id=1001", "--mailbox", "suport"), 2, "Did you mean `support`?"),
    ],
)
def test_wrong_use_is_told(
    directory: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    assert run(directory, "call", *words) == code
    assert said in capsys.readouterr().err


def test_a_call_is_recorded_where_there_is_a_store(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(directory, "call", "find_order", "order_id=1001", *ANA) == 0
    assert "The call is not recorded." in capsys.readouterr().err
    assert cli.invoke(["db", "upgrade", "--config", str(directory)]) == 0
    assert run(directory, "call", "find_order", "order_id=1001", *ANA) == 0
    assert run(directory, "call", "find_order", "order_id=2001", *ANA) == 1
    with closing(opened(configuration.load(directory))) as store:
        records = store.read_now(lambda session: session.exec(select(Record)).all())
    assert [(record.kind, json.loads(record.facts)) for record in records if record.kind == "tool-called"] == [
        ("tool-called", {"tool": "find_order", "outcome": "ok", "rows": 1}),
        ("tool-called", {"tool": "find_order", "outcome": "refused", "rows": 0}),
    ]
