"""docs/tools.md lists every key of a declaration, with its default and meaning, as the models have them."""

from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from tools import declaration, ledger
from tools.declaration import Table

DOCS = Path(__file__).parents[3] / "docs" / "tools.md"


def rows(model: type[Table]) -> list[str]:
    """The rows of the table in the docs."""
    return [
        f"| `{field.alias or name}` | {_default(field.get_default(call_default_factory=True))} | {field.description} |"
        for name, field in model.model_fields.items()
    ]


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None or (not value and not isinstance(value, bool)):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


@pytest.mark.parametrize(
    "model",
    [
        declaration.ToolTable,
        declaration.ParameterTable,
        declaration.ColumnTable,
        declaration.GuardTable,
        declaration.StepTable,
    ],
)
def test_the_keys_of_a_table_stand_in_the_docs_in_order(model: type[Table]) -> None:
    assert "\n".join(rows(model)) in DOCS.read_text(), "\n" + "\n".join(rows(model))


def test_the_ledger_stands_in_the_docs_as_it_is_made() -> None:
    assert f"{ledger.DDL};" in DOCS.read_text()
