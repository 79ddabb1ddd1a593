"""Everything that a person needs to decide about a draft, read from the store as one value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlmodel import Session, SQLModel, col, select

from daemon.errors import Ambiguous, NotFound
from daemon.store import content, switches
from daemon.store.codec import decode
from daemon.store.content import Text
from daemon.store.seal import Vault
from daemon.store.tables import Delivery, Draft, Mail, Review, Revision, Run, StagedWriteRow, ToolCallRow, VerdictRow
from handlers.contract import Message, Proposal, ToolResult
from tools.staged import StagedWrite

Row = TypeVar("Row", bound=SQLModel)

OPEN = ("held", "approved", "delivering")
DECIDED = ("done", "rejected", "superseded", "answered-by-human")


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLine:
    """A draft as a line of a list."""

    id: str
    state: str
    reasons: tuple[str, ...]
    mailbox: str
    handler: str | None
    category: str | None
    sender: str
    subject: str
    priority: str
    amount: int | None
    currency: str | None
    claimed_by: str | None
    created_at: datetime
    deadline: datetime | None
    leaves_at: datetime | None
    """When an approved one is tried next; None: it waits for a person, for a resume, or is decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a mail server told about the reply, in a mail of its own."""

    message: str
    at: datetime
    action: str
    """`daemon.store.notification.Action`."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftView:
    """A draft with its mail and all the evidence."""

    line: DraftLine
    revision: int
    author: str
    messages: tuple[Message, ...]
    """The mails that it answers, oldest first."""
    text: Text
    proposal: Proposal
    route: Mapping[str, Any]
    calls: tuple[ToolResult, ...]
    writes: tuple[StagedWrite, ...]
    checks: tuple[Mapping[str, Any], ...]
    run: str
    release: str
    brain: str | None
    applied: bool
    """The staged writes stand in the business database."""
    answers: tuple[tuple[str, str], ...]
    """State of each delivery and what the mail server said."""
    told: tuple[Told, ...]
    reviews: tuple[tuple[datetime, str, str, str], ...]
    """When, who, what, note."""


def find(session: Session, table: type[Row], prefix: str) -> Row:
    """The one row whose id begins with `prefix`.

    Raises:
        NotFound: none does.
        Ambiguous: several do.
    """
    word = {"drafts": "draft", "messages": "message"}.get(str(table.__tablename__), "row")
    identifier = table.__table__.c.id  # type: ignore[attr-defined]  # every table has one; SQLModel does not say so
    rows = (
        session.exec(select(table).where(identifier.startswith(prefix.lower(), autoescape=True)).limit(3)).all()
        if prefix
        else []
    )
    if not rows:
        raise NotFound(f"There is no {word} `{prefix}`. List them with `triaged {word}s list`.")
    if len(rows) > 1:
        raise Ambiguous(f"Several {word}s begin with `{prefix}`. Give more of the id.")
    return rows[0]


def list_drafts(
    session: Session, vault: Vault, *, states: Sequence[str] = ("held",), limit: int = 200
) -> list[DraftLine]:
    """Drafts in these states: held ones first, among them the urgent and the old."""
    query = select(Draft).where(col(Draft.state).in_(states)).order_by(col(Draft.created_at)).limit(limit)
    lines = [_line(session, vault, draft) for draft in session.exec(query)]
    rank = {"high": 0, "normal": 1, "low": 2}
    return sorted(lines, key=lambda line: (line.state != "held", rank.get(line.priority, 1), line.created_at))


def _line(session: Session, vault: Vault, draft: Draft) -> DraftLine:
    message = content.message_of(vault, session.get_one(Mail, draft.message_id))
    return DraftLine(
        id=draft.id,
        state=draft.state,
        reasons=tuple(filter(None, draft.reasons.split(","))),
        mailbox=draft.mailbox,
        handler=draft.handler,
        category=draft.category,
        sender=message.sender.address,
        subject=message.subject,
        priority=draft.priority,
        amount=draft.amount,
        currency=draft.currency,
        claimed_by=draft.claimed_by,
        created_at=draft.created_at,
        deadline=draft.deadline,
        leaves_at=_leaves_at(session, draft),
    )


def _leaves_at(session: Session, draft: Draft) -> datetime | None:
    if draft.state not in ("approved", "delivering"):
        return None
    waiting = col(Delivery.state).in_(("approved", "applying", "ready"))
    delivery = session.exec(select(Delivery).where(col(Delivery.draft_id) == draft.id, waiting)).first()
    if delivery is None or switches.off(session, mailbox=draft.mailbox, handler=draft.handler) is not None:
        return None
    return delivery.next_try or delivery.created_at


