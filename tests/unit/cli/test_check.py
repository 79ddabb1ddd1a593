import json
import sqlite3
from pathlib import Path

import pytest

from daemon import cli
from daemon.scaffold import directory as scaffold
from tools import ledger

TOOLS = """\
[[tool]]
name = "find_order"
kind = "read"
description = "One of the sender's orders."
database = "shop"
scope = "sender"
returns = ["order_id", "total"]
statement = "SELECT order_id, total FROM orders WHERE order_id = :order_id AND email = :sender"
[tool.params.order_id]
type = "string"
pattern = '\\d{4}'

[[tool]]
name = "cancel"
kind = "write"
description = "Cancel an order."
database = "shop"
scope = "sender"
impact = "customer"
[tool.params.order_id]
type = "string"
[[tool.guard]]
statement = "SELECT 1 FROM orders WHERE order_id = :order_id AND total > 100"
message = "The order is too large."
[[tool.step]]
statement = "UPDATE orders SET total = 0 WHERE order_id = :order_id AND email = :sender"
"""
HANDLER = """\
pattern = "agent"
description = "Orders."
tools = ["find_order", "cancel"]
languages = ["en"]

[[category]]
name = "status"
description = "Where is it?"
auto = "on"
template = "status"
tools = ["find_order"]
examples = ["Where is my order 1234?"]

[[limit]]
name = "replies"
per = "sender"
window = "24h"
count = 3
"""
RULES = '[[rule]]\nname = "all"\nwhen = "true"\nhandler = "orders"\n'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A small configuration without a fault."""
    scaffold.write(tmp_path, values={("database", "shop"): {"url": "sqlite:///shop.db"}})
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.executescript("CREATE TABLE orders (order_id TEXT PRIMARY KEY, email TEXT, total INTEGER);")
        shop.executescript(ledger.DDL)
    shop.close()
    (tmp_path / "tools" / "shop.toml").write_text(TOOLS)
    (tmp_path / "handlers" / "orders" / "templates").mkdir(parents=True)
    (tmp_path / "handlers" / "orders" / "handler.toml").write_text(HANDLER)
    (tmp_path / "handlers" / "orders" / "prompt.md").write_text("Answer.")
    (tmp_path / "handlers" / "orders" / "templates" / "status.md").write_text("Your order {{ order.order_id }}.")
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path


def _run(directory: Path, *words: str) -> int:
    return cli.invoke([*words, "--config", str(directory)])


def test_a_configuration_without_a_fault_is_summed_up(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(directory, "check") == 0, capsys.readouterr().err
    told = capsys.readouterr().out
    assert "support: support@shop.example, lmtp 127.0.0.1:2424, shadow mode" in told
    assert "shop: sqlite, 2 tools" in told
    assert "orders: 1 categories, automatic: status" in told
    assert told.endswith("No faults.\n")


def test_the_summary_as_json_names_everything_and_no_credential(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(directory, "check", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["faults"] == []
    assert told["tools"] == ["find_order", "cancel"]
    assert told["databases"] == {"shop": "sqlite"}


def test_faults_of_all_files_are_told_at_once_with_file_and_line(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "tools" / "shop.toml").write_text(
        TOOLS.replace("scope =", "scop =", 1).replace("orders SET", "order SET")
    )
    (directory / "tools" / "broken.toml").write_text("[[tool]\n")
    (directory / "rules.toml").write_text(
        RULES.replace('"orders"', '"oders"') + '[[rule]]\nname = "x"\nwhen = "subject ="\nhold = "x"\n'
    )
    assert _run(directory, "check") == 1
    told = capsys.readouterr().err.replace(f"{directory}/", "").splitlines()
    assert "tools/broken.toml:1: This is not valid TOML" in told[0]
    assert any(line.startswith("tools/shop.toml:6: Unknown key `scop`. Did you mean `scope`?") for line in told)
    assert any(line.startswith("rules.toml:4: Unknown handler `oders`. Did you mean `orders`?") for line in told)
    assert any(line.startswith("rules.toml:7:") for line in told)
    assert told[-1] == f"{len(told) - 1} faults. Correct them and try again."


def test_faults_as_json_have_file_line_and_message(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "rules.toml").write_text(RULES.replace('"orders"', '"oders"'))
    assert _run(directory, "check", "--json") == 1
    (fault,) = json.loads(capsys.readouterr().out)["faults"]
    assert fault == {
        "file": f"{directory}/rules.toml",
        "line": 4,
        "message": "Unknown handler `oders`. Did you mean `orders`?",
    }


def test_sql_that_does_not_prepare_is_a_fault_on_its_line(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "tools" / "shop.toml").write_text(
        TOOLS.replace("SELECT order_id, total FROM", "SELECT order_id, totl FROM")
    )
    assert _run(directory, "check") == 1
    assert (
        "tools/shop.toml:8: The statement does not prepare on `shop`: no such column: totl" in capsys.readouterr().err
    )


# --- handlers and tools ----------------------------------------------------------------------------------------------


def test_handlers_are_listed_and_shown(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(directory, "handlers", "list") == 0
    assert capsys.readouterr().out.splitlines()[1] == "orders\tagent\t1\tstatus\t2"
    assert _run(directory, "handlers", "show", "orders") == 0
    told = capsys.readouterr().out
    assert "status\ton\tstatus\tfind_order\tWhere is it?" in told
    assert "replies: 3 for each sender in 24 h" in told
    assert _run(directory, "handlers", "show", "orders", "--json") == 0
    assert json.loads(capsys.readouterr().out)["categories"][0]["auto"] == "on"


def test_tools_are_listed_and_shown_with_their_sql(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(directory, "tools", "list") == 0
    assert capsys.readouterr().out.splitlines()[1] == "find_order\tread\tsender\tshop\torder_id\torders"
    assert _run(directory, "tools", "show", "cancel") == 0
    told = capsys.readouterr().out
    assert "The order is too large." in told
    assert "UPDATE orders SET total = 0" in told
    assert _run(directory, "tools", "show", "find_order", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["reads_tables"] == ["orders"]
    assert list(shown["schema"]["properties"]) == ["order_id"]


@pytest.mark.parametrize(
    ("words", "near"), [(("tools", "show", "find_ordr"), "find_order"), (("handlers", "show", "order"), "orders")]
)
def test_a_name_that_does_not_exist_is_told_the_nearest(
    directory: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], near: str
) -> None:
    assert _run(directory, *words) == 2
    assert f"Did you mean `{near}`?" in capsys.readouterr().err
