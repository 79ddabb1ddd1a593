"""The search in the operator's texts: what it finds, what a query can't do, and how it stands among the tools."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.business import bound
from tests.fixtures.texts import QUESTIONS, TEXTS
from tools import catalogue as catalogues
from tools import knowledge
from tools.bound import Bound
from tools.catalogue import Catalogue
from tools.confine import Deadline
from tools.knowledge import Knowledge
from tools.located import Faults
from tools.outcome import Failed, Refused
from tools.passages import Passage, split
from tools.read import read

PASSAGES = [each for name, text in TEXTS.items() for each in split(text, Path(name), name)]


@pytest.fixture(scope="module")
def known() -> Knowledge:
    return Knowledge(PASSAGES)


def search(known: Knowledge, query: str, limit: int = 3) -> list[str]:
    return [row["heading"] for row in known({"query": query}, bound(None), Deadline(5), limit)]


def load(folder: Path) -> Catalogue:
    return catalogues.load(folder / "tools", {}, folder / "knowledge")


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "knowledge").mkdir()
    for name, text in TEXTS.items():
        (tmp_path / "knowledge" / name).write_text(text)
    return load(tmp_path)


def test_questions_of_two_languages_find_their_passage(known: Knowledge) -> None:
    best = {question: search(known, question) for question in QUESTIONS}
    first = [question for question, wanted in QUESTIONS.items() if best[question][:1] == [wanted]]
    missed = {question for question, wanted in QUESTIONS.items() if wanted not in best[question]}
    assert len(QUESTIONS) == 46
    assert len(first) >= 40, set(QUESTIONS) - set(first)
    assert missed <= {"Rueckgabefrist", "Geld zurück", "umgetauscht"}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?!",
        '"',
        "NOT",
        "return AND",
        "heading:return",
        "NEAR(a b)",
        "return*",
        "-return",
        "^return",
        "{a b}: c",
        "a+b",
    ],
)
def test_a_query_is_words_and_never_syntax(known: Knowledge, query: str) -> None:
    search(known, query)
    assert ("Return period" in search(known, query)) == ("return" in query)


@given(query=st.text(max_size=200))
def test_no_query_breaks_the_search(known: Knowledge, query: str) -> None:
    search(known, query)


def test_a_model_gets_passages_with_what_they_are_cited_by(catalogue: Catalogue) -> None:
    with catalogue:
        found = read(catalogue[knowledge.NAME], {"query": "return period"}, bound(None), catalogue)
    assert found.rows[0] == {
        "document": "help.md",
        "heading": "Return period",
        "text": "You can send an item back within 30 days of delivery. It must be unused and in its packaging.",
    }
    assert len(found.rows) <= knowledge.TOOL.rows


@pytest.mark.parametrize("arguments", [{}, {"query": "x" * 201}, {"query": 1}, {"query": "x", "sql": "y"}])
def test_arguments_are_checked_as_those_of_any_tool(catalogue: Catalogue, arguments: dict[str, object]) -> None:
    with catalogue, pytest.raises(Refused):
        read(catalogue[knowledge.NAME], arguments, bound(None), catalogue)


def test_without_texts_there_is_no_search(tmp_path: Path) -> None:
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "knowledge" / "README").write_text("not one")
    assert knowledge.NAME not in load(tmp_path)


def test_faults_of_texts_are_faults_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "knowledge" / "a.md").touch()
    with pytest.raises(Faults, match=r"a\.md: The file holds no text"):
        load(tmp_path)


def test_its_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "a.toml").write_text(
        '[[tool]]\nname = "search_knowledge"\nkind = "read"\ndescription = "x"\ndatabase = "shop"\n'
    )
    with pytest.raises(Faults, match=r"a\.toml:2: `search_knowledge` is the search in knowledge/. Rename this tool"):
        load(tmp_path)


def test_a_search_that_takes_too_long_is_cut_off() -> None:
    many = [Passage(document="a.md", heading="a", text=f"word {number} " * 50) for number in range(300)]
    known = Knowledge(many)
    search(known, "word")
    with pytest.raises(Failed, match="took longer than 0 s"):
        known({"query": "word " * 20 + " ".join(map(str, range(100)))}, bound(None), Deadline(0), 5)
    assert len(search(known, "word")) == 3


def test_several_threads_search_at_once(known: Knowledge) -> None:
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(search(known, "voucher"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [["Gift vouchers"]] * 8


def test_a_closed_index_is_made_again_for_a_call_that_comes_late(known: Knowledge) -> None:
    search(known, "voucher")
    known.close()
    assert search(known, "voucher") == ["Gift vouchers"]


def test_who_asks_makes_no_difference(known: Knowledge) -> None:
    def rows(asker: Bound) -> object:
        return known({"query": "refund"}, asker, Deadline(5), 3)

    assert rows(bound(None)) == rows(bound("bob@example.com"))
