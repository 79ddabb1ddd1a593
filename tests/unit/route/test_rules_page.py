"""The page on rules says what the code does."""

from pathlib import Path

from daemon.gate import checks
from daemon.gate.variables import VARIABLES, table
from daemon.gate.verdict import Reason
from daemon.route.declaration import RuleDeclaration
from tools.expression import FUNCTIONS

DOCS = Path(__file__).parents[3] / "docs"
RULES = (DOCS / "rules.md").read_text(encoding="utf-8")
GATE = (DOCS / "gate.md").read_text(encoding="utf-8")


def test_the_page_holds_the_table_of_variables() -> None:
    assert table() in RULES
    assert all(f"`{variable.name}`" in RULES for variable in VARIABLES)


def test_the_page_names_each_key_of_a_rule() -> None:
    assert all(f"| `{key}` |" in RULES for key in RuleDeclaration.model_fields)


def test_the_page_explains_the_functions_that_cel_does_not_have() -> None:
    assert all(name in FUNCTIONS and f"{name}(" in RULES for name in ("lower", "upper", "trim", "header"))


def test_the_page_on_the_gate_names_each_check_and_its_reasons() -> None:
    page = GATE.partition("## The checks")[2].partition("\n## ")[0]
    lines = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert list(lines) == [name for name, _ in checks.MAIL + checks.PROPOSAL]
    known = {reason.value for reason in Reason}
    named = {word for line in lines.values() for word in line.rsplit("|", 2)[1].split("`")[1::2]}
    assert named <= known