def show_draft(session: Session, vault: Vault, prefix: str) -> DraftView:
    """A draft with everything.

    Raises:
        NotFound, Ambiguous: the id.
    """
    draft = find(session, Draft, prefix)
    revision = session.get_one(Revision, (draft.id, draft.revision))
    run = session.get_one(Run, draft.run_id)
    mails = session.exec(select(Mail).where(col(Mail.draft_id) == draft.id).order_by(col(Mail.seq))).all()
    mails = mails or [session.get_one(Mail, draft.message_id)]
    newest = mails[-1]
    return DraftView(
        line=_line(session, vault, draft),
        revision=draft.revision,
        author=revision.author,
        messages=tuple(content.message_of(vault, mail) for mail in mails),
        text=content.text_of(vault, revision),
        proposal=decode(Proposal, vault.open(draft.person_id, "drafts.content", draft.id, draft.content)),
        route=decode(dict[str, Any], vault.open(newest.person_id, "messages.note", newest.id, newest.note))
        if newest.note
        else {},
        calls=calls_of(session, vault, draft.run_id),
        writes=_writes(session, vault, draft),
        checks=_checks(session, vault, draft),
        run=run.id,
        release=run.release,
        brain=run.brain,
        applied=session.exec(
            select(Delivery.id).where(col(Delivery.draft_id) == draft.id, col(Delivery.applied))
        ).first()
        is not None,
        answers=_answers(session, vault, draft),
        told=told_about(session, vault, draft),
        reviews=_reviews(session, vault, draft),
    )


def calls_of(session: Session, vault: Vault, run: str) -> tuple[ToolResult, ...]:
    """The tool calls of a run, in order."""
    rows = session.exec(
        select(ToolCallRow).where(col(ToolCallRow.run_id) == run).order_by(col(ToolCallRow.ordinal))
    ).all()
    return tuple(
        decode(ToolResult, vault.open(row.person_id, "tool_calls.content", row.id, row.content)) for row in rows
    )


def _writes(session: Session, vault: Vault, draft: Draft) -> tuple[StagedWrite, ...]:
    rows = session.exec(
        select(StagedWriteRow).where(col(StagedWriteRow.draft_id) == draft.id).order_by(col(StagedWriteRow.ordinal))
    ).all()
    return tuple(
        decode(
            StagedWrite, vault.open(row.person_id, "staged_writes.content", f"{draft.id}:{row.ordinal}", row.content)
        )
        for row in rows
    )


def _checks(session: Session, vault: Vault, draft: Draft) -> tuple[Mapping[str, Any], ...]:
    query = select(VerdictRow).where(col(VerdictRow.draft_id) == draft.id).order_by(col(VerdictRow.revision).desc())
    row = session.exec(query).first()
    if row is None:
        return ()
    return tuple(
        decode(
            list[dict[str, Any]], vault.open(row.person_id, "verdicts.checks", f"{draft.id}:{row.revision}", row.checks)
        )
    )


def _answers(session: Session, vault: Vault, draft: Draft) -> tuple[tuple[str, str], ...]:
    rows = session.exec(
        select(Delivery).where(col(Delivery.draft_id) == draft.id).order_by(col(Delivery.created_at))
    ).all()
    return tuple(
        (row.state, vault.open(row.person_id, "deliveries.answer", row.id, row.answer).decode() if row.answer else "")
        for row in rows
    )


def told_about(session: Session, vault: Vault, draft: Draft) -> tuple[Told, ...]:
    """What mail servers told about the reply, the oldest first."""
    rows = session.exec(
        select(Mail).where(col(Mail.about_draft_id) == draft.id).order_by(col(Mail.received_at), col(Mail.id))
    ).all()
    return tuple(
        Told(
            message=row.id,
            at=row.received_at,
            action=row.about_action or "unknown",
            detail=vault.open(row.person_id, "messages.note", row.id, row.note).decode() if row.note else "",
        )
        for row in rows
    )


def _reviews(session: Session, vault: Vault, draft: Draft) -> tuple[tuple[datetime, str, str, str], ...]:
    rows = session.exec(select(Review).where(col(Review.draft_id) == draft.id).order_by(col(Review.id))).all()
    return tuple(
        (
            row.at,
            row.reviewer,
            row.action,
            vault.open(row.person_id, "reviews.note", f"{row.draft_id}:{row.at.isoformat()}", row.note).decode()
            if row.note
            else "",
        )
        for row in rows
    )
