"""What `triaged status` shows: what the doors do, how much is where, what is to leave and what is off."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from daemon.accounts import MailboxConfig
from daemon.store import doors, switches
from daemon.store.doors import Door
from daemon.store.seal import Vault
from daemon.store.tables import Cursor, Delivery, Draft, Mail, Run

SILENT = timedelta(seconds=150)
"""Two signs of life and a half: who was not heard for so long does not run."""
_SHOWN = 50
_STOPPED = "stopped"
_ON_ITS_WAY = ("approved", "applying", "ready", "sending")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderStatus:
    """How far a folder of an IMAP mailbox was read."""

    folder: str
    last_uid: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxStatus:
    """A mailbox and the door that its mail comes in by."""

    name: str
    kind: str
    mode: str
    """As the daemon runs or ran last; as the file says, if it never did."""
    mode_in_file: str
    state: str | None
    """What the door did when it was last heard of; None: it never was."""
    since: datetime | None
    failures: int
    """Failures in a row."""
    detail: str
    """What is wrong and what to do."""
    heard_at: datetime | None
    """When the daemon last said so."""
    login_ends: datetime | None
    """When a person has to log in again, where an OAuth provider says so."""
    folders: tuple[FolderStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A reply on its way out."""

    draft: str
    mailbox: str
    state: str
    why: str
    """now, grace, retry (the server could not take it), or the switch that it waits for."""
    next_try: datetime | None
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """Something that is turned off."""

    switch: str
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The store at a glance."""

    running: bool
    """A daemon works on this store."""
    last_heard: datetime | None
    """When one last said so."""
    mailboxes: tuple[MailboxStatus, ...]
    messages: dict[str, int]
    """State or outcome to number of messages."""
    held: dict[str, int]
    """Main reason to number of held drafts."""
    oldest_held: datetime | None
    waiting_to_leave: int
    leaving: tuple[Leaving, ...]
    """The first of them, by the time of their next try."""
    off: tuple[Off, ...]
    tokens_today: int


def status(
    session: Session, vault: Vault, mailboxes: Mapping[str, MailboxConfig], *, running: bool | None, now: datetime
) -> Status:
    """Look at everything.

    Args:
        session: reads.
        vault: opens what is sealed for the installation.
        mailboxes: those of the configuration.
        running: whether a daemon holds the lock of this store; None: there is no lock, so its signs of life tell.
        now: when.
    """
    heard = doors.every(session, vault)
    off = tuple(Off(switch=row.name, by=row.by, at=row.at, reason=why) for row, why in switches.every(session, vault))
    state = sa.case((col(Mail.state) == "done", col(Mail.outcome)), else_=col(Mail.state))
    messages = dict(session.execute(sa.select(state, func.count()).select_from(Mail).group_by(state)).all())
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Status(
        running=alive(heard.values(), now) if running is None else running,
        last_heard=max((door.seen_at for door in heard.values()), default=None),
        mailboxes=tuple(_mailbox(session, name, config, heard.get(name)) for name, config in mailboxes.items()),
        messages={str(key): number for key, number in sorted(messages.items(), key=lambda item: str(item[0]))},
        held=_held(session),
        oldest_held=session.exec(select(func.min(Draft.created_at)).where(col(Draft.state) == "held")).first(),
        waiting_to_leave=session.exec(select(func.count()).where(col(Delivery.state).in_(_ON_ITS_WAY))).one(),
        leaving=_leaving(session, [each.switch for each in off], now),
        off=off,
        tokens_today=tokens_since(session, midnight),
    )


def alive(heard: Iterable[Door], now: datetime) -> bool:
    """Whether a daemon gave a sign of life lately."""
    return any(door.state != _STOPPED and now - door.seen_at < SILENT for door in heard)


def _mailbox(session: Session, name: str, config: MailboxConfig, door: Door | None) -> MailboxStatus:
    query = select(Cursor).where(col(Cursor.mailbox) == name).order_by(col(Cursor.folder))
    return MailboxStatus(
        name=name,
        kind=config.kind,
        mode=door.mode if door else config.mode,
        mode_in_file=config.mode,
        state=door.state if door else None,
        since=door.since if door else None,
        failures=door.failures if door else 0,
        detail=door.detail if door else "",
        heard_at=door.seen_at if door else None,
        login_ends=door.login_ends if door else None,
        folders=tuple(
            FolderStatus(folder=row.folder, last_uid=row.last_uid, at=row.updated_at) for row in session.exec(query)
        ),
    )


def _held(session: Session) -> dict[str, int]:
    held: dict[str, int] = {}
    for reasons in session.exec(select(Draft.reasons).where(col(Draft.state) == "held")):
        main = reasons.split(",")[0]
        held[main] = held.get(main, 0) + 1
    return dict(sorted(held.items()))


def _leaving(session: Session, off: Sequence[str], now: datetime) -> tuple[Leaving, ...]:
    query = (
        select(Delivery, Draft)
        .join(Draft, col(Draft.id) == col(Delivery.draft_id))
        .where(col(Delivery.state).in_(_ON_ITS_WAY))
        .order_by(col(Delivery.next_try), col(Delivery.created_at))
        .limit(_SHOWN)
    )
    return tuple(
        Leaving(
            draft=draft.id,
            mailbox=draft.mailbox,
            state=delivery.state,
            why=_why(delivery, draft, off, now),
            next_try=delivery.next_try,
            tries=delivery.tries,
        )
        for delivery, draft in session.exec(query)
    )


def _why(delivery: Delivery, draft: Draft, off: Sequence[str], now: datetime) -> str:
    """Why it has not left yet."""
    if delivery.state == "sending":
        return "now"
    waits_for = next((switch for switch in off if switches.concerns(switch, draft.mailbox, draft.handler)), None)
    if waits_for is not None:
        return waits_for
    if delivery.failing_since is not None:
        return "retry"
    return "grace" if delivery.next_try is not None and delivery.next_try > now else "now"


def tokens_since(session: Session, since: datetime) -> int:
    """Tokens that runs started since then have used."""
    total = session.exec(
        select(func.sum(Run.input_tokens + Run.output_tokens)).where(col(Run.started_at) >= since)
    ).one()
    return int(total or 0)
