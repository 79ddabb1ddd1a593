"""handler.toml as models: a table is a class, a key is a field, and the field says what it means."""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from handlers.contract import Category, Limit
from handlers.propose import OTHER

_DURATION = re.compile(r"^(\d+)\s*(s|m|h|d)$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AMOUNT = re.compile(r"^(\d+)(?:\.(\d+))? ([A-Z]{3})$")


def _seconds(value: object) -> object:
    if isinstance(value, int):
        return value
    found = _DURATION.match(str(value).strip())
    if not found:
        raise ValueError(f'{value!r} is not a duration. Write a number and s, m, h or d: "90s", "5m", "24h"')
    return int(found.group(1)) * _SECONDS[found.group(2)]


def _money(value: object) -> object:
    if isinstance(value, str) and not _AMOUNT.match(value):
        raise ValueError(f'{value!r} is not an amount. Write a number and a currency: "50.00 EUR"')
    return value


Seconds = Annotated[int, BeforeValidator(_seconds), Field(gt=0)]
Amount = Annotated[str, BeforeValidator(_money)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]


class Table(BaseModel):
    """A table of handler.toml: unknown keys are refused, values can't change after they were read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CategoryTable(Table):
    """`[[category]]`."""

    name: Name = Field(description="What replies and limits know it by.")
    description: str = Field(default="", description="What such a mail is about, for the model: one short line.")
    auto: Literal["off", "sampled", "on"] = Field(default="off", description="How far it may be answered by itself.")
    template: Name | None = Field(default=None, description="Answers it: `templates/NAME.md`, `templates/NAME.de.md`.")
    tools: tuple[str, ...] = Field(default=(), description="What must have succeeded before it can be answered.")
    examples: tuple[str, ...] = Field(
        default=(), description="Sentences as customers write them; the embedded brain learns."
    )

    @model_validator(mode="after")
    def _not_other(self) -> Self:
        if self.name == OTHER:
            raise ValueError(f"`{OTHER}` is what a mail of no category is called. Choose another name")
        return self

    def category(self) -> Category:
        """The value object."""
        return Category(**dict(self))


class LimitTable(Table):
    """`[[limit]]`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="What a held mail names as its reason.")
    per: Literal["action", "sender", "conversation", "handler", "mailbox", "total"] = Field(
        description="What is counted together."
    )
    window: Seconds = Field(description="Sliding: how far back is counted.")
    count: int | None = Field(default=None, ge=0, description="Replies, or calls of `tool`.")
    amount: Amount | None = Field(default=None, description='Money that `tool` moves: "50.00 EUR".')
    tool: str | None = Field(
        default=None, description="Only writes of this tool; without it every automatic reply counts."
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.count is None and self.amount is None:
            raise ValueError("A limit needs `count` or `amount`")
        if self.amount is not None and self.tool is None:
            raise ValueError("A limit on an amount needs the `tool` that moves it")
        return self

    def limit(self) -> Limit:
        """The value object."""
        amount, currency = _minor(self.amount) if self.amount else (None, None)
        return Limit(
            name=self.name,
            per=self.per,
            window=self.window,
            count=self.count,
            amount=amount,
            currency=currency,
            tool=self.tool,
        )


class HandlerTable(Table):
    """handler.toml."""

    pattern: str = Field(default="agent", description="The kind of work.")
    description: str = Field(default="", description="What mail this handler is for.")
    tools: tuple[str, ...] = Field(default=(), description="The only tools that its model sees.")
    prefetch: tuple[str, ...] = Field(
        default=(), description="Reads that run before the model, where the mail says enough."
    )
    languages: tuple[Language, ...] = Field(
        default=("en",), min_length=1, description="Languages of replies, the first for all else."
    )
    deadline: Seconds = Field(
        default=4 * 3600, description="How long a mail waits for a model before people get it undrafted."
    )
    hold_when: tuple[str, ...] = Field(default=(), description="CEL; any that is true, or fails, holds.")
    category: tuple[CategoryTable, ...] = Field(min_length=1, description="What its mails ask for.")
    limit: tuple[LimitTable, ...] = Field(default=(), description="How much may happen without a person.")


def _minor(amount: str) -> tuple[int, str]:
    """`"50.00 EUR"` as (5000, "EUR"), with as many digits as the currency has (ISO 4217)."""
    from babel.numbers import get_currency_precision

    whole, fraction, currency = re.fullmatch(_AMOUNT, amount).groups()  # type: ignore[union-attr]
    digits = get_currency_precision(currency)
    return int(whole) * 10**digits + int((fraction or "").ljust(digits, "0")[:digits] or "0"), currency
