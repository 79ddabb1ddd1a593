"""`triaged tools prove` finds a read that shows one customer another's row."""

import json
from pathlib import Path
from typing import Any

import pytest

from daemon import cli
from daemon.scaffold import directory as scaffold
from tests.fixtures import desk

CANARIES = 'canaries = ["ana@example.com", "Bob@Example.com"]\n'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    scaffold.write(tmp_path, values={("database", "shop"): {"url": "sqlite:///shop.db"}})
    desk.build_database(tmp_path / "shop.db")
    (tmp_path / "tools" / "shop.toml").write_text(desk.TOOLS)
    (tmp_path / "rules.toml").write_text("")
    return tmp_path


def prove(directory: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
    code = cli.invoke(["tools", "prove", *words, "--json", "--config", str(directory)])
    return code, {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def with_canaries(directory: Path) -> None:
    path = directory / "triaged.toml"
    path.write_text(path.read_text().replace("[database.shop]\n", f"[database.shop]\n{CANARIES}"))


def test_it_shows_what_a_tool_reaches_and_says_what_was_not_tried(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = prove(directory, capsys)
    assert code == 0
    assert "orders.total" in told["list_orders"]["reads"]
    assert told["request_refund"]["writes"] == ["refunds"]
    assert told["find_order"]["canaries"] == "not tried: Add canaries to [database.shop]."
    assert told["shop_hours"]["canaries"] == "not tried"


def test_the_sender_s_reads_are_disjoint(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_canaries(directory)
    code, told = prove(directory, capsys)
    assert code == 0
    assert {name: told[name]["outcome"] for name in ("find_customer", "find_order", "list_orders")} == {
        "find_customer": "disjoint",
        "find_order": "disjoint",
        "list_orders": "disjoint",
    }
    assert told["find_order"]["canaries"] == "disjoint: 3 rows of canaries, none of them another's."


@pytest.mark.parametrize(
    "leak", ["o.order_id = :order_id OR c.email = :sender", "o.order_id = :order_id AND :sender <> ''"]
)
def test_a_read_that_shows_another_s_row_is_a_fault(
    directory: Path, capsys: pytest.CaptureFixture[str], leak: str
) -> None:
    with_canaries(directory)
    path = directory / "tools" / "shop.toml"
    source = path.read_text()
    own = 'o.order_id = :order_id AND c.email = :sender\n"""\n[tool.params.order_id]'
    assert own in source
    path.write_text(source.replace(own, f'{leak}\n"""\n[tool.params.order_id]', 1))
    code, told = prove(directory, capsys, "find_order")
    assert code == 1
    assert told["find_order"]["outcome"] == "shared"
    assert "Compare the owner with `:sender`" in told["find_order"]["canaries"]


@pytest.mark.parametrize("canaries", ['["ana@example.com"]', '["a@x.example", "A@x.example"]', '["ana", "bob"]'])
def test_canaries_are_two_different_addresses(
    directory: Path, capsys: pytest.CaptureFixture[str], canaries: str
) -> None:
    path = directory / "triaged.toml"
    path.write_text(path.read_text().replace("[database.shop]\n", f"[database.shop]\ncanaries = {canaries}\n"))
    assert cli.invoke(["tools", "prove", "--config", str(directory)]) == 1
    assert "canaries" in capsys.readouterr().err
