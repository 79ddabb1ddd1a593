"""What is turned off: pauses and the breaker, which every worker reads in the transaction before it sends (P3, P11)."""

from datetime import datetime

from sqlmodel import Session, col, select

from daemon.store.columns import insert
from daemon.store.seal import INSTALLATION, Vault
from daemon.store.tables import Switch

ALL = "pause:*"
BREAKER = "breaker"
"""Turned off by triaged itself (`daemon.store.breaker`), for everything."""


def name(*, mailbox: str | None = None, handler: str | None = None) -> str:
    """The switch that pauses a mailbox, a handler, or everything."""
    if mailbox is not None:
        return f"pause:mailbox:{mailbox}"
    return f"pause:handler:{handler}" if handler is not None else ALL


def turn_off(session: Session, vault: Vault, switch: str, *, by: str, reason: str, now: datetime) -> bool:
    """Turn off; False when it was off already."""
    note = vault.seal(INSTALLATION, "switches.note", switch, reason.encode())
    row = insert(session, Switch).values(name=switch, by=by, at=now, note=note).on_conflict_do_nothing()
    return session.connection().execute(row.returning(col(Switch.name))).first() is not None


def turn_on(session: Session, switch: str) -> bool:
    """Turn on again; False when it was not off."""
    found = session.get(Switch, switch)
    if found is None:
        return False
    session.delete(found)
    return True


def off(session: Session, *, mailbox: str, handler: str | None) -> str | None:
    """The first switch that keeps replies of this mailbox and handler from leaving; None: nothing does."""
    names = [ALL, BREAKER, name(mailbox=mailbox), *([name(handler=handler)] if handler else [])]
    return session.exec(select(Switch.name).where(col(Switch.name).in_(names)).order_by(col(Switch.name))).first()


def concerns(switch: str, mailbox: str, handler: str | None) -> bool:
    """Whether a switch keeps replies of this mailbox and handler from leaving."""
    return switch in {ALL, BREAKER, name(mailbox=mailbox), name(handler=handler or "")}


def reason(switch: str) -> str:
    """The reason of `daemon.gate.verdict` for which a reply stays while a switch is off."""
    return "breaker-open" if switch == BREAKER else "paused"


def every(session: Session, vault: Vault) -> list[tuple[Switch, str]]:
    """Every switch that is off, with the reason that was given."""
    rows = session.exec(select(Switch).order_by(col(Switch.at))).all()
    return [
        (row, vault.open(INSTALLATION, "switches.note", row.name, row.note).decode() if row.note else "")
        for row in rows
    ]
