"""Finds the arguments of a tool in what a mail says, by the patterns that the tool declares."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.parameter import Parameter
from tools.tool import Tool

CALLS = 3
"""A mail that names more is one for a person: its first values are looked up, and the reply is held as ambiguous."""

_TEXT = 20_000
"""Characters that are searched."""
_ANCHORS = re.compile(r"^\^|(?<!\\)\$$")


def patterns(tool: Tool) -> dict[str, str]:
    """Parameter to the regular expression whose first group finds its value in free text, where it declares one.

    A parameter without `find` has its `pattern` looked for as a word of its own.
    """
    return {name: found for name, parameter in tool.params.items() if (found := _pattern(parameter))}


def arguments(tool: Tool, text: str) -> Iterator[Mapping[str, Any]]:
    """Arguments for each value that the text holds, at most `CALLS`; none when a required one can't be found.

    A tool without parameters has exactly one set of arguments: none.
    """
    known = patterns(tool)
    values: dict[str, list[Any]] = {}
    for name, parameter in tool.params.items():
        found = list(_values(parameter, known[name], text[:_TEXT])) if name in known else []
        if not found and parameter.required:
            return
        values[name] = found or [None]
    if tool.params and all(found == [None] for found in values.values()):
        return
    for chosen in itertools.islice(itertools.product(*values.values()), CALLS):
        yield dict(zip(values, chosen, strict=True))


def _pattern(parameter: Parameter) -> str | None:
    if parameter.find:
        return parameter.find
    if not parameter.pattern:
        return None
    return rf"(?<![\w.-])({_ANCHORS.sub('', parameter.pattern)})(?![\w-])"


def _values(parameter: Parameter, pattern: str, text: str) -> Iterator[Any]:
    """Each distinct value in the order of the text, as the parameter's type."""
    found = dict.fromkeys(match.group(1) for match in re.finditer(pattern, text) if match.group(1))
    for value in found:
        if parameter.type == "integer":
            if value.isdecimal():
                yield int(value)
        elif parameter.type in {"string", "enum", "date"}:
            yield value
