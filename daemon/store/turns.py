"""A turn of a conversation: claimed by one run, its model turns kept, ended in one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from daemon.errors import Stopped
from daemon.store import content, conversations, records
from daemon.store.codec import decode, encode
from daemon.store.queue import Queue
from daemon.store.seal import Vault, new_id
from daemon.store.tables import (
    Conversation,
    Draft,
    Mail,
    Revision,
    Run,
    TurnRow,
)
from handlers.contract import Exchange, Message, Turn

HISTORY = 6
"""Earlier mails of a conversation that a brain is shown."""
BURST = 5
"""A burst waits at most so many times the debounce."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a run may work on, and the token that proves it."""

    run: str
    token: str
    conversation: str
    person: str
    mailbox: str
    seq: int
    messages: tuple[Message, ...]
    """Undecided mails, oldest first."""
    turns: tuple[Turn, ...]
    history: tuple[Exchange, ...]
    last_reply: str
    """Text of our last automatic reply in this conversation; empty: none."""
    hint: str
    human: bool
    as_human_mail: bool
    attempts: int


def claim(
    session: Session, vault: Vault, conversation_id: str, number: int, *, release: str, now: datetime, debounce: float
) -> Claimed | None:
    """Take the conversation for run `number`, or take the run up again after a restart.

    Returns:
        None when there is nothing to do: another run works on it, a later start waits for the burst to end, or every
        mail is decided.
    """
    conversation = session.exec(
        select(Conversation).where(col(Conversation.id) == conversation_id).with_for_update()
    ).first()
    run_id = f"{conversation_id}:{number}"
    if conversation is None or conversation.working_run not in (None, run_id):
        return None
    if conversation.working_run is None and _burst_goes_on(conversation, number, now, debounce):
        return None
    query = (
        select(Mail)
        .where(col(Mail.conversation_id) == conversation_id, col(Mail.state).in_(("screened", "working")))
        .order_by(col(Mail.seq))
    )
    mails = session.exec(query).all()
    if not mails:
        return None
    run = session.get(Run, run_id)
    if run is None:
        run = Run(
            id=run_id,
            conversation_id=conversation_id,
            person_id=conversation.person_id,
            token="",
            state="working",
            release=release,
            started_at=now,
        )
    run.token, run.state, run.release, run.attempts = new_id(), "working", release, run.attempts + 1
    conversation.working_run = run_id
    for mail in mails:
        mail.state = "working"
        session.add(mail)
    session.add(run)
    session.add(conversation)
    return _claimed(session, vault, conversation, run, tuple(mails))


def _burst_goes_on(conversation: Conversation, number: int, now: datetime, debounce: float) -> bool:
    if conversation.enqueued <= number or conversation.burst_since is None:
        return False
    return now < conversation.burst_since + timedelta(seconds=BURST * debounce)


def _claimed(session: Session, vault: Vault, conversation: Conversation, run: Run, mails: tuple[Mail, ...]) -> Claimed:
    rows = session.exec(select(TurnRow).where(col(TurnRow.run_id) == run.id).order_by(col(TurnRow.number))).all()
    history, last_reply = _history(session, vault, conversation, before=mails[0].seq)
    return Claimed(
        run=run.id,
        token=run.token,
        conversation=conversation.id,
        person=conversation.person_id,
        mailbox=conversation.mailbox,
        seq=conversation.inbound_seq,
        messages=tuple(content.message_of(vault, mail) for mail in mails),
        turns=tuple(
            decode(Turn, vault.open(row.person_id, "turns.content", f"{run.id}:{row.number}", row.content))
            for row in rows
        ),
        history=history,
        last_reply=last_reply,
        hint=vault.open(run.person_id, "runs.hint", conversation.id, run.hint).decode() if run.hint else "",
        human=conversation.human,
        as_human_mail=any(mail.as_human for mail in mails),
        attempts=run.attempts,
    )


