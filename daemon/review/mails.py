"""Received mail as people look at it: lists, one mail with its story, and taking up what was ignored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from daemon.errors import NotPossible
from daemon.review.view import Told, calls_of, find, told_about
from daemon.store import answered, content, conversations, records
from daemon.store.codec import decode
from daemon.store.queue import Queue
from daemon.store.seal import Vault
from daemon.store.tables import Conversation, Delivery, Draft, Mail, Raw, Record, Run
from handlers.contract import Message, ToolResult


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLine:
    """A message as a line of a list."""

    id: str
    received_at: datetime
    mailbox: str
    sender: str
    verdict: str
    subject: str
    state: str
    outcome: str | None
    reason: str | None
    rule: str | None
    handler: str | None
    label: str | None
    assignee: str | None
    priority: str
    draft: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailView:
    """A message and what was done with it."""

    line: MailLine
    message: Message
    note: str
    """Why it was ignored, in words."""
    route: Mapping[str, Any]
    runs: tuple[Mapping[str, Any], ...]
    calls: tuple[ToolResult, ...]
    told: tuple[Told, ...]
    """What mail servers told about the reply."""
    records: tuple[Mapping[str, Any], ...]


def list_messages(
    session: Session, vault: Vault, *, outcome: str | None, state: str | None, limit: int
) -> list[MailLine]:
    """The newest messages first."""
    query = select(Mail).order_by(col(Mail.received_at).desc(), col(Mail.id)).limit(limit)
    if outcome is not None:
        query = query.where(col(Mail.outcome) == outcome)
    if state is not None:
        query = query.where(col(Mail.state) == state)
    return [_line(vault, mail) for mail in session.exec(query)]


def _line(vault: Vault, mail: Mail) -> MailLine:
    message = content.message_of(vault, mail)
    return MailLine(
        id=mail.id,
        received_at=mail.received_at,
        mailbox=mail.mailbox,
        sender=message.sender.address,
        verdict=message.sender.verdict,
        subject=message.subject,
        state=mail.state,
        outcome=mail.outcome,
        reason=mail.reason,
        rule=mail.rule,
        handler=mail.handler,
        label=mail.label,
        assignee=mail.assignee,
        priority=mail.priority,
        draft=mail.draft_id,
    )


def show_message(session: Session, vault: Vault, prefix: str) -> MailView:
    """A message with its story.

    Raises:
        NotFound, Ambiguous: the id.
    """
    mail = find(session, Mail, prefix)
    note = vault.open(mail.person_id, "messages.note", mail.id, mail.note) if mail.note else b""
    routed = note.startswith(b"{")
    draft = session.get(Draft, mail.draft_id) if mail.draft_id else None
    runs = session.exec(
        select(Run).where(col(Run.conversation_id) == mail.conversation_id).order_by(col(Run.started_at))
    ).all()
    # an entry that names only the draft tells of this mail too
    about = (
        (col(Record.message_id) == mail.id) | (col(Record.draft_id) == mail.draft_id)
        if mail.draft_id
        else col(Record.message_id) == mail.id
    )
    told = session.exec(select(Record).where(about).order_by(col(Record.id))).all()
    return MailView(
        line=_line(vault, mail),
        message=content.message_of(vault, mail),
        note="" if routed else note.decode(),
        route=decode(dict[str, Any], note) if routed else {},
        runs=tuple(_run(run) for run in runs),
        calls=calls_of(session, vault, draft.run_id) if draft else (),
        told=told_about(session, vault, draft) if draft else (),
        records=tuple({"at": each.at, "what": each.kind, "who": each.actor, **json.loads(each.facts)} for each in told),
    )


def _run(run: Run) -> Mapping[str, Any]:
    return {
        "id": run.id,
        "state": run.state,
        "release": run.release,
        "handler": run.handler,
        "brain": run.brain,
        "calls": run.calls,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def raw_of(session: Session, vault: Vault, prefix: str) -> tuple[Mail, Message, bytes]:
    """A message, parsed and as it came.

    Raises:
        NotFound, Ambiguous: the id.
    """
    mail = find(session, Mail, prefix)
    raw = session.get_one(Raw, mail.id)
    return mail, content.message_of(vault, mail), vault.open(raw.person_id, "raw.content", raw.message_id, raw.content)


def retry(
    session: Session,
    vault: Vault,
    queue: Queue,
    prefix: str,
    base_subject: str,
    *,
    as_human_mail: bool,
    by: str,
    now: datetime,
) -> str:
    """Take a decided mail up again; the new draft always waits for a person.

    Raises:
        NotPossible: it is being worked on, was answered, or the screen ignored it and `as_human_mail` is not said.
    """
    mail = find(session, Mail, prefix)
    if mail.state != "done" or mail.outcome not in ("ignored", "rejected", answered.OUTCOME):
        raise NotPossible(
            f"The message {mail.id} is {mail.outcome or mail.state}; "
            "only mail that was ignored, rejected or answered by hand can be taken up again."
        )
    if mail.conversation_id is None and not as_human_mail:
        raise NotPossible(
            f"The message {mail.id} was ignored: {mail.reason}. "
            f"If a person wrote it: triaged messages retry {mail.id} --as-human-mail"
        )
    if session.exec(
        select(Delivery.id).where(col(Delivery.message_id) == mail.id, col(Delivery.state) != "refused")
    ).first():
        raise NotPossible(f"A reply to the message {mail.id} may have left already, so it is not answered again.")
    answered.forget(session, vault, content.message_of(vault, mail))
    mail.state, mail.outcome, mail.reason, mail.decided_at, mail.draft_id = "screened", None, None, None, None
    mail.as_human, mail.note = True, None
    session.add(mail)
    if mail.conversation_id is None:
        message = content.message_of(vault, mail)
        conversations.attach(session, vault, queue, mail, message, base_subject, now=now, debounce=0)
    else:
        conversations.enqueue(session, queue, session.get_one(Conversation, mail.conversation_id, with_for_update=True))
    records.write(
        session, "retried", at=now, actor=by, message=mail.id, person=mail.person_id, as_human_mail=as_human_mail
    )
    return mail.id
