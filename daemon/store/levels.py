"""What is where just now, as numbers: read each time that somebody asks, and cheap whatever the store's age."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from daemon.store import switches
from daemon.store.tables import Delivery, DoorRow, Draft, Mail, Switch

OPEN = ("approved", "applying", "ready", "sending")
"""States of a delivery that is to leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The store at this moment."""

    held: dict[str, int]
    """Main reason to number of held drafts."""
    oldest_held: datetime | None
    undecided: int
    """Mails that no run has answered or held yet."""
    leaving: dict[str, int]
    """State to number of deliveries that are to leave."""
    doors: dict[str, str]
    """Mailbox to `daemon.inbound.arrival.DoorState`."""
    pauses: int
    breaker_open: bool


def levels(session: Session) -> Levels:
    """Read them."""
    held: dict[str, int] = {}
    for reasons in session.exec(select(Draft.reasons).where(col(Draft.state) == "held")):
        main = reasons.partition(",")[0]
        held[main] = held.get(main, 0) + 1
    oldest = select(sa.func.min(col(Draft.created_at))).where(col(Draft.state) == "held")
    undecided = select(sa.func.count()).where(col(Mail.state).in_(("screened", "working")))
    leaving = select(Delivery.state, sa.func.count()).where(col(Delivery.state).in_(OPEN)).group_by(col(Delivery.state))
    off = set(session.exec(select(Switch.name)))
    return Levels(
        held=held,
        oldest_held=session.exec(oldest).one(),
        undecided=session.exec(undecided).one(),
        leaving=dict.fromkeys(OPEN, 0) | dict(session.exec(leaving).all()),
        doors=dict(session.exec(select(DoorRow.mailbox, DoorRow.state)).all()),
        pauses=len(off - {switches.BREAKER}),
        breaker_open=switches.BREAKER in off,
    )
