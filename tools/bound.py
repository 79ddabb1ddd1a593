"""The values that the daemon binds into statements and that no model can choose (promise P5)."""

from dataclasses import dataclass
from datetime import datetime

NAMES = frozenset({"sender", "customer", "conversation", "now"})
"""Parameter names that a declaration may use in SQL but may not declare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Who asks, in which conversation, and when."""

    sender: str | None
    """The verified address, normalised (IDNA, lower case); None when nobody is verified."""
    customer: str | None = None
    """What `[identity.NAME]` maps the address to, if it does."""
    conversation: str
    now: datetime
    """Aware, UTC."""

    def parameters(self) -> dict[str, str | None]:
        """The values as SQL parameters; `:now` is ISO 8601 with seconds, as both engines compare it."""
        return {
            "sender": self.sender,
            "customer": self.customer,
            "conversation": self.conversation,
            "now": self.now.isoformat(timespec="seconds"),
        }
