"""What a reply would spend of which limit: the operator's money and count limits, and the caps on replies (P7)."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from daemon.caps import LimitConfig
from daemon.config import Config
from daemon.store.limits import CAPS, Charge
from handlers.contract import Handler, Limit, Message, Proposal
from tools.staged import StagedWrite

Scope = Callable[[str, str, str], str]
"""Limit, what is counted together, its value → look-up value."""
_MONEY = re.compile(r"^\s*(\d+)(?:\.(\d+))?\s*([A-Z]{3})\s*$")
_INSTANT = 1


def money(text: str) -> tuple[int, str]:
    """Read `"50.00 EUR"` as minor units and currency, with as many digits as the currency has (ISO 4217).

    Raises:
        ValueError: it is not written like that.
    """
    from babel.numbers import get_currency_precision

    found = _MONEY.match(text)
    digits = get_currency_precision(found.group(3)) if found else 0
    if not found or len(found.group(2) or "") not in {0, digits}:
        raise ValueError(f'{text!r} is no amount. Write it as "50.00 EUR"')
    return int(found.group(1) + (found.group(2) or "").ljust(digits, "0")), found.group(3)


def declared(config: LimitConfig) -> Limit:
    """A limit of triaged.toml in the shape that handlers' limits have.

    Raises:
        ValueError: the amount can't be read.
    """
    amount, currency = money(config.amount) if config.amount is not None else (None, None)
    return Limit(
        name=config.name,
        per=config.per,
        window=math.ceil(config.window),
        count=config.count,
        amount=amount,
        currency=currency,
        tool=config.tool,
    )


def charges(
    config: Config, handler: Handler | None, message: Message, proposal: Proposal, conversation: str, *, scope: Scope
) -> tuple[Charge, ...]:
    """What this reply would spend, one charge a limit that it touches, one a write for limits on single actions."""
    own = handler.name if handler else ""
    values = {
        "sender": message.sender.address,
        "conversation": conversation,
        "handler": own,
        "mailbox": message.mailbox,
        "total": "*",
    }
    found = [*_caps(config, values, scope)]
    for limit in (declared(each) for each in config.limits.limit):
        found += _of(limit, limit.name, message, proposal, values, scope)
    for limit in handler.limits if handler else ():
        # two handlers may each have a limit `refunds`: they are two limits
        found += _of(limit, f"{own}/{limit.name}", message, proposal, values, scope)
    return tuple(found)


def longest(config: Config, handlers: Iterable[Handler]) -> int:
    """The longest window of all, seconds: what is older than that counts nowhere."""
    own = [declared(limit).window for limit in config.limits.limit]
    return max(*CAPS.values(), *own, *(limit.window for handler in handlers for limit in handler.limits))


def _caps(config: Config, values: dict[str, str], scope: Scope) -> Iterator[Charge]:
    limits = config.limits
    most = {
        "replies-per-sender": ("sender", limits.replies_per_sender),
        "replies-per-conversation": ("conversation", limits.replies_per_conversation),
        "replies-per-mailbox": ("mailbox", limits.replies_per_mailbox),
        "replies-per-hour": ("total", limits.replies_per_hour),
    }
    for name, (per, count) in most.items():
        yield Charge(name=name, scope=scope(name, per, values[per]), window=CAPS[name], most_count=count)


def _of(
    limit: Limit, name: str, message: Message, proposal: Proposal, values: dict[str, str], scope: Scope
) -> Iterator[Charge]:
    writes = [write for write in proposal.writes if limit.tool in {None, write.tool}]
    if limit.tool is not None and not writes:
        return
    if limit.per != "action":
        yield _charge(limit, name, writes, scope(name, limit.per, values[limit.per]), limit.window)
        return
    for ordinal, write in enumerate(writes):
        # a scope of its own and no window: nothing adds up to a single action
        yield _charge(limit, name, [write], scope(name, "action", f"{message.id}:{ordinal}"), _INSTANT)


def _charge(limit: Limit, name: str, writes: Sequence[StagedWrite], scope: str, window: int) -> Charge:
    return Charge(
        name=name,
        scope=scope,
        window=window,
        count=len(writes) if limit.tool else 1,
        amount=sum(_amount(write, limit) for write in writes),
        most_count=limit.count,
        most_amount=limit.amount,
        currency=limit.currency,
    )


def _amount(write: StagedWrite, limit: Limit) -> int:
    """Minor units. Where a limit on money can't be compared with a write, the write is more than it allows.

    That is so for another currency, and for a write of the limit's own tool that says no amount. A write of another
    tool without an amount has nothing to do with money.
    """
    if limit.amount is None:
        return 0
    if write.amount is None:
        return limit.amount + 1 if limit.tool else 0
    return abs(write.amount) if write.currency == limit.currency else limit.amount + 1
