"""Loading: every fault at once, each with its line and a sentence."""

from pathlib import Path

import pytest

from tests.fixtures.business import TOOLS, Business
from tools.catalogue import load
from tools.confine import Database
from tools.located import Faults

GOOD = """
[[tool]]
name = "find_order"
kind = "read"
description = "One order."
database = "shop"
returns = ["order_id"]
statement = "SELECT order_id FROM orders JOIN customers USING (customer_id) WHERE email = :sender"
"""
WRITE = """
[[tool]]
name = "change"
kind = "write"
description = "A change."
database = "shop"
[[tool.step]]
statement = "UPDATE customers SET city = 'x' WHERE email = :sender"
"""


@pytest.mark.parametrize(
    ("wrong", "line", "told"),
    [
        (GOOD.replace("kind", "kinde"), 4, "Did you mean `kind`?"),
        (GOOD.replace('"read"', '"red"'), 4, "kind"),
        (GOOD.replace('"shop"', '"shap"'), 6, "Did you mean `shop`?"),
        (GOOD.replace('"find_order"', '"Find order"'), 3, "`name`"),
        (
            GOOD.replace(":sender", ":sendr"),
            2,
            "`:sendr` is not declared. Unknown parameter",
        ),
        (GOOD.replace(":sender", "'x'"), 2, "No statement uses `:sender`"),
        (GOOD.replace("order_id FROM", "order_id, missing FROM"), 8, "no such column: missing"),
        (
            GOOD.replace('["order_id"]', '["order"]'),
            8,
            "Unknown column of the statement `order`.",
        ),
        (GOOD.replace("SELECT", "SELECT 1; SELECT"), 8, "several statements"),
        (GOOD.replace(":sender", "'{sender}'"), 8, "inside quotes"),
        (GOOD.replace('returns = ["order_id"]', ""), 2, "has no `returns`"),
        (GOOD + "reversible = true\n", 9, "`reversible` does not belong to a read"),
        (GOOD + '[tool.params.sender]\ntype = "string"\n', 9, "bound by the daemon"),
        (GOOD + '[tool.params.lost]\ntype = "string"\n', 9, "no statement uses `:lost`"),
        (GOOD + '[tool.params.x]\ntype = "enum"\n', 9, "an enum needs it"),
        (GOOD + '[tool.params.x]\ntype = "string"\npattern = "("\n', 11, "not a regular expression"),
        (GOOD + '[tool.params.x]\ntype = "string"\nfind = "x"\n', 9, "exactly one group"),
        (GOOD + '[tool.columns]\ntotal = { type = "money" }\n', 10, "needs `currency`"),
        (GOOD + "[tool.columns]\ntotal = { }\n", 10, "Unknown column of `returns` `total`"),
        (GOOD + GOOD, 11, "declared twice"),
        (GOOD + "\n[tools]\n", 10, "Did you mean `tool`?"),
        ("tool = 3\n", 1, "Write [[tool]]"),
        ("[[tool]\n", 1, "not valid TOML"),
        (
            WRITE.replace("UPDATE customers SET city = 'x'", "SELECT 1 FROM customers"),
            7,
            "A step of `change` is a SELECT",
        ),
        (WRITE.replace("[[tool.step]]", "[[tool.guard]]\nmessage = 'x'"), 2, "has no `step`"),
        (WRITE.replace("[[tool.step]]", 'amount = "x"\n[[tool.step]]'), 7, "Unknown parameter `x`"),
        (WRITE.replace("[[tool.step]]", 'protected = ["citty"]\n[[tool.step]]'), 7, "Did you mean `city`?"),
        (WRITE.replace("[[tool.step]]", 'statement = "SELECT 1"\n[[tool.step]]'), 7, "does not belong to a write"),
        (
            WRITE.replace(
                "UPDATE customers SET city = 'x' WHERE email", "UPDATE triaged_ledger SET state = 'x' WHERE draft"
            ),
            2,
            "can't touch `triaged_ledger`",
        ),
        (WRITE + '[[tool.guard]]\nmessage = "x"\nstatement = "DELETE FROM orders"\n', 2, "Only a step may"),
    ],
)
def test_a_fault_is_told_with_its_line(sqlite_business: Business, wrong: str, line: int, told: str) -> None:
    with pytest.raises(Faults) as faults:
        sqlite_business.load(wrong)
    lines = {(fault.line, told in fault.message) for fault in faults.value.faults}
    assert (line, True) in lines, str(faults.value)


