"""Reads from a template's syntax tree which references and columns it uses, so that a misspelling is found at load."""

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handlers.templates import VARIABLES, environment

if TYPE_CHECKING:
    from jinja2 import nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One place where a template names a row or one of its columns."""

    line: int
    reference: str
    """Without its number: `order` for `order2`."""
    column: str | None = None


def uses(source: str) -> Iterator[Use]:
    """Every use of a reference in a template that compiles."""
    from jinja2 import meta, nodes

    tree = environment().parse(source)
    outside = meta.find_undeclared_variables(tree) - VARIABLES
    rows = {name: name for name in outside} | dict(_loops(tree))
    for node in tree.find_all(nodes.Name):
        if node.name in outside:
            yield Use(line=node.lineno, reference=_bare(node.name))
    for attribute in tree.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name) and attribute.node.name in rows:
            yield Use(line=attribute.lineno, reference=_bare(rows[attribute.node.name]), column=attribute.attr)
    for name in _every(tree):
        yield Use(line=name.lineno, reference=name.attr)


def foreign(source: str) -> Iterator[tuple[int, str]]:
    """Statements that reach for other files: line and keyword. There are none to reach for."""
    from jinja2 import nodes

    tree = environment().parse(source)
    kinds: Mapping[type[nodes.Node], str] = {
        nodes.Include: "include",
        nodes.Import: "import",
        nodes.FromImport: "from",
        nodes.Extends: "extends",
    }
    for kind, keyword in kinds.items():
        for node in tree.find_all(kind):
            yield node.lineno, keyword


def _loops(tree: "nodes.Template") -> Iterator[tuple[str, str]]:
    """The variable of `{% for x in every.recent %}`, and the reference that it stands for."""
    from jinja2 import nodes

    for loop in tree.find_all(nodes.For):
        if isinstance(loop.target, nodes.Name) and isinstance(loop.iter, nodes.Getattr) and loop.iter in _every(tree):
            yield loop.target.name, loop.iter.attr


def _every(tree: "nodes.Template") -> list["nodes.Getattr"]:
    from jinja2 import nodes

    found = tree.find_all(nodes.Getattr)
    return [node for node in found if isinstance(node.node, nodes.Name) and node.node.name == "every"]


def _bare(reference: str) -> str:
    return reference.rstrip(string.digits)
