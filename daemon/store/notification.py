"""What a mail server tells of a mail of ours; a value, so that the screen's processes need no store."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded", "unknown"]
"""RFC 3464 section 2.3.3; `unknown`: it names a mail of ours and says nothing that we understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A delivery status notification, in whatever form, about one mail of ours."""

    answered: str
    """Id of the message that our mail answers."""
    revision: int
    """Of the draft."""
    action: Action
    status: str = ""
    """RFC 3463 code, such as `5.1.1`; empty when none is told."""
    diagnostic: str = ""
    """In the server's words; may hold addresses."""

    def __str__(self) -> str:
        """For people."""
        return " ".join(filter(None, (self.action, self.status, self.diagnostic)))
