"""Writes a rule as TOML, and puts it into rules.toml before the rule that takes such mail today."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from daemon.errors import WrongUse
from daemon.route.rules import Rules
from handlers.contract import Message

By = Literal["sender", "domain", "list", "subject"]
_CUT = re.compile(r"[^a-z0-9]+")
_NAME = 40


def condition(message: Message, by: By) -> str:
    """CEL that is true of mail like this one.

    Raises:
        WrongUse: the mail has nothing of that kind.
    """
    address = message.sender.address
    given = {
        "sender": (address, "sender.address == {}"),
        "domain": (address.rpartition("@")[2], "sender.domain == {}"),
        "list": (message.headers.get("list-id", ""), 'header("list-id") == {}'),
        "subject": (message.subject.lower().strip(), "{} in subject.lower()"),
    }
    value, shape = given[by]
    if not value:
        raise WrongUse(f"The mail has no {by} to write a rule by. Choose another with --by.")
    return shape.format(json.dumps(value, ensure_ascii=False))


def name_for(message: Message, by: By, taken: Collection[str]) -> str:
    """A name that no rule has: `sender-ana-example-com`."""
    source = {"list": message.headers.get("list-id", ""), "subject": message.subject}.get(by, message.sender.address)
    name = f"{by}-{_CUT.sub('-', source.lower()).strip('-')}"[:_NAME].strip("-")
    return next(each for each in (name, *(f"{name}-{n}" for n in range(2, len(taken) + 3))) if each not in taken)


def rule(name: str, when: str, actions: Mapping[str, Any]) -> str:
    """A `[[rule]]` as TOML; actions that are None, false or empty are left out."""
    lines = ["[[rule]]", f"name = {_text(name)}", f"when = {_text(when)}"]
    lines += [f"{key} = {_value(value)}" for key, value in actions.items() if value]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if value is True:
        return "true"
    return f"[{', '.join(map(_text, value))}]" if isinstance(value, list | tuple) else _text(str(value))


def _text(value: str) -> str:
    """A TOML string: literal where that reads better, else basic, whose escapes JSON shares (but for DEL)."""
    if '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def insert(text: str, block: str, rules: Rules, decider: str | None) -> str:
    """rules.toml with a rule more: before the rule `decider` and its comment, or at the end."""
    line = next((rule.line for rule in rules.rules if rule.name == decider), None)
    if line is None:
        return f"{text.rstrip()}\n\n{block}".lstrip()
    lines = text.splitlines(keepends=True)
    at = line - 1
    while at > 0 and lines[at - 1].lstrip().startswith("#"):
        at -= 1
    return "".join([*lines[:at], f"{block}\n", *lines[at:]])
