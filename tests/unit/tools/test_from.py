"""`from` says where the value of a write's parameter may come from, and is refused where it means nothing."""

from pathlib import Path

import pytest

from tests.fixtures import desk
from tools import catalogue
from tools.located import Faults

PARAMETER = "[tool.params.order_id]\ntype = \"string\"\npattern = '^\\d{4}$'\n"


def load(folder: Path, extra: str, *, write: bool = True) -> catalogue.Catalogue:
    database = desk.build_database(folder / "shop.db")
    before, after = desk.TOOLS.rsplit(PARAMETER, 1) if write else desk.TOOLS.split(PARAMETER, 1)
    (folder / "tools").mkdir()
    (folder / "tools" / "shop.toml").write_text(before + PARAMETER + extra + after, encoding="utf-8")
    return catalogue.load(folder / "tools", {"shop": database})


def test_a_write_says_where_its_arguments_may_come_from(tmp_path: Path) -> None:
    with load(tmp_path, 'from = ["rows"]\n') as tools:
        assert tools["request_refund"].params["order_id"].accepts() == {"rows"}
        assert tools["find_order"].params["order_id"].accepts() == {"sender", "rows"}


@pytest.mark.parametrize(
    ("extra", "write", "told"),
    [
        ('from = ["rows"]\n', False, "`from` belongs to a parameter of a write"),
        ('from = ["history"]\n', True, "from"),
        ("from = []\n", True, "from"),
        ('words = { yes = ["ja"] }\n', True, "`words` has a value that is not among `values`"),
    ],
)
def test_what_means_nothing_is_refused_with_its_line(tmp_path: Path, extra: str, write: bool, told: str) -> None:  # noqa: FBT001
    with pytest.raises(Faults) as caught:
        load(tmp_path, extra, write=write)
    assert all("shop.toml:" in str(fault) for fault in caught.value.faults)
    assert told in str(caught.value.faults[0])


@pytest.mark.parametrize(
    ("scope", "note", "found"),
    [
        ("sender", "untrusted = true", set()),
        ("sender", 'untrusted = true, author = "others"', {"opens"}),
        ("public", "untrusted = true", {"opens"}),
        ("public", "max_length = 9", set()),
    ],
)
def test_text_of_others_is_what_they_may_have_written(tmp_path: Path, scope: str, note: str, found: set[str]) -> None:
    database = desk.build_database(tmp_path / "shop.db")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "shop.toml").write_text(
        f"""
[[tool]]
name = "shop_hours"
kind = "read"
description = "When."
database = "shop"
scope = "{scope}"
returns = ["day", "opens"]
statement = "SELECT day, opens FROM hours{" WHERE day = :sender" if scope == "sender" else ""}"
[tool.columns]
opens = {{ {note} }}
""",
        encoding="utf-8",
    )
    with catalogue.load(tmp_path / "tools", {"shop": database}) as tools:
        assert tools["shop_hours"].of_others() == found
        (tmp_path / "tools" / "shop.toml").write_text(
            (tmp_path / "tools" / "shop.toml").read_text().replace(note, 'author = "others"')
        )
        with pytest.raises(Faults, match="A column that others write is not to be trusted"):
            catalogue.load(tmp_path / "tools", {"shop": database})
