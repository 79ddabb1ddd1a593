from collections.abc import Callable
from pathlib import Path

import pytest

from handlers import catalogue
from handlers.contract import Handler, Limit
from handlers.work import WORKS
from tests.fixtures import desk
from tools.catalogue import Catalogue
from tools.located import Faults

Told = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handlers").mkdir()
    return tmp_path / "handlers"


@pytest.fixture
def told(tools: Catalogue, folder: Path) -> Told:
    """The faults of the desk's handler after changes to its handler.toml, as `file:line: sentence`."""

    def load(*changes: tuple[str, str], **parts: object) -> list[str]:
        toml = desk.HANDLER
        for old, new in changes:
            assert old in toml
            toml = toml.replace(old, new, 1)
        desk.write_handler(folder / "desk", toml=toml, **parts)  # type: ignore[arg-type]
        with pytest.raises(Faults) as faults:
            catalogue.load(folder, tools, variables=frozenset({"sender", "sender.verdict"}))
        return [str(fault).removeprefix(f"{folder}/desk/") for fault in faults.value.faults]

    return load


def line(text: str) -> int:
    """Where that text stands in the desk's handler.toml."""
    return desk.HANDLER[: desk.HANDLER.index(text)].count("\n") + 1


def test_a_sound_folder_is_a_handler(tools: Catalogue, folder: Path) -> None:
    desk.write_handler(folder / "desk")
    handler: Handler = catalogue.load(folder, tools)["desk"]
    assert (handler.name, handler.pattern, handler.prompt) == ("desk", "agent", desk.PROMPT)
    assert handler.templates == desk.TEMPLATES
    assert handler.deadline == 7200
    assert handler.languages == ("en", "de")
    assert [category.auto for category in handler.categories] == ["on", "off", "off"]
    assert handler.limits == (
        Limit(name="refund-each", per="action", window=86400, amount=5000, currency="EUR", tool="request_refund"),
    )
    assert handler.path == folder / "desk"


def test_example_sentences_may_stand_in_files_of_their_own(tools: Catalogue, folder: Path) -> None:
    desk.write_handler(folder / "desk")
    name = catalogue.load(folder, tools)["desk"].categories[0].name
    (folder / "desk" / "examples").mkdir()
    (folder / "desk" / "examples" / f"{name}.txt").write_text("Where is it?\n\n  Wo bleibt es?  \n")
    assert catalogue.load(folder, tools)["desk"].categories[0].examples[-2:] == ("Where is it?", "Wo bleibt es?")


def test_examples_of_an_unknown_category_are_told_with_the_nearest_name(tools: Catalogue, folder: Path) -> None:
    desk.write_handler(folder / "desk")
    name = catalogue.load(folder, tools)["desk"].categories[0].name
    (folder / "desk" / "examples").mkdir()
    (folder / "desk" / "examples" / f"{name}s.txt").write_text("Where is it?\n")
    with pytest.raises(Faults, match=f"Did you mean `{name}`"):
        catalogue.load(folder, tools)


def test_no_folder_is_no_handler(tools: Catalogue, tmp_path: Path) -> None:
    assert catalogue.load(tmp_path / "none", tools) == {}


def test_files_and_hidden_folders_beside_the_handlers_are_left_alone(tools: Catalogue, folder: Path) -> None:
    (folder / "README.md").touch()
    (folder / ".git").mkdir()
    (folder / "__pycache__").mkdir()
    assert catalogue.load(folder, tools) == {}