def test_every_fault_is_told_at_once(sqlite_business: Business) -> None:
    (sqlite_business.folder / "more.toml").write_text("[[tool]]\nkind = 1\n")
    with pytest.raises(Faults) as faults:
        sqlite_business.load(GOOD.replace("FROM orders", "FROM nowhere") + WRITE.replace("kind", "kand"))
    assert len({fault.path.name for fault in faults.value.faults}) == 2
    assert len(faults.value.faults) >= 5


def test_a_missing_ledger_is_a_fault_that_prints_its_sql(sqlite_business: Business) -> None:
    sqlite_business.run("DROP TABLE triaged_ledger")
    sqlite_business.load(GOOD)
    with pytest.raises(Faults, match="CREATE TABLE IF NOT EXISTS triaged_ledger"):
        sqlite_business.load(WRITE)


def test_a_folder_that_is_not_there_is_an_empty_catalogue(tmp_path: Path) -> None:
    assert len(load(tmp_path / "tools", {"shop": Database(name="shop", url="sqlite:////nowhere")})) == 0


def test_the_catalogue_knows_what_each_tool_reaches(sqlite_business: Business) -> None:
    catalogue = sqlite_business.load()
    assert list(catalogue)[:2] == ["find_order", "list_orders"]
    assert catalogue.touched["find_order"].columns[-1] == "name"
    assert ("orders", "total") in catalogue.touched["find_order"].read
    assert catalogue.touched["forget_order"].written == {"orders", "items"}


def test_bound_names_are_never_in_a_schema(sqlite_business: Business) -> None:
    for tool in sqlite_business.load().values():
        assert not {"sender", "customer", "conversation", "now"} & tool.schema()["properties"].keys()
        assert tool.schema()["required"] == list(tool.schema()["properties"])


def test_a_statement_may_differ_for_each_engine(sqlite_business: Business) -> None:
    both = GOOD.replace('"SELECT', '{ sqlite = "SELECT').replace(':sender"', ':sender", postgresql = "SELECT now()" }')
    assert "find_order" in sqlite_business.load(both)
    with pytest.raises(Faults, match="no statement for sqlite"):
        sqlite_business.load(GOOD.replace('"SELECT', '{ postgresql = "SELECT').replace(':sender"', ':sender" }'))


def test_the_name_of_rows_is_the_tools_without_its_verb(sqlite_business: Business) -> None:
    catalogue = sqlite_business.load()
    assert catalogue["find_order"].result == "order"
    assert catalogue["list_orders"].result == "orders"


def test_the_digest_of_a_tool_changes_with_its_statements_only(sqlite_business: Business) -> None:
    digests = {
        sqlite_business.load(text)["find_order"].digest()
        for text in (TOOLS, TOOLS.replace("One order.", "An order."), TOOLS.replace("o.note, c.name", "o.note"))
    }
    assert len(digests) == 2


def test_a_file_that_this_user_may_not_write_is_a_fault_for_writes_only(
    sqlite_business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    sqlite_business.load(GOOD)
    with pytest.raises(Faults, match="may not write the file"):
        sqlite_business.load(WRITE)


def test_a_table_whose_rows_can_not_be_told_apart_is_a_fault(sqlite_business: Business) -> None:
    sqlite_business.run("CREATE TABLE hidden (rowid TEXT, _rowid_ TEXT, oid TEXT, email TEXT)")
    with pytest.raises(Faults, match="hides its row id"):
        sqlite_business.load(WRITE.replace("customers SET city", "hidden SET oid"))
