"""Markdown is split at its headings, and what can't be cited is a fault with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.located import Faults
from tools.passages import LONGEST, load, split

PATH = Path("returns.md")


def found(source: str) -> list[tuple[str, str]]:
    return [(each.heading, each.text) for each in split(source, PATH, "returns.md")]


def test_a_passage_is_what_stands_under_a_heading_and_knows_those_above() -> None:
    source = "Before.\n# Returns\nAll.\n\n## Period\n30 days.\n### Sale\n14.\n## Costs #\nNone.\n\nOther\n=====\nX.\n"
    assert found(source) == [
        ("", "Before."),
        ("Returns", "All."),
        ("Returns > Period", "30 days."),
        ("Returns > Period > Sale", "14."),
        ("Returns > Costs", "None."),
        ("Other", "X."),
    ]


def test_what_looks_like_a_heading_in_code_or_a_quotation_is_text() -> None:
    source = "# Import\n```\n# not a heading\n```\n> # nor this\n\n#nor this\n"
    assert found(source) == [("Import", "```\n# not a heading\n```\n> # nor this\n\n#nor this")]


def test_a_comment_is_nobodys_to_read() -> None:
    assert found("# A\n<!-- ask Eva\nbefore -->\nText.\n") == [("A", "Text.")]
    with pytest.raises(Faults, match="holds no text"):
        found("# A\n<!-- later -->\n")


def test_lines_may_end_in_every_way() -> None:
    assert found("# A\r\nx\r\n# B\ry") == [("A", "x"), ("B", "y")]


def test_a_long_section_is_split_at_paragraphs_and_a_long_paragraph_between_words() -> None:
    paragraphs = "\n\n".join(["word " * 100] * 5)
    parts = [text for _, text in found(f"# A\n{paragraphs}\n\n{'longer ' * 300}\n")]
    assert all(len(part) <= LONGEST for part in parts)
    assert " ".join(parts).split() == f"{paragraphs} {'longer ' * 300}".split()
    assert parts[0].count("\n\n") == 1


@pytest.mark.parametrize(
    ("source", "line", "told"),
    [
        ("# A\nx\n## B\ny\n## B\nz\n", 5, "`A > B` is a heading twice, first on line 3"),
        ("", None, "holds no text"),
        ("# A\n\n", None, "holds no text"),
    ],
)
def test_what_can_not_be_cited_is_a_fault(source: str, line: int | None, told: str) -> None:
    with pytest.raises(Faults) as error:
        found(source)
    (fault,) = error.value.faults
    assert (fault.line, told in fault.message) == (line, True), fault


def test_the_same_heading_under_another_is_another() -> None:
    assert [heading for heading, _ in found("# A\n## C\nx\n# B\n## C\ny\n")] == ["A > C", "B > C"]


def test_every_fault_of_a_folder_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes("# Über\nä".encode("latin-1"))
    (tmp_path / "b.md").touch()
    (tmp_path / "c.md").mkdir()
    (tmp_path / "README").write_text("no passage")
    with pytest.raises(Faults) as error:
        load(tmp_path)
    told = [(fault.path.name, fault.message) for fault in error.value.faults]
    assert [name for name, _ in told] == ["a.md", "b.md", "c.md"]
    assert "not UTF-8" in told[0][1]
    assert "can't be read: Is a directory" in told[2][1]


def test_folders_are_read_and_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "agb.md").write_bytes(b"\xef\xbb\xbf# A\nx")
    (tmp_path / ".draft.md").touch()
    assert [(each.document, each.heading) for each in load(tmp_path)] == [("de/agb.md", "A")]
    assert load(tmp_path / "none") == ()


@given(st.text(alphabet=st.sampled_from("#= -\n\r>`*<!a\t1.| "), max_size=200))
def test_no_text_breaks_it_and_no_word_is_lost(source: str) -> None:
    try:
        passages = split(source, PATH, "x.md")
    except Faults:
        return
    assert all(each.text.strip() for each in passages)
