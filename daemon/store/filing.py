"""What a mailbox should show of each mail, and which mails it does not show so yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Session, col, select

from daemon.store import content
from daemon.store.position import Position
from daemon.store.seal import Vault
from daemon.store.tables import Mail


class Shown(StrEnum):
    """What a mailbox shows of a mail. The text is what the store keeps: never rename one."""

    TAKEN = "taken"
    """It is in the store, and nobody has decided yet, or its reply has not left yet."""
    HELD = "held"
    IGNORED = "ignored"
    """Nobody answers it: it stays unread where it is."""
    READ = "read"
    """A person decided that no reply leaves."""
    ANSWERED = "answered"


_OUTCOMES = {
    Shown.IGNORED: ("ignored",),
    Shown.READ: ("rejected", "superseded"),
    Shown.ANSWERED: ("sent", "answered-by-human"),
}
_WAYS = {outcome: shown for shown, outcomes in _OUTCOMES.items() for outcome in outcomes}
_UNDECIDED = ("screened", "working", "approved", "delivering")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lying:
    """A mail in its mailbox that should be shown otherwise than it is."""

    message: str
    folder: str
    """Empty in a Maildir; `uidvalidity` and `uid` are None then."""
    uidvalidity: int | None
    uid: int | None
    file: str | None
    """Unique name in a Maildir; None on a server."""
    before: Shown | None
    wanted: Shown
    move_to: str | None
    """The folder that a rule names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done about a mail."""

    mail: Lying
    missing: bool = False
    """It is not where it was: a person moved or deleted it, and it is left alone."""
    moved: bool = False
    to: Position | None = None
    """Where it lies now, if it was moved or found again."""
    sought: str | None = None
    """The folder that it may lie in, where nobody told its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """What was done in one folder."""

    done: tuple[Done, ...] = ()
    refused: tuple[str, ...] = ()
    """What the server said about that which it did not do."""
    keywords: bool = True
    """A person can see there what we tell: keywords are kept, or there are folders for it."""


def wanted(state: str, outcome: str | None) -> Shown:
    """What should be shown of a mail in this state."""
    if state == "held":
        return Shown.HELD
    return _WAYS.get(outcome or "", Shown.TAKEN) if state == "done" else Shown.TAKEN


def unfiled(session: Session, mailbox: str, *, after: str = "", limit: int = 500) -> list[Lying]:
    """Mails of a mailbox that it does not show as it should, in the order of their ids, `limit` behind `after`."""
    # each way to be wrong is a search of its own in the index; what is right, nearly everything, is never looked at
    wrong: list[sa.ColumnElement[bool]] = [col(Mail.filed).is_(None)]
    wrong += [sa.and_(col(Mail.filed) == is_, _should_be(other)) for is_ in Shown for other in Shown if other != is_]
    placed = (col(Mail.mailbox) == mailbox, sa.or_(col(Mail.uid).is_not(None), col(Mail.file).is_not(None)))
    ids = sa.union_all(*(sa.select(col(Mail.id)).where(*placed, each) for each in wrong))
    query = select(Mail).where(col(Mail.id).in_(ids), col(Mail.id) > after).order_by(col(Mail.id)).limit(limit)
    return [_lying(mail) for mail in session.exec(query)]


def _should_be(shown: Shown) -> sa.ColumnElement[bool]:
    """`wanted`, as a condition on a row."""
    if shown is Shown.TAKEN:
        return col(Mail.state).in_(_UNDECIDED)
    if shown is Shown.HELD:
        return col(Mail.state) == "held"
    return sa.and_(col(Mail.state) == "done", col(Mail.outcome).in_(_OUTCOMES[shown]))


def _lying(mail: Mail) -> Lying:
    return Lying(
        message=mail.id,
        folder=mail.folder or "",
        uidvalidity=mail.uidvalidity,
        uid=mail.uid,
        file=mail.file,
        before=Shown(mail.filed) if mail.filed else None,
        wanted=wanted(mail.state, mail.outcome),
        move_to=mail.move_to,
    )


def settle(session: Session, done: Sequence[Done]) -> None:
    """Keep what the mailbox shows now.

    What a row says by now may be another thing: then it is found again. A wish that came meanwhile stays a wish, and a
    place that the reader has renewed meanwhile stays the reader's.
    """
    kinds: dict[tuple[Shown, str | None], list[str]] = {}
    for each in done:
        if not each.missing:
            kinds.setdefault((each.mail.wanted, each.mail.move_to), []).append(each.mail.message)
    for (shown, move_to), ids in kinds.items():
        same_wish = col(Mail.move_to).is_not_distinct_from(move_to)
        session.execute(sa.update(Mail).where(col(Mail.id).in_(ids), same_wish).values(filed=shown.value))
    for each in done:
        if each.missing or each.moved:
            session.execute(sa.update(Mail).where(*_still_there(each.mail)).values(**_place(each.to)))


def _still_there(mail: Lying) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        col(Mail.id) == mail.message,
        col(Mail.folder).is_not_distinct_from(mail.folder or None),
        col(Mail.uidvalidity).is_not_distinct_from(mail.uidvalidity),
        col(Mail.uid).is_not_distinct_from(mail.uid),
        col(Mail.file).is_not_distinct_from(mail.file),
    )


def _place(to: Position | None) -> dict[str, str | int | None]:
    if to is None:
        return {"folder": None, "uidvalidity": None, "uid": None, "file": None}
    return {"folder": to.folder, "uidvalidity": to.uidvalidity, "uid": to.uid}


def message_ids(session: Session, vault: Vault, messages: Sequence[str]) -> dict[str, str]:
    """Id to Message-ID of the mails that have one."""
    rows = session.exec(select(Mail).where(col(Mail.id).in_(messages))).all()
    found = {row.id: content.message_of(vault, row).message_id for row in rows}
    return {key: value for key, value in found.items() if value}
