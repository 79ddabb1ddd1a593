"""What the doors of the mailboxes are doing, as the daemon last said; for people who look from another process."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from daemon.store.columns import insert
from daemon.store.seal import INSTALLATION, Vault
from daemon.store.tables import DoorRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The reader or listener of a mailbox."""

    mailbox: str
    state: str
    """One of `daemon.inbound.arrival.DoorState`."""
    mode: str
    """`shadow` or `live`, as the daemon runs."""
    detail: str = ""
    """What is wrong and what to do; may quote a server."""
    failures: int = 0
    """Failures in a row."""
    since: datetime
    seen_at: datetime
    """When the daemon last said so."""
    login_ends: datetime | None = None
    """When a person has to log in again, where an OAuth provider says so."""


def keep(session: Session, vault: Vault, doors: Iterable[Door]) -> None:
    """Write what the doors are doing now."""
    for door in doors:
        sealed = vault.seal(INSTALLATION, "doors.detail", door.mailbox, door.detail.encode()) if door.detail else None
        values = {
            "state": door.state,
            "mode": door.mode,
            "failures": door.failures,
            "since": door.since,
            "seen_at": door.seen_at,
            "detail": sealed,
            "login_ends": door.login_ends,
        }
        row = insert(session, DoorRow).values(mailbox=door.mailbox, **values)
        session.connection().execute(row.on_conflict_do_update(index_elements=["mailbox"], set_=values))


def every(session: Session, vault: Vault) -> dict[str, Door]:
    """The doors by their mailbox, those of mailboxes that are configured no longer among them."""
    rows = session.exec(select(DoorRow).order_by(col(DoorRow.mailbox))).all()
    return {
        row.mailbox: Door(
            mailbox=row.mailbox,
            state=row.state,
            mode=row.mode,
            detail=vault.open(INSTALLATION, "doors.detail", row.mailbox, row.detail).decode() if row.detail else "",
            failures=row.failures,
            since=row.since,
            seen_at=row.seen_at,
            login_ends=row.login_ends,
        )
        for row in rows
    }
