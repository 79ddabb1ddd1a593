"""The frame around the code: names, dependencies, documents that must agree with it."""

import ast
import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("daemon", "handlers", "migrations", "tools")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return found.group().lower()


def test_no_other_installed_distribution_ships_our_package_names() -> None:
    """triaged is an application for a venv of its own; a package of the same name would be mixed into ours."""
    others = [dist for dist in distributions() if dist.metadata["Name"] != "triaged"]
    assert others
    taken = {
        (dist.metadata["Name"], path.parts[0])
        for dist in others
        for path in dist.files or ()
        if path.parts[0] in PACKAGES
    }
    assert taken == set()


def test_every_dependency_is_documented_and_nothing_else() -> None:
    """docs/dependencies.md has a line for each: what for, licence, last release, why this one."""
    groups = {"run": PROJECT["project"]["dependencies"], "dev": PROJECT["dependency-groups"]["dev"]}
    declared = {_name(requirement) for group in groups.values() for requirement in group}
    lines = (ROOT / "docs" / "dependencies.md").read_text().splitlines()
    documented = [
        cells[1].strip(" `").lower() for line in lines if len(cells := line.split("|")) > 5 and "`" in cells[1]
    ]
    assert sorted(documented) == sorted(declared)


def test_the_documentation_of_triaged_toml_is_the_one_that_the_models_give() -> None:
    from daemon.scaffold import reference

    assert (ROOT / "docs" / "configuration.md").read_text() == reference.markdown(), "Run: make docs"


def test_every_promise_names_tests_that_exist() -> None:
    told = (ROOT / "docs" / "promises.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", told)
    assert named
    for file, test in named:
        assert (ROOT / file).is_file(), file
        assert not test or f"def {test}(" in (ROOT / file).read_text(), f"{file}::{test}"
    promised = {str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "promises").glob("test_*.py")}
    assert promised <= {file for file, _ in named}


def test_every_file_that_a_document_links_to_exists() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_in_charge_of_and_stays_below_400_lines(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    if "versions" not in path.parts:
        assert ast.get_docstring(ast.parse(text))


def test_the_words_of_make_are_documented_one_line_each() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    assert re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE) == phony.group(1).split()
