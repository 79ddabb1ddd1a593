"""What was spent of each limit, counted in the transaction that spends it (promise P7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from daemon.store.seal import Vault
from daemon.store.tables import LimitRow

PARTS = 24
"""A window is counted in so many buckets. The oldest one counts whole although part of it has left the window, so
that a limit may hold up to 1/24 of its window too long and never lets too much through."""


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


def scope(vault: Vault, limit: str, per: str, value: str) -> str:
    """The look-up value of what is counted together: the address of a sender, a conversation, a tool and so on."""
    return vault.mac("limit", f"{limit}\0{per}\0{value}")


def bucket(charge: Charge, now: datetime) -> int:
    """The bucket in which something that happens now is counted."""
    width = max(1, charge.window // PARTS)
    return int(now.timestamp()) // width * width


def spent(session: Session, charge: Charge, now: datetime) -> tuple[int, int]:
    """Count and amount spent within the window until now."""
    oldest = bucket(charge, now) - charge.window
    query = select(LimitRow).where(
        col(LimitRow.name) == charge.name,
        col(LimitRow.scope_mac) == charge.scope,
        col(LimitRow.bucket) > 0,
        col(LimitRow.bucket) >= oldest,
    )
    rows = session.exec(query).all()
    return sum(row.count for row in rows), sum(row.amount for row in rows)


def reserve(session: Session, charges: Sequence[Charge], now: datetime) -> Charge | None:
    """Spend every charge, or none.

    Returns:
        The first charge that would exceed its limit; None when all were spent. The caller must roll back or not
        commit the spending of the others, which is not written before all fit.
    """
    ordered = sorted(charges, key=lambda charge: (charge.name, charge.scope))
    for charge in ordered:
        _lock(session, charge)
        count, amount = spent(session, charge, now)
        if exceeds(charge, count, amount):
            return charge
    for charge in ordered:
        row = _row(session, charge, now)
        row.count += charge.count
        row.amount += charge.amount
        session.add(row)
    return None


def release(session: Session, charges: Sequence[Charge], at: datetime) -> None:
    """Give back what a reply that certainly did not leave had spent at `at`."""
    for charge in sorted(charges, key=lambda charge: (charge.name, charge.scope)):
        _lock(session, charge)
        row = _row(session, charge, at)
        row.count = max(0, row.count - charge.count)
        row.amount = max(0, row.amount - charge.amount)
        session.add(row)


def exceeds(charge: Charge, count: int, amount: int) -> bool:
    """Whether the charge does not fit on top of what was spent."""
    if charge.most_count is not None and count + charge.count > charge.most_count:
        return True
    return charge.most_amount is not None and amount + charge.amount > charge.most_amount


def _lock(session: Session, charge: Charge) -> None:
    """Make everybody who spends of this limit wait: bucket 0 is the lock, always there, always taken first.

    Locking the counted buckets alone is not enough: at the turn of a bucket two writers would lock different rows.
    """
    key = {"name": charge.name, "scope_mac": charge.scope, "bucket": 0}
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(LimitRow).values(**key, count=0, amount=0).on_conflict_do_nothing())
    where = (col(LimitRow.name) == charge.name, col(LimitRow.scope_mac) == key["scope_mac"], col(LimitRow.bucket) == 0)
    session.exec(select(LimitRow).where(*where).with_for_update()).one()


def _row(session: Session, charge: Charge, now: datetime) -> LimitRow:
    key = (charge.name, charge.scope, bucket(charge, now))
    row = session.get(LimitRow, key)
    if row is None:
        row = LimitRow(name=key[0], scope_mac=key[1], bucket=key[2])
        session.add(row)
    return row
