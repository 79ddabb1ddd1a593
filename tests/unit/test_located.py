import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from tools import located
from tools.located import Faults, Key

FILE = Path("x.toml")

# --- lines -----------------------------------------------------------------------------------------------------------

NAMES = st.text("abcdefghij_-01", min_size=1, max_size=6)
# Values as an operator writes them, with lines in them that look like headers and keys.
VALUES = st.sampled_from(
    [
        "1",
        '"text"',
        "'literal = 1'",
        '"a # b"  # a comment with """ and [brackets]',
        "[1, 2]",
        "[\n  [1, 2],\n  [3, 4]\n]",
        '[\n  "a = 1",  # b = 2\n  "[c]",\n]',
        '"""\nSELECT 1\n[table]\nkey = 2\n"""',
        "'''\n[[array]]\nkey = \"\"\"\n'''",
        '"""two quotes at the end\n[x]\n"""""',
        '"""escaped \\""" quotes\nkey = 1"""',
        "{ a = 1, b = [2] }",
        '"a form feed \\f and a line separator \u2028 are no line breaks"',
    ]
)
FILLERS = st.sampled_from(["", "\n", "# comment\n", "  # key = 1\n", "# [header]\n\n"])


@st.composite
def _documents(draw: st.DrawFn) -> tuple[str, dict[Key, int]]:
    """TOML and the line of each of its keys and tables, known because it was written key by key."""
    text, lines = "", {}
    for table in draw(st.lists(NAMES, unique=True, max_size=4)):
        array = draw(st.booleans())
        for index in range(draw(st.integers(1, 3)) if array else 1):
            path: Key = (table, index) if array else (table,)
            text += draw(FILLERS)
            lines[path] = text.count("\n") + 1
            text += f"[[{table}]]\n" if array else f"[ {table} ] # table\n"
            for name in draw(st.lists(NAMES, unique=True, max_size=4)):
                text += draw(FILLERS)
                lines[*path, name] = text.count("\n") + 1
                text += f"{draw(st.sampled_from(['', '  ']))}{name} = {draw(VALUES)}\n"
    return text, lines


@given(_documents())
def test_every_key_is_found_on_its_line(document: tuple[str, dict[Key, int]]) -> None:
    text, lines = document
    tomllib.loads(text)
    parsed = located.parse(text, FILE)
    assert {key: parsed.line(key) for key in lines} == lines
    assert set(parsed.lines) == set(lines)


@given(_documents())
def test_windows_line_ends_do_not_move_a_key(document: tuple[str, dict[Key, int]]) -> None:
    text, lines = document
    assert located.parse(text.replace("\n", "\r\n"), FILE).lines == lines


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused_with_a_line(text: str) -> None:
    try:
        document = located.parse(text, FILE)
    except Faults as faults:
        (fault,) = faults.faults
        assert fault.line is not None
        assert 1 <= fault.line <= text.count("\n") + 1
    else:
        assert all(1 <= line <= text.count("\n") + 1 for line in document.lines.values())


def test_dotted_and_quoted_keys_are_paths() -> None:
    document = located.parse('[a."b.c"]\nd.e = 1\n"f g" = 2\n', FILE)
    assert document.line(("a", "b.c", "d", "e")) == 2
    assert document.line(("a", "b.c", "f g")) == 3


def test_a_table_inside_an_array_belongs_to_its_last_element() -> None:
    document = located.parse('[[tool]]\nname = "a"\n[[tool]]\nname = "b"\n[tool.params.x]\ntype = "t"\n', FILE)
    assert document.line(("tool", 1, "params", "x", "type")) == 6
    assert document.line(("tool", 0, "params", "x", "type")) == 1


def test_a_key_inside_an_inline_table_is_found_on_the_line_of_the_table() -> None:
    assert located.parse("[a]\nb = { c = 1 }\n", FILE).line(("a", "b", "c")) == 2


def test_what_stands_nowhere_has_no_line() -> None:
    assert located.parse("[a]\n", FILE).line(("b",)) is None


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_one_fault_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Faults, match=r"x\.toml: The file does not exist\. Write it, or run `triaged init DIR`\."):
        located.load(tmp_path / "x.toml")


def test_a_file_that_is_not_utf_8_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(Faults, match="not UTF-8"):
        located.load(tmp_path / "x.toml")


def test_a_directory_in_place_of_the_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Faults, match="can't be read"):
        located.load(tmp_path)


def test_broken_toml_names_its_line() -> None:
    with pytest.raises(Faults, match=r"x\.toml:2: This is not valid TOML"):
        located.parse("a = 1\nb = \n", FILE)


# --- models ----------------------------------------------------------------------------------------------------------


class _Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    port: int = 1


class _Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    inner: dict[str, _Inner] = {}
    items: tuple[_Inner, ...] = ()


def _told(text: str) -> str:
    with pytest.raises(Faults) as raised:
        located.validate(located.parse(text, FILE), _Outer)
    return str(raised.value)


def test_all_faults_are_told_at_once() -> None:
    assert _told('nam = "x"\n[inner.a]\nport = "y"\n[[items]]\n[[items]]\nprot = 1\n').splitlines() == [
        "x.toml: `name` is missing. Add it.",
        "x.toml:3: `inner.a.port`: Input should be a valid integer, unable to parse string as an integer.",
        "x.toml:6: Unknown key `prot`. Did you mean `port`?",
        "x.toml:1: Unknown key `nam`. Did you mean `name`?",
    ]


def test_an_unknown_key_without_a_near_name_is_told_the_known_ones() -> None:
    assert "Unknown key `zzz`. Known: inner, items, name." in _told('name = "x"\nzzz = 1\n')
