"""Records that an operator called a tool by hand: who looked at whose rows (promise P12)."""

from datetime import datetime

from sqlmodel import Session, col, select

from daemon.store import records
from daemon.store.seal import Vault
from daemon.store.tables import Person

KIND = "tool-called"


def record(
    session: Session, vault: Vault, *, tool: str, outcome: str, rows: int, sender: str | None, by: str, now: datetime
) -> None:
    """Add the entry; an address that nobody here wrote from is not kept.

    Args:
        session: the transaction.
        vault: knows the look-up value of an address.
        tool: its name.
        outcome: `ok`, `refused` or `failed`.
        rows: how many it returned.
        sender: the address as which it was called.
        by: the OS user.
        now: when.
    """
    person = None
    if sender is not None:
        mac = vault.mac("address", sender)
        person = session.exec(select(Person.id).where(col(Person.address_mac) == mac)).first()
    records.write(session, KIND, at=now, actor=by, person=person, tool=tool, outcome=outcome, rows=rows)
