"""What `triaged status` shows: how much is where, and what is off."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from daemon.store import switches
from daemon.store.seal import Vault
from daemon.store.tables import Cursor, Delivery, Draft, Mail, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The store at a glance."""

    messages: dict[str, int]
    """State or outcome to number of messages."""
    held: dict[str, int]
    """Main reason to number of held drafts."""
    oldest_held: datetime | None
    waiting_to_leave: int
    off: tuple[tuple[str, str, str], ...]
    """Switch, who, why."""
    tokens_today: int
    cursors: tuple[tuple[str, str, int, datetime], ...]
    """Mailbox, folder, last UID, when."""


def status(session: Session, vault: Vault, now: datetime) -> Status:
    """Count."""
    state = sa.case((col(Mail.state) == "done", col(Mail.outcome)), else_=col(Mail.state))
    messages = dict(session.execute(sa.select(state, func.count()).select_from(Mail).group_by(state)).all())
    held: dict[str, int] = {}
    for reasons in session.exec(select(Draft.reasons).where(col(Draft.state) == "held")):
        main = reasons.split(",")[0]
        held[main] = held.get(main, 0) + 1
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Status(
        messages={str(key): number for key, number in sorted(messages.items(), key=lambda item: str(item[0]))},
        held=dict(sorted(held.items())),
        oldest_held=session.exec(select(func.min(Draft.created_at)).where(col(Draft.state) == "held")).first(),
        waiting_to_leave=session.exec(
            select(func.count()).where(col(Delivery.state).in_(("approved", "applying", "ready", "sending")))
        ).one(),
        off=tuple((row.name, row.by, why) for row, why in switches.every(session, vault)),
        tokens_today=tokens_since(session, midnight),
        cursors=tuple(
            (each.mailbox, each.folder, each.last_uid, each.updated_at) for each in session.exec(select(Cursor))
        ),
    )


def tokens_since(session: Session, since: datetime) -> int:
    """Tokens that runs started since then have used."""
    total = session.exec(
        select(func.sum(Run.input_tokens + Run.output_tokens)).where(col(Run.started_at) >= since)
    ).one()
    return int(total or 0)
