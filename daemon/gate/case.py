"""Everything that the gate looks at, as plain values: it reads nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from daemon.config import ReplyConfig
from daemon.store.limits import Charge
from handlers.contract import Handler, Message, Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the store knows of this sender and conversation."""

    messages: int = 1
    replies: int = 0
    """Replies that no person approved."""
    held: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What the rules decided (`daemon.route.rules.Route`), as far as the gate needs it."""

    outcome: Literal["handle", "hold", "ignore"]
    rule: str | None = None
    handler: str | None = None
    reason: str | None = None
    detail: str = ""
    priority: str = "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One proposal, and all that decides whether it leaves by itself."""

    message: Message
    """The mails of the turn as one; its notes are reasons to hold."""
    facts: Mapping[str, Any]
    """The variables of rules for this message (`daemon.route.facts.facts`); the gate adds those of `hold_when`."""
    mode: Literal["shadow", "live"]
    routed: Routed
    handler: Handler | None
    """None: no rule sent it to a handler."""
    proposal: Proposal
    stranger: Literal["", "unknown", "ambiguous"] = ""
    """A verified sender whom `[identity.NAME]` can't name: no customer, or several."""
    customer_tools: frozenset[str] = frozenset()
    """The handler's tools that ask for `:customer`."""
    write_tools: frozenset[str] = frozenset()
    """The tools that are writes: a refused one is told from a look-up that found nothing."""
    of_others: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Tool to its columns whose text others than the sender may have written."""
    earned: Literal["off", "sampled", "on"] = "on"
    """The level that this category has earned; the lower of it and the category's `auto` counts."""
    charges: tuple[Charge, ...] = ()
    spent: tuple[tuple[int, int], ...] = ()
    """For each charge: count and amount spent already."""
    off: str | None = None
    """The switch that keeps replies from leaving: `pause:*`, `pause:mailbox:NAME`, `pause:handler:NAME`, `breaker`."""
    human: bool = False
    """A person takes part in this conversation."""
    now: datetime
    max_age: float = 86400.0
    """Seconds; older mail is never answered by itself."""
    reply: ReplyConfig = field(default_factory=ReplyConfig)
    last_reply: str = ""
    """Our last automatic reply in this conversation."""
    past: Past = field(default_factory=Past)
