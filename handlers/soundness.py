"""Finds what is wrong between the parts of a handler: names that don't exist, templates that can't work, odd limits."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from handlers import slots, templates, uses
from handlers.contract import Handler
from handlers.templates import TemplateFailed
from handlers.work import WORKS
from tools import expression, knowledge
from tools.expression import InvalidExpression
from tools.located import Document, Fault, Key, unknown
from tools.tool import Tool

PROMPT = "prompt.md"
TEMPLATES = "templates"

_TEMPLATE = re.compile(r"^([a-z][a-z0-9_]{0,63})(?:\.([a-z]{2}))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A handler as it was read, and what it may name."""

    document: Document
    handler: Handler
    tools: Mapping[str, Tool]
    variables: Collection[str] | None
    """What may stand in `hold_when`; None: any name."""


def faults(declared: Declared) -> list[Fault]:
    """Every fault, those of handler.toml first."""
    checks = (_pattern, _tools, _categories, _conditions, _limits)
    found = [declared.document.fault(key, message) for check in checks for key, message in check(declared)]
    return found + list(_templates(declared)) + list(_prompt(declared))


def _pattern(declared: Declared) -> Iterator[tuple[Key, str]]:
    if declared.handler.pattern not in WORKS:
        yield ("pattern",), unknown(declared.handler.pattern, WORKS, "pattern")


def _tools(declared: Declared) -> Iterator[tuple[Key, str]]:
    for name in declared.handler.tools:
        if name == knowledge.NAME and name not in declared.tools:
            yield ("tools",), f"`{name}` has no text to search. Write knowledge/NAME.md, or take it out of `tools`."
        elif name not in declared.tools:
            yield ("tools",), unknown(name, declared.tools, "tool")
    for name in _twice(declared.handler.tools):
        yield ("tools",), f"`{name}` is named twice. Delete one."
    for name in declared.handler.prefetch:
        if name not in declared.handler.tools:
            yield ("prefetch",), unknown(name, declared.handler.tools, "tool of this handler")
        elif name in declared.tools and declared.tools[name].kind != "read":
            yield ("prefetch",), f"`{name}` is a write; only reads can be prefetched. Take it out of `prefetch`."
    for tool in _known(declared):
        if tool.result in templates.VARIABLES or tool.result.rstrip("0123456789") != tool.result:
            told = f"`{tool.name}` names its rows `{tool.result}`, which replies can't use. Give it another `result`."
            yield ("tools",), told


def _categories(declared: Declared) -> Iterator[tuple[Key, str]]:
    names = [category.name for category in declared.handler.categories]
    for number, category in enumerate(declared.handler.categories):
        at: Key = ("category", number)
        if category.name in names[:number]:
            yield (*at, "name"), f"There are two categories `{category.name}`. Rename one."
        for tool in category.tools:
            if tool not in declared.handler.tools:
                yield (*at, "tools"), unknown(tool, declared.handler.tools, "tool of this handler")
        if category.template and not _has_template(declared, category.template):
            known = {name.partition(".")[0] for name in declared.handler.templates}
            told = unknown(category.template, known, "template")
            yield (*at, "template"), f"{told} Or write {TEMPLATES}/{category.template}.md."


def _has_template(declared: Declared, name: str) -> bool:
    try:
        templates.choose(declared.handler, name, declared.handler.languages[0])
    except TemplateFailed:
        return False
    return True


def _conditions(declared: Declared) -> Iterator[tuple[Key, str]]:
    for source in declared.handler.hold_when:
        try:
            expression.compile(source, declared.variables)
        except InvalidExpression as error:
            yield ("hold_when",), f"`{source}`: {error}"


def _limits(declared: Declared) -> Iterator[tuple[Key, str]]:
    names = [limit.name for limit in declared.handler.limits]
    for number, limit in enumerate(declared.handler.limits):
        at: Key = ("limit", number)
        if limit.name in names[:number]:
            yield (*at, "name"), f"There are two limits `{limit.name}`. Rename one."
        if limit.tool is not None:
            yield from (((*at, key), told) for key, told in _limited(declared, limit.tool, limit.currency))


def _limited(declared: Declared, name: str, currency: str | None) -> Iterator[tuple[str, str]]:
    """What is wrong with limiting this tool, in this currency where it is a limit on money."""
    if name not in declared.handler.tools:
        yield "tool", unknown(name, declared.handler.tools, "tool of this handler")
        return
    tool = declared.tools.get(name)
    if tool is None:
        return
    if tool.kind != "write":
        yield "tool", f"`{name}` is a read; limits are for writes. Name a write."
    elif currency and tool.amount is None:
        yield "amount", f"`{name}` declares no `amount`, so its money can't be limited. Declare it, or use `count`."
    elif currency and (tool.amount_currency or currency).isupper() and tool.amount_currency != currency:
        yield "amount", f"`{name}` moves {tool.amount_currency}, and the limit is in {currency}. Use one currency."


def _templates(declared: Declared) -> Iterator[Fault]:
    for name, source in declared.handler.templates.items():
        path = declared.handler.path / TEMPLATES / f"{name}.md"
        for line, message in _template(declared, name, source):
            yield Fault(path=path, line=line, message=message)


def _prompt(declared: Declared) -> Iterator[Fault]:
    """A slot that the prompt teaches the model must exist."""
    for line, reference, column in slots.named(declared.handler.prompt):
        for message in (*_use(declared, reference, None), *_use(declared, reference, column)):
            yield Fault(path=declared.handler.path / PROMPT, line=line, message=message)


def _template(declared: Declared, name: str, source: str) -> Iterator[tuple[int | None, str]]:
    parts = _TEMPLATE.match(name)
    if parts is None:
        yield None, "A template is named NAME.md or NAME.LANGUAGE.md with a-z, 0-9 and _. Rename it."
    elif parts.group(2) and parts.group(2) not in declared.handler.languages:
        yield None, unknown(parts.group(2), declared.handler.languages, "language of this handler")
    try:
        templates.compiled(source)
    except TemplateFailed as error:
        yield error.line, str(error)
        return
    for line, keyword in uses.foreign(source):
        yield line, f"`{keyword}` is not possible: a template stands alone. Write the text here."
    for use in dict.fromkeys(uses.uses(source)):
        yield from ((use.line, message) for message in _use(declared, use.reference, use.column))


def _use(declared: Declared, reference: str, column: str | None) -> Iterator[str]:
    """What is wrong with `reference.column`."""
    readers = [tool for tool in _known(declared) if tool.kind == "read" and tool.result == reference]
    if not readers:
        # A column of an unknown reference is not told of again: the reference itself is a use.
        results = {tool.result for tool in _known(declared) if tool.kind == "read"}
        if column is None:
            yield unknown(reference, results | templates.VARIABLES, "reference")
        return
    columns = {name for tool in readers for name in tool.returns}
    if column is not None and column not in columns:
        yield unknown(column, columns, f"column of `{reference}`")


def _known(declared: Declared) -> Iterator[Tool]:
    return (declared.tools[name] for name in declared.handler.tools if name in declared.tools)


def _twice(names: Sequence[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)
