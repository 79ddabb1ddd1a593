"""What was spent of each limit, counted in the transaction that spends it (promise P7)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import sqlalchemy as sa
from sqlmodel import Session, col, select

from daemon.store.columns import insert
from daemon.store.seal import Vault
from daemon.store.tables import LimitRow

PARTS = 24
"""A window is counted in so many buckets."""
CAPS = MappingProxyType(
    {
        "replies-per-sender": 3 * 3600,
        "replies-per-conversation": 86400,
        "replies-per-mailbox": 3600,
        "replies-per-hour": 3600,
    }
)
"""The caps of `[limits]` on automatic replies, and their windows in seconds; other limits are the operator's own."""
_AT_ONCE = 500
_KEY = ("name", "scope_mac", "bucket")
_LOCK = 0
"""The bucket that counts nothing: whoever spends of a limit locks it first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one reply spends of one limit."""

    name: str
    scope: str
    """What is counted together, as a keyed look-up value (`scope`)."""
    window: int
    """Seconds."""
    count: int = 1
    amount: int = 0
    """Minor units."""
    most_count: int | None = None
    most_amount: int | None = None
    currency: str | None = None


def scope(vault: Vault, limit: str, per: str, value: str) -> str:
    """The look-up value of what is counted together: the address of a sender, a conversation, a tool and so on."""
    return vault.mac("limit", f"{limit}\0{per}\0{value}")


def bucket(charge: Charge, at: datetime) -> int:
    """The bucket in which something that happens at `at` is counted: the end of it, seconds since 1970.

    What is counted leaves the window when the end of its bucket does: up to 1/24 of the window too late, and never too
    early, also where the operator has changed the window since.
    """
    width = max(1, charge.window // PARTS)
    return (math.floor(at.timestamp()) // width + 1) * width


def spent(session: Session, charge: Charge, now: datetime) -> tuple[int, int]:
    """Count and amount spent within the window until now."""
    query = select(LimitRow.count, LimitRow.amount).where(
        col(LimitRow.name) == charge.name,
        col(LimitRow.scope_mac) == charge.scope,
        col(LimitRow.bucket) > max(_LOCK, math.floor(now.timestamp() - charge.window)),
    )
    rows = session.exec(query).all()
    return sum(count for count, _ in rows), sum(amount for _, amount in rows)


def reserve(session: Session, charges: Sequence[Charge], now: datetime) -> Charge | None:
    """Spend every charge, or none.

    Returns:
        The first charge that would exceed its limit; None when all were spent.
    """
    ordered = _in_order(charges)
    for charge in ordered:
        if lacks_room(session, charge, now):
            return charge
    for charge in ordered:
        spend(session, charge, now)
    return None


def lacks_room(session: Session, charge: Charge, now: datetime) -> bool:
    """Whether the charge does not fit now; until the transaction ends nobody else spends of that limit."""
    _lock(session, charge)
    return exceeds(charge, *spent(session, charge, now))


def spend(session: Session, charge: Charge, now: datetime) -> None:
    """Count a charge, whether it fits or not."""
    row = insert(session, LimitRow).values(
        name=charge.name,
        scope_mac=charge.scope,
        bucket=bucket(charge, now),
        count=charge.count,
        amount=charge.amount,
    )
    more = {"count": col(LimitRow.count) + row.excluded.count, "amount": col(LimitRow.amount) + row.excluded.amount}
    session.connection().execute(row.on_conflict_do_update(index_elements=_KEY, set_=more))


def release(session: Session, charges: Sequence[Charge], at: datetime) -> None:
    """Give back what a reply that certainly did not leave had spent at `at`."""
    for charge in _in_order(charges):
        _lock(session, charge)
        key = (col(LimitRow.name) == charge.name, col(LimitRow.scope_mac) == charge.scope)
        less = {"count": col(LimitRow.count) - charge.count, "amount": col(LimitRow.amount) - charge.amount}
        counted = sa.update(LimitRow).where(*key, col(LimitRow.bucket) == bucket(charge, at))
        session.connection().execute(counted.values(**less))


def exceeds(charge: Charge, count: int, amount: int) -> bool:
    """Whether the charge does not fit on top of what was spent."""
    if charge.most_count is not None and count + charge.count > charge.most_count:
        return True
    return charge.most_amount is not None and amount + charge.amount > charge.most_amount


def forget(session: Session, name: str, scope: str) -> None:
    """Begin to count from nothing."""
    counted = (col(LimitRow.name) == name, col(LimitRow.scope_mac) == scope, col(LimitRow.bucket) > _LOCK)
    session.connection().execute(sa.delete(LimitRow).where(*counted))


def prune(session: Session, before: datetime) -> int:
    """Delete up to 500 rows that no window reaching back to `before` counts; how many were deleted.

    What somebody has locked is left for the next time, so that this waits for nobody and nobody for it.
    """
    live = sa.orm.aliased(LimitRow)
    since = math.floor(before.timestamp())
    used = sa.exists().where(
        col(live.name) == col(LimitRow.name),
        col(live.scope_mac) == col(LimitRow.scope_mac),
        col(live.bucket) > since,
    )
    over = (col(LimitRow.bucket) > _LOCK) & (col(LimitRow.bucket) <= since)
    key = [col(getattr(LimitRow, name)) for name in _KEY]
    query = sa.select(*key).where(over | ((col(LimitRow.bucket) == _LOCK) & ~used)).limit(_AT_ONCE)
    connection = session.connection()
    rows = connection.execute(query.with_for_update(skip_locked=True)).all()
    if rows:
        connection.execute(sa.delete(LimitRow).where(sa.tuple_(*key).in_([tuple(row) for row in rows])))
    return len(rows)


def _in_order(charges: Sequence[Charge]) -> list[Charge]:
    """The order in which everybody locks."""
    return sorted(charges, key=lambda charge: (charge.name, charge.scope))


def _lock(session: Session, charge: Charge) -> None:
    """Make everybody who spends of this limit wait until the transaction ends.

    Locking the counted buckets is not enough: at the turn of a bucket two writers would lock different rows. One
    statement makes the row or locks it, so that a lock which is pruned in this very moment is only made again.
    """
    row = insert(session, LimitRow).values(name=charge.name, scope_mac=charge.scope, bucket=_LOCK, count=0, amount=0)
    session.connection().execute(row.on_conflict_do_update(index_elements=_KEY, set_={"count": 0}))
