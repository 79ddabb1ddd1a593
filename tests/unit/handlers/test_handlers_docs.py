import re
from pathlib import Path

from handlers import templates
from handlers.declaration import HandlerTable
from tools import located

PAGE = Path(__file__).parents[3] / "docs" / "handlers.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_the_example_on_the_page_is_a_handler() -> None:
    (toml,) = [block for kind, block in BLOCKS if kind == "toml"]
    table = located.validate(located.parse(toml, PAGE), HandlerTable)
    assert [category.name for category in table.category] == ["move"]


def test_every_key_stands_on_the_page() -> None:
    assert all(f"{key} = " in TEXT or f"[[{key}]]" in TEXT for key in HandlerTable.model_fields)


def test_the_template_on_the_page_compiles() -> None:
    (source,) = [block for _, block in BLOCKS if "{% if" in block]
    templates.compiled(source)
