"""What a reply would spend of which limit: the operator's money and count limits, and the caps on replies."""

import re
from collections.abc import Callable, Iterator

from daemon.config import Config, LimitConfig
from daemon.store.limits import Charge
from handlers.contract import Handler, Limit, Message, Proposal
from tools.staged import StagedWrite

Scope = Callable[[str, str, str], str]
"""Limit, what is counted together, its value → look-up value."""
_MONEY = re.compile(r"^\s*(\d+)(?:\.(\d{2}))?\s*([A-Z]{3})\s*$")
SENDER_WINDOW = 3 * 3600
TOTAL_WINDOW = 3600


def money(text: str) -> tuple[int, str]:
    """Read `"50.00 EUR"` as minor units and currency.

    Raises:
        ValueError: it is not written like that.
    """
    found = _MONEY.match(text)
    if not found:
        raise ValueError(f'{text!r} is no amount. Write it as "50.00 EUR"')
    return int(found.group(1)) * 100 + int(found.group(2) or 0), found.group(3)


def declared(config: LimitConfig) -> Limit:
    """A limit of triaged.toml in the shape that handlers' limits have.

    Raises:
        ValueError: the amount can't be read.
    """
    amount, currency = money(config.amount) if config.amount is not None else (None, None)
    return Limit(
        name=config.name,
        per=config.per,
        window=int(config.window),
        count=config.count,
        amount=amount,
        currency=currency,
        tool=config.tool,
    )


def charges(  # noqa: PLR0913 - what a limit may count by
    config: Config, handler: Handler | None, message: Message, proposal: Proposal, conversation: str, *, scope: Scope
) -> tuple[Charge, ...]:
    """What this reply would spend, one charge a limit that it touches."""
    limits = [*(declared(each) for each in config.limits.limit), *(handler.limits if handler else ())]
    found = [*_caps(config, message, scope)]
    for limit in limits:
        found += _of(limit, handler, message, proposal, conversation, scope)
    return tuple(found)


def _caps(config: Config, message: Message, scope: Scope) -> Iterator[Charge]:
    address = message.sender.address
    most = config.limits
    yield Charge(name="replies-per-sender", scope=scope("replies-per-sender", "sender", address), window=SENDER_WINDOW, most_count=most.replies_per_sender)
    yield Charge(name="replies-per-hour", scope=scope("replies-per-hour", "total", "*"), window=TOTAL_WINDOW, most_count=most.replies_per_hour)


def _of(  # noqa: PLR0913 - as `charges`
    limit: Limit, handler: Handler | None, message: Message, proposal: Proposal, conversation: str, scope: Scope
) -> Iterator[Charge]:
    writes = [write for write in proposal.writes if limit.tool in (None, write.tool)]
    if limit.tool is not None and not writes:
        return
    value = {
        "action": limit.tool or "*",
        "sender": message.sender.address,
        "conversation": conversation,
        "handler": handler.name if handler else "",
        "mailbox": message.mailbox,
        "total": "*",
    }[limit.per]
    yield Charge(
        name=limit.name,
        scope=scope(limit.name, limit.per, value),
        window=limit.window,
        count=max(1, len(writes)) if limit.tool else 1,
        amount=sum(_amount(write, limit) for write in writes),
        most_count=limit.count,
        most_amount=limit.amount,
    )


def _amount(write: StagedWrite, limit: Limit) -> int:
    """Minor units; money in another currency than the limit's counts as more than any limit."""
    if write.amount is None or limit.amount is None:
        return 0
    return write.amount if write.currency == limit.currency else limit.amount + 1
