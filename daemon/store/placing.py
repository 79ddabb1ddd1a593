"""Which held drafts should lie in their mailbox's drafts folder, and which should not any more."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col, select

from daemon.store import content
from daemon.store.content import Text
from daemon.store.seal import Vault
from daemon.store.tables import Delivery, Draft, Mail, Revision, StagedWriteRow
from handlers.contract import Message

NOWHERE = (0, 0)
"""The place of a draft that can't lie there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a revision of a draft lies."""

    draft: str
    revision: int
    uidvalidity: int
    uid: int

    def __str__(self) -> str:
        """As the store keeps it."""
        return f"{self.revision}:{self.uidvalidity}:{self.uid}"

    @property
    def token(self) -> str:
        """The value of its header field."""
        return f"{self.draft}.{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A revision that should lie there, and where an older one lies."""

    draft: str
    revision: int
    message: Message
    text: Text
    old: Placed | None

    @property
    def token(self) -> str:
        """The value of its header field."""
        return f"{self.draft}.{self.revision}"


def missing(session: Session, vault: Vault, mailbox: str, *, limit: int) -> list[Wanted]:
    """Held drafts whose text does not lie there as it stands, the oldest first.

    Not those that would change something: who sends one by hand would promise a write that never happens. And not those
    of which a reply left, or may have.
    """
    here = sa.cast(col(Draft.revision), sa.String) + ":%"
    writes = sa.exists().where(col(StagedWriteRow.draft_id) == col(Draft.id))
    query = (
        select(Draft)
        .where(col(Draft.state) == "held", col(Draft.mailbox) == mailbox, ~writes, ~_out())
        .where(col(Draft.placed).is_(None) | col(Draft.placed).not_like(here))
        .order_by(col(Draft.created_at))
        .limit(limit)
    )
    return [_wanted(session, vault, draft) for draft in session.exec(query)]


def _out() -> sa.ColumnElement[bool]:
    """A reply left, or may have."""
    gone = col(Delivery.applied) | (col(Delivery.state) != "refused")
    return sa.exists().where(col(Delivery.draft_id) == col(Draft.id), gone)


def _wanted(session: Session, vault: Vault, draft: Draft) -> Wanted:
    return Wanted(
        draft=draft.id,
        revision=draft.revision,
        message=content.message_of(vault, session.get_one(Mail, draft.message_id)),
        text=content.text_of(vault, session.get_one(Revision, (draft.id, draft.revision))),
        old=_placed(draft),
    )


def superfluous(session: Session, mailbox: str, *, every: bool, limit: int) -> list[Placed]:
    """What lies there although it was decided; with `every`, all that lies there."""
    where = [col(Draft.placed).is_not(None), col(Draft.mailbox) == mailbox]
    if not every:
        where.append((col(Draft.state) != "held") | _out())
    rows = session.exec(select(Draft).where(*where).limit(limit)).all()
    return [place for draft in rows if (place := _placed(draft)) is not None]


def keep(session: Session, places: Sequence[Placed]) -> None:
    """Remember where drafts lie now."""
    for each in places:
        session.execute(sa.update(Draft).where(col(Draft.id) == each.draft).values(placed=str(each)))


def forget(session: Session, drafts: Sequence[str]) -> None:
    """Nothing of these lies there any more."""
    session.execute(sa.update(Draft).where(col(Draft.id).in_(drafts)).values(placed=None))


def _placed(draft: Draft) -> Placed | None:
    if draft.placed is None:
        return None
    revision, uidvalidity, uid = (int(part) for part in draft.placed.split(":"))
    return Placed(draft=draft.id, revision=revision, uidvalidity=uidvalidity, uid=uid)
