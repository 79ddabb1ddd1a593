"""How much may happen without a person: the table `[limits]`."""

from typing import Literal

from pydantic import Field

from daemon.duration import Duration
from daemon.section import Section


class LimitConfig(Section):
    """How much may happen without a person."""

    name: str = Field(description="Shown when it holds a draft.")
    per: Literal["action", "sender", "conversation", "handler", "mailbox", "total"] = Field(
        default="sender", description="What is counted together."
    )
    window: Duration = Field(default=86400.0, description="Sliding window.")
    count: int | None = Field(default=None, ge=0, description="At most so many automatic replies or writes.")
    amount: str | None = Field(default=None, description='At most so much money: `"50.00 EUR"`.')
    tool: str | None = Field(default=None, description="Only writes of this tool; none: every automatic reply.")


class BreakerConfig(Section):
    """When sending turns itself off, until a person says `triaged resume breaker`: something is wrong."""

    replies: int = Field(default=200, ge=1, description="At most so many automatic replies within ten minutes.")
    bounces: int = Field(default=10, ge=1, description="At most so many of our mails may come back within an hour.")
    refusals: int = Field(
        default=10, ge=1, description="At most so many of our mails may be refused for good within an hour."
    )


class LimitsConfig(Section):
    """Caps that hold whatever a handler says."""

    debounce: Duration = Field(
        default=20.0,
        description="Wait for more mail of the same conversation before answering; at most five times as long in all.",
    )
    grace: Duration = Field(
        default=0.0,
        description="Delay before an automatic reply leaves; till then `triaged drafts recall` takes it back.",
    )
    max_age: Duration = Field(default=86400.0, description="Older mail is never answered by itself.")
    replies_per_sender: int = Field(
        default=10, ge=1, description="Automatic replies to one address within three hours."
    )
    replies_per_hour: int = Field(default=500, ge=1, description="Automatic replies in all within an hour.")
    replies_per_conversation: int = Field(
        default=5, ge=1, description="Automatic replies in one conversation within a day."
    )
    replies_per_mailbox: int = Field(default=300, ge=1, description="Automatic replies of one mailbox within an hour.")
    breaker: BreakerConfig = Field(default_factory=BreakerConfig, description="When sending turns itself off.")
    in_flight: int = Field(default=64, ge=1, le=1000, description="Mails worked on at the same time.")
    limit: tuple[LimitConfig, ...] = Field(default=(), description="`[[limits.limit]]`: money and count limits.")
