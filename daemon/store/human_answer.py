"""A mail by which a person of ours answered; a value, so that the screen's processes need no store."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A mail that a person of ours sent."""

    parents: tuple[str, ...]
    """In-Reply-To: what it answers."""
    ancestors: tuple[str, ...] = ()
    """References."""
    recipients: frozenset[str]
    """To whom it went, lower case. A mail that was forwarded to a colleague answers nobody."""
