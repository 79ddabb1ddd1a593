"""How a run ends: the draft with its verdict and staged writes, and its delivery if the gate says so."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from daemon.store import conversations, records, turns
from daemon.store.codec import encode
from daemon.store.content import Text
from daemon.store.queue import DELIVER, Queue
from daemon.store.seal import Vault, new_id
from daemon.store.tables import (
    Conversation,
    Delivery,
    Draft,
    Mail,
    Revision,
    Run,
    StagedWriteRow,
    ToolCallRow,
    VerdictRow,
)
from daemon.store.turns import Claimed
from handlers.contract import Proposal, ToolResult, Turn
from tools.staged import StagedWrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended, as plain values for the store."""

    outcome: str
    """send, hold, ignore."""
    reasons: tuple[str, ...]
    checks: tuple[Mapping[str, Any], ...]
    route: Mapping[str, Any]
    """rule, handler, priority, label, assign, move, trace."""
    proposal: Proposal
    text: Text
    brain: str
    charges: str = "[]"
    deadline: datetime | None = None
    deliver_in: float = 0.0
    """Seconds of grace before an automatic reply leaves."""
    ends_autonomy: bool = False
    composed_message_id: str = ""
    amount: int | None = None
    currency: str | None = None
    last_turn: Turn | None = None


def finish(
    session: Session, vault: Vault, queue: Queue, claimed: Claimed, ended: Ended, *, now: datetime
) -> str | None:
    """End a run: the draft, its verdict, its staged writes and, if the gate says so, its delivery.

    Returns:
        The draft's id; None when there is none (ignored, or a newer mail made it moot).

    Raises:
        Stopped: another process took the run over.
    """
    run = turns.own_run(session, claimed)
    run.state, run.finished_at, run.handler, run.brain = "done", now, ended.route.get("handler"), ended.brain
    if ended.last_turn is not None:
        turns.add_turn(session, vault, run, ended.last_turn, now)
    _add_calls(session, vault, run, ended.proposal.results)
    conversation = session.exec(
        select(Conversation).where(col(Conversation.id) == claimed.conversation).with_for_update()
    ).one()
    conversation.working_run = None
    mails = turns.mails_of(session, claimed)
    if conversation.inbound_seq != claimed.seq:
        _moot(session, queue, run, conversation, mails)
        records.write(session, "moot", at=now, actor="daemon", run=run.id, **turns.usage(run))
        return None
    conversation.burst_since = None
    conversation.human = conversation.human or ended.ends_autonomy
    session.add(conversation)
    session.add(run)
    newest = mails[-1]
    draft = None if ended.outcome == "ignore" else _add_draft(session, vault, claimed, ended, newest, now)
    for mail in mails:
        _decide(session, vault, mail, ended, draft, now)
    if draft is not None and ended.outcome == "send":
        delivery = add_delivery(
            session, vault, draft, automatic=True, charges=ended.charges, message_id=ended.composed_message_id, now=now
        )
        delivery.next_try = now + timedelta(seconds=ended.deliver_in)
        enqueue_delivery(session, queue, delivery, delay=ended.deliver_in, priority=draft.priority)
    records.write(
        session,
        "handled",
        at=now,
        actor="daemon",
        message=newest.id,
        draft=draft.id if draft else None,
        person=claimed.person,
        run=run.id,
        release=run.release,
        outcome=ended.outcome,
        reasons=",".join(ended.reasons),
        **turns.usage(run),
    )
    return draft.id if draft else None


def _moot(session: Session, queue: Queue, run: Run, conversation: Conversation, mails: tuple[Mail, ...]) -> None:
    run.state = "superseded"
    session.add(run)
    for mail in mails:
        mail.state = "screened"
        session.add(mail)
    conversations.enqueue(session, queue, conversation)
    turns.carry_hint(session, run, conversation)


def _decide(session: Session, vault: Vault, mail: Mail, ended: Ended, draft: Draft | None, now: datetime) -> None:
    route = ended.route
    mail.rule, mail.handler = route.get("rule"), route.get("handler")
    mail.priority, mail.label, mail.assignee = (
        route.get("priority") or "normal",
        ",".join(route.get("label") or ()) or None,
        route.get("assign"),
    )
    if mail.move_to != route.get("move"):
        mail.move_to, mail.filed = route.get("move"), None
    mail.note = vault.seal(mail.person_id, "messages.note", mail.id, encode(dict[str, Any], dict(route)))
    mail.reason = ended.reasons[0] if ended.reasons else None
    if draft is None:
        mail.state, mail.outcome, mail.decided_at = "done", "ignored", now
    else:
        mail.state, mail.draft_id = "approved" if ended.outcome == "send" else "held", draft.id
    session.add(mail)


