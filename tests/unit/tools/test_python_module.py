"""Loading a Python tool: its module, its function, and parameters out of its model."""

from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from tools.parameter import Parameter
from tools.python_module import Unloadable, load, parameters

MODULE = """
from pydantic import BaseModel, Field
from tools.python import tool

class Parcel(BaseModel):
    weight: float = Field(gt=0, le=30, description="Kilograms.")

@tool(Parcel)
def quote(parcel, bound, connection):
    return [{"price": 5}]

@tool()
def hours(arguments, bound, connection):
    return []

def helper():
    pass
"""


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Everything(BaseModel):
    order_id: str = Field(pattern=r"^\d{4}$", description="The number.", json_schema_extra={"find": r"order (\d{4})"})
    count: int = Field(default=1, ge=1, le=9)
    share: float | None = None
    gift: bool = False
    day: date
    kind: Literal["one", "two"]
    only: Literal["x"] = "x"
    size: Size
    ids: Annotated[list[str], Field(max_length=3)] = []


def test_the_fields_of_a_model_become_parameters() -> None:
    found = parameters(Everything)
    assert found["order_id"] == Parameter(
        type="string", pattern=r"^\d{4}$", description="The number.", find=r"order (\d{4})"
    )
    assert found["count"] == Parameter(type="integer", min=1, max=9, required=False)
    assert found["share"] == Parameter(type="number", required=False)
    assert (found["gift"].type, found["day"].type) == ("boolean", "date")
    assert (found["kind"].values, found["only"].values, found["size"].values) == (("one", "two"), ("x",), ("s", "l"))
    assert found["ids"] == Parameter(type="list", max=3, items=Parameter(type="string"), required=False)


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("price", Decimal, "of a type that no tool takes"),
        ("either", int | str, "of a type that no tool takes"),
        ("inner", Everything, "of a type that no tool takes"),
        ("blob", bytes, "of a type that no tool takes"),
        ("any", Any, "of a type that no tool takes"),
        ("lists", list[list[str]], "A list of lists is not possible"),
        ("number", Literal[1, 2], "valid string"),
        ("sender", str, "`sender` is bound by the daemon"),
    ],
)
def test_a_field_that_no_parameter_can_be_is_told(name: str, kind: Any, told: str) -> None:
    fields: dict[str, Any] = {name: (kind, ...)}
    with pytest.raises(Unloadable, match=told):
        parameters(create_model("Model", **fields))


def test_a_module_of_the_folder_is_read_anew_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "shipping.py").write_text(MODULE)
    one = load("shipping:quote", tmp_path)
    assert one.params == {"weight": Parameter(type="number", max=30, description="Kilograms.")}
    assert load("shipping:hours", tmp_path).params == {}
    (tmp_path / "shipping.py").write_text(MODULE.replace('"price": 5', '"price": 6'))
    two = load("shipping:quote", tmp_path)
    assert one.source != two.source
    assert list(two.written.function(None, None, None)) == [{"price": 6}]
    assert [path.name for path in tmp_path.iterdir()] == ["shipping.py"]


@pytest.mark.parametrize(
    ("function", "source", "told"),
    [
        ("shipping:quota", MODULE, r"Unknown function `quota`. Did you mean `quote`\? Mark the function with @tool"),
        ("shipping:helper", MODULE, "Unknown function `helper`. Known: hours, quote."),
        ("shipping:quote", "1 / 0", "The module `shipping` can't be loaded: ZeroDivisionError"),
        ("shipping:quote", "def (", "The module `shipping` can't be loaded: SyntaxError"),
        ("shipping:quote", "raise SystemExit(3)", "The module `shipping` can't be loaded: SystemExit: 3"),
        ("no_such_module:quote", "", "The module `no_such_module` can't be loaded: ModuleNotFoundError"),
        ("json:loads", "", "Unknown function `loads`. Known: none."),
    ],
)
def test_what_is_no_tool_is_told(tmp_path: Path, function: str, source: str, told: str) -> None:
    (tmp_path / "shipping.py").write_text(source)
    with pytest.raises(Unloadable, match=told):
        load(function, tmp_path)
