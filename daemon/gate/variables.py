"""The one table of what conditions may name: in `rules.toml`, and in a handler's `hold_when`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A name in CEL."""

    name: str
    type: str
    meaning: str
    where: Literal["rules", "hold_when"] = "rules"
    """`rules`: in `hold_when` too."""
    members: tuple[str, ...] = ()
    """Members under which the value can be taken apart; of each element where the type is a list."""


def _variables() -> Iterator[Variable]:
    yield Variable(name="subject", type="text", meaning="Subject, decoded")
    yield Variable(
        name="sender",
        type="map",
        meaning="Who wrote: address and domain in lower case, and whether that is proved (`verified`, `unverified` or "
        "`failed` in `verdict`; `verified` is true or false)",
        members=("address", "domain", "name", "verdict", "verified"),
    )
    yield Variable(name="to", type="list of text", meaning="Addresses in To, the first hundred")
    yield Variable(
        name="headers",
        type="map of text",
        meaning='Topmost value of each header field by lower-case name; `header("list-id")` is `""` where '
        '`headers["list-id"]` fails',
    )
    yield Variable(name="size", type="number", meaning="Octets as received")
    yield Variable(
        name="attachments",
        type="list of map",
        meaning="What is attached, the first hundred; size in octets",
        members=("name", "type", "size"),
    )
    yield Variable(name="language", type="text", meaning='ISO 639-1, guessed from the text; `""` when unsure')
    yield Variable(name="mailbox", type="text", meaning="Name of the `[mailbox.NAME]`")
    yield Variable(name="now", type="time", meaning="When the condition is evaluated, UTC")
    yield Variable(
        name="message",
        type="map",
        meaning="The rest of the mail: text as written anew, quoted text, Date (time of receipt where there is none), "
        "time of receipt, whether it answers a mail, what the parser found (`notes`), and whether a contact form sent "
        "it",
        members=("id", "text", "quoted", "date", "received", "cc", "reply_to", "is_reply", "notes", "form"),
    )
    yield Variable(
        name="conversation",
        type="map",
        meaning="Mails of the sender in it with this one, our replies, and whether this is the first",
        members=("messages", "replies", "first"),
    )
    yield Variable(
        name="route",
        type="map",
        meaning="What the rules decided",
        where="hold_when",
        members=("rule", "handler", "priority"),
    )
    yield Variable(
        name="proposal",
        type="map",
        meaning='What the handler wants to answer; confidence is -1.0 and template `""` where there is none',
        where="hold_when",
        members=(
            "category",
            "body",
            "template",
            "language",
            "confidence",
            "missing",
            "escalation",
            "fallback",
            "calls",
        ),
    )
    yield Variable(
        name="staged",
        type="list of map",
        meaning="Writes that would happen; amount in minor units (cents), 0 without one",
        where="hold_when",
        members=("tool", "database", "arguments", "amount", "currency", "impact", "reversible", "protected", "rows"),
    )
    yield Variable(
        name="history",
        type="map",
        meaning="This sender before: mails, replies without a person, held drafts, and rejected ones",
        where="hold_when",
        members=("messages", "replies", "held", "rejected"),
    )


VARIABLES: tuple[Variable, ...] = tuple(_variables())
"""In the order of the documentation."""


def names(where: Literal["rules", "hold_when"]) -> frozenset[str]:
    """What may stand in a condition: `sender` and `sender.address`."""
    found: set[str] = set()
    for variable in VARIABLES:
        if variable.where not in {"rules", where}:
            continue
        found.add(variable.name)
        if variable.type == "map":
            found |= {f"{variable.name}.{member}" for member in variable.members}
    return frozenset(found)


def table() -> str:
    """The table as Markdown; `docs/rules.md` holds it, and a test compares."""
    lines = ["| variable | type | meaning |", "| --- | --- | --- |"]
    for variable in VARIABLES:
        name = f"`{variable.name}`" + (" (`hold_when` only)" if variable.where == "hold_when" else "")
        members = f" Members: {', '.join(f'`{member}`' for member in variable.members)}." if variable.members else ""
        lines.append(f"| {name} | {variable.type} | {variable.meaning}.{members} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201 - what `docs/rules.md` holds