def _history(
    session: Session, vault: Vault, conversation: Conversation, *, before: int
) -> tuple[tuple[Exchange, ...], str]:
    query = (
        select(Mail)
        .where(col(Mail.conversation_id) == conversation.id, col(Mail.seq) < before, col(Mail.state) == "done")
        .order_by(col(Mail.seq).desc())
        .limit(HISTORY)
    )
    exchanges: list[Exchange] = []
    last_reply = ""
    for mail in reversed(session.exec(query).all()):
        exchanges.append(Exchange(ours=False, text=content.message_of(vault, mail).text))
        if mail.draft_id and mail.outcome == "sent" and (draft := session.get(Draft, mail.draft_id)):
            revision = session.get(Revision, (draft.id, draft.revision))
            assert revision is not None
            exchanges.append(Exchange(ours=True, text=content.text_of(vault, revision).body))
            last_reply = exchanges[-1].text if draft.approved_by is None else last_reply
    return tuple(exchanges), last_reply


def record_turn(session: Session, vault: Vault, claimed: Claimed, turn: Turn, *, now: datetime) -> None:
    """Keep a model turn, so that a restart does not pay for it again.

    Raises:
        Stopped: another process took the run over.
    """
    run = own_run(session, claimed)
    add_turn(session, vault, run, turn, now)


def add_turn(session: Session, vault: Vault, run: Run, turn: Turn, now: datetime) -> None:
    """Add a turn to its run's account; one that is there already stays as it is."""
    if session.get(TurnRow, (run.id, turn.number)) is not None:
        return
    usage = turn.reply.usage
    run.calls += 1
    run.input_tokens += usage.input_tokens
    run.output_tokens += usage.output_tokens
    session.add(run)
    session.add(
        TurnRow(
            run_id=run.id,
            number=turn.number,
            person_id=run.person_id,
            model=turn.reply.model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            milliseconds=turn.milliseconds,
            at=now,
            content=vault.seal(run.person_id, "turns.content", f"{run.id}:{turn.number}", encode(Turn, turn)),
        )
    )


def usage(run: Run) -> dict[str, Any]:
    """What a run has asked of the model so far, for its record."""
    return {"calls": run.calls, "input_tokens": run.input_tokens, "output_tokens": run.output_tokens}


def own_run(session: Session, claimed: Claimed) -> Run:
    """The run, if it is still this process's.

    Raises:
        Stopped: another process took it over.
    """
    run = session.exec(select(Run).where(col(Run.id) == claimed.run).with_for_update()).first()
    if run is None or run.token != claimed.token or run.state != "working":
        raise Stopped("Another process took this run over.")
    return run


def give_up(session: Session, conversation_id: str, *, now: datetime) -> None:
    """What can't be read can't be answered: its mails are held without opening anything that is sealed."""
    conversation = session.get_one(Conversation, conversation_id)
    conversation.working_run = None
    session.add(conversation)
    undecided = col(Mail.state).in_(("screened", "working"))
    for mail in session.exec(select(Mail).where(col(Mail.conversation_id) == conversation_id, undecided)):
        mail.state, mail.reason = "held", "unexpected-error"
        session.add(mail)
        records.write(session, "given-up", at=now, actor="daemon", message=mail.id, reason="unexpected-error")


def postpone(session: Session, queue: Queue, claimed: Claimed, *, now: datetime, delay: float) -> None:
    """End a run whose model can't answer now, and enqueue the next one.

    Raises:
        Stopped: another process took the run over.
    """
    run = own_run(session, claimed)
    run.state, run.finished_at = "postponed", now
    session.add(run)
    records.write(session, "postponed", at=now, actor="daemon", run=run.id, **usage(run))
    conversation = session.get_one(Conversation, claimed.conversation, with_for_update=True)
    conversation.working_run = None
    conversations.enqueue(session, queue, conversation, delay=delay)
    carry_hint(session, run, conversation)
    for mail in mails_of(session, claimed):
        mail.state = "screened"
        session.add(mail)


def carry_hint(session: Session, run: Run, conversation: Conversation) -> None:
    """What a reviewer asked for goes to the run that takes this one's place."""
    if run.hint is None:
        return
    session.add(
        Run(
            id=f"{conversation.id}:{conversation.enqueued}",
            conversation_id=conversation.id,
            person_id=run.person_id,
            token="",
            state="waiting",
            release=run.release,
            started_at=run.started_at,
            hint=run.hint,
        )
    )


def mails_of(session: Session, claimed: Claimed) -> tuple[Mail, ...]:
    """The rows of the claimed mails, oldest first."""
    ids = [message.id for message in claimed.messages]
    return tuple(session.exec(select(Mail).where(col(Mail.id).in_(ids)).order_by(col(Mail.seq))).all())