def test_every_fault_of_every_handler_is_told_at_once(tools: Catalogue, folder: Path) -> None:
    desk.write_handler(folder / "one", toml="broken = ")
    desk.write_handler(folder / "two", toml='pattern = "agent"\ncolour = "red"')
    (folder / "three").mkdir()
    with pytest.raises(Faults) as faults:
        catalogue.load(folder, tools)
    assert len(faults.value.faults) == 4


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('pattern = "agent"', 'pattern = "agnet"', "Unknown pattern `agnet`. Did you mean `agent`?"),
        (
            '"find_customer", "find_order", "list',
            '"find_custmer", "find_order", "list',
            "Did you mean `find_customer`?",
        ),
        ('"shop_hours", ', '"shop_hours", "shop_hours", ', "`shop_hours` is named twice."),
        ('prefetch = ["find_customer"', 'prefetch = ["shop_hour"', "Did you mean `shop_hours`?"),
        ('prefetch = ["find_customer"', 'prefetch = ["request_refund"', "`request_refund` is a write"),
        ('template = "refund"', 'template = "refnd"', "Did you mean `refund`? Or write templates/refnd.md."),
        ('name = "question"', 'name = "refund"', "There are two categories `refund`."),
        ('name = "question"', 'name = "other"', "`other` is what a mail of no category is called"),
        ('tools = ["find_order"]', 'tools = ["find_ordr"]', "Did you mean `find_order`?"),
        ('auto = "on"', 'auto = "always"', "`category.0.auto`"),
        ('deadline = "2h"', 'deadline = "2 hours"', "is not a duration"),
        ('deadline = "2h"', 'dedline = "2h"', "Did you mean `deadline`?"),
        ('languages = ["en", "de"]', "languages = []", "`languages`"),
        ("sender.verdict", "sender.verdikt", "sender.verdict"),
        ("sender.verdict != 'verified'", "sender.verdict ==", "sender.verdict =="),
        ('amount = "50.00 EUR"', 'amount = "50 euros"', "is not an amount"),
        ('amount = "50.00 EUR"', 'amount = "50.00 USD"', "`request_refund` moves EUR, and the limit is in USD."),
        ('amount = "50.00 EUR"\n', "", "A limit needs `count` or `amount`"),
        ('tool = "request_refund"\n', "", "A limit on an amount needs the `tool`"),
        ('tool = "request_refund"', 'tool = "request_refnd"', "Did you mean `request_refund`?"),
        ('tool = "request_refund"', 'tool = "find_order"', "`find_order` is a read; limits are for writes."),
        ('per = "action"', 'per = "customer"', "`limit.0.per`"),
    ],
)
def test_a_fault_names_its_line_and_what_to_do(told: Told, old: str, new: str, sentence: str) -> None:
    faults = told((old, new))
    assert any(sentence in fault for fault in faults), faults
    assert all(fault.startswith("handler.toml:") for fault in faults)


def test_a_fault_stands_at_its_key(told: Told) -> None:
    key = 'template = "refund"'
    (fault,) = told((key, 'template = "refnd"'))
    assert fault.startswith(f"handler.toml:{line(key)}: ")


@pytest.mark.parametrize(
    ("name", "source", "sentence"),
    [
        (
            "refund",
            "a\n{{ order.totl }}",
            "templates/refund.md:2: Unknown column of `order` `totl`. Did you mean `total`?",
        ),
        ("refund", "{{ ordr.total }}", "templates/refund.md:1: Unknown reference `ordr`. Did you mean `order`?"),
        ("refund", "{{ request_refund.amount }}", "templates/refund.md:1: Unknown reference `request_refund`."),
        ("refund", "\n\n{% if %}", "templates/refund.md:3: The template does not compile"),
        ("refund", "{{ order.total | title }}", "templates/refund.md:1: The template does not compile"),
        ("refund", "{% include 'x' %}", "templates/refund.md:1: `include` is not possible"),
        ("refund", "{% for one in every.recnt %}{% endfor %}", "Did you mean `recent`?"),
        ("refund", "{% for one in every.recent %}{{ one.totl }}{% endfor %}", "Did you mean `total`?"),
        ("refund.fr", "x", "templates/refund.fr.md: Unknown language of this handler `fr`."),
        ("Refund", "x", "templates/Refund.md: A template is named"),
    ],
)
def test_a_template_is_checked_against_the_tools(told: Told, name: str, source: str, sentence: str) -> None:
    (fault,) = told(templates=desk.TEMPLATES | {name: source})
    assert sentence in fault


def test_a_template_in_another_language_only_does_not_answer(told: Told) -> None:
    sources = {name: source for name, source in desk.TEMPLATES.items() if name != "order_status"}
    (fault,) = told(templates=sources)
    assert "write templates/order_status.md" in fault


def test_the_prompt_teaches_only_slots_that_exist(told: Told) -> None:
    column, reference = told(prompt="Hello.\nWrite {{order.totl}} or {{parcel.id}}.")
    assert column == "prompt.md:2: Unknown column of `order` `totl`. Did you mean `total`?"
    assert reference.startswith("prompt.md:2: Unknown reference `parcel`.")


def test_a_prompt_that_is_missing_or_not_utf8_is_a_fault(tools: Catalogue, folder: Path) -> None:
    desk.write_handler(folder / "one")
    (folder / "one" / "prompt.md").unlink()
    desk.write_handler(folder / "two")
    (folder / "two" / "prompt.md").write_bytes(b"\xff")
    with pytest.raises(Faults) as faults:
        catalogue.load(folder, tools)
    assert ["does not exist" in str(fault) for fault in faults.value.faults] == [True, False]


def test_a_folder_has_a_plain_name(tools: Catalogue, folder: Path) -> None:
    desk.write_handler(folder / "Customer Service")
    with pytest.raises(Faults, match="Rename it"):
        catalogue.load(folder, tools)


def test_every_pattern_makes_its_work() -> None:
    assert all(callable(make().run) for make in WORKS.values())