def _add_draft(session: Session, vault: Vault, claimed: Claimed, ended: Ended, newest: Mail, now: datetime) -> Draft:
    proposal = ended.proposal
    identifier = new_id()
    session.add(
        draft := Draft(
            id=identifier,
            conversation_id=claimed.conversation,
            message_id=newest.id,
            person_id=claimed.person,
            run_id=claimed.run,
            mailbox=claimed.mailbox,
            handler=ended.route.get("handler"),
            category=proposal.category or None,
            state="approved" if ended.outcome == "send" else "held",
            reasons=",".join(ended.reasons),
            based_on_seq=claimed.seq,
            priority=ended.route.get("priority") or "normal",
            deadline=ended.deadline,
            amount=ended.amount,
            currency=ended.currency,
            created_at=now,
            content=vault.seal(claimed.person, "drafts.content", identifier, encode(Proposal, bare(proposal))),
        )
    )
    add_revision(session, vault, draft, ended.text, author="agent", now=now)
    for ordinal, write in enumerate(proposal.writes, start=1):
        _add_write(session, vault, draft, ordinal, write)
    session.add(
        VerdictRow(
            draft_id=identifier,
            revision=1,
            person_id=claimed.person,
            outcome=ended.outcome,
            reasons=",".join(ended.reasons),
            at=now,
            checks=vault.seal(
                claimed.person,
                "verdicts.checks",
                f"{identifier}:1",
                encode(list[dict[str, Any]], [dict(each) for each in ended.checks]),
            ),
        )
    )
    return draft


def bare(proposal: Proposal) -> Proposal:
    """A proposal without what stands in rows of its own: text, turns, calls and writes."""
    return replace(proposal, body="", facts=(), turns=(), results=(), writes=())


def add_revision(session: Session, vault: Vault, draft: Draft, text: Text, *, author: str, now: datetime) -> None:
    """Store the text of the draft's current revision."""
    session.add(
        Revision(
            draft_id=draft.id,
            number=draft.revision,
            person_id=draft.person_id,
            author=author,
            at=now,
            content=vault.seal(
                draft.person_id, "revisions.content", f"{draft.id}:{draft.revision}", encode(Text, text)
            ),
        )
    )


def _add_write(session: Session, vault: Vault, draft: Draft, ordinal: int, write: StagedWrite) -> None:
    session.add(
        StagedWriteRow(
            draft_id=draft.id,
            ordinal=ordinal,
            person_id=draft.person_id,
            tool=write.tool,
            database=write.database,
            amount=write.amount,
            currency=write.currency,
            content=vault.seal(
                draft.person_id, "staged_writes.content", f"{draft.id}:{ordinal}", encode(StagedWrite, write)
            ),
        )
    )


def _add_calls(session: Session, vault: Vault, run: Run, results: tuple[ToolResult, ...]) -> None:
    for ordinal, result in enumerate(results, start=1):
        identifier = f"{run.id}:{ordinal}"
        if session.get(ToolCallRow, identifier) is not None:
            continue
        session.add(
            ToolCallRow(
                id=identifier,
                run_id=run.id,
                person_id=run.person_id,
                ordinal=ordinal,
                tool=result.call.name[:100],
                outcome=result.outcome,
                prefetched=result.prefetched,
                rows=len(result.rows),
                milliseconds=result.milliseconds,
                content=vault.seal(run.person_id, "tool_calls.content", identifier, encode(ToolResult, result)),
            )
        )


def add_delivery(
    session: Session,
    vault: Vault,
    draft: Draft,
    *,
    automatic: bool,
    charges: str,
    message_id: str,
    now: datetime,
    resend: bool = False,
) -> Delivery:
    """The row that carries a draft through the delivery protocol."""
    attempts = session.exec(
        select(Delivery.attempt).where(col(Delivery.draft_id) == draft.id, col(Delivery.revision) == draft.revision)
    ).all()
    delivery = Delivery(
        id=new_id(),
        draft_id=draft.id,
        revision=draft.revision,
        message_id=draft.message_id,
        person_id=draft.person_id,
        state="approved",
        token=new_id(),
        attempt=max(attempts, default=0) + 1,
        resend=resend,
        automatic=automatic,
        reserved=charges,
        sent_message_id_mac=vault.mac("message-id", message_id),
        created_at=now,
    )
    session.add(delivery)
    return delivery


def workflow_of(delivery: Delivery) -> str:
    """The id of the workflow that was enqueued last for a delivery."""
    return f"deliver:{delivery.draft_id}:{delivery.revision}:{delivery.attempt}.{delivery.tries}"


def enqueue_delivery(
    session: Session, queue: Queue, delivery: Delivery, *, delay: float = 0.0, priority: str = "normal"
) -> None:
    """Enqueue the next try of a delivery."""
    delivery.tries += 1
    session.add(delivery)
    queue.enqueue(session, DELIVER, workflow_of(delivery), delivery.id, delay=delay, priority=priority)
