"""A person answered a mail by hand: it is done, and our reply to it never leaves (promise P11).

What is on its way already is left to the delivery protocol, which looks into `human_answers` at T1 and T4.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, col, delete, select

from daemon.errors import Sealed
from daemon.store import content, conversations, folders, records, transition, turns
from daemon.store.columns import insert
from daemon.store.human_answer import Answer
from daemon.store.position import Position
from daemon.store.queue import Queue
from daemon.store.seal import Vault, new_id
from daemon.store.tables import Conversation, Delivery, Draft, HumanAnswer, Mail, Run
from handlers.contract import Message

OUTCOME = "answered-by-human"
_KEPT = timedelta(days=90)
"""How long we may come to see a mail after a person answered it: an outage, or a slow road."""
_NAMED = 50
_RECIPIENTS = 20


def by_hand(session: Session, vault: Vault, queue: Queue, answer: Answer, *, now: datetime) -> int:
    """End every mail that this answers, with the earlier ones of its conversation; how many were open.

    A draft that also answers a newer mail is given up, and the next turn looks at that mail alone.
    """
    named = _named(session, vault, answer)
    _remember(session, vault, answer, named, now)
    upto: dict[str, int] = {}
    for mail in named:
        if mail.conversation_id is not None:
            upto[mail.conversation_id] = max(mail.seq, upto.get(mail.conversation_id, 0))
    return sum(_close(session, queue, conversation, seq, now) for conversation, seq in sorted(upto.items()))


def read_on(
    session: Session,
    vault: Vault,
    queue: Queue,
    mailbox: str,
    position: Position,
    answers: Sequence[Answer],
    *,
    now: datetime,
) -> int:
    """End what was answered in a folder up to this position, and move its cursor; how many mails were open."""
    known = folders.cursor(session, mailbox, position.folder)
    if known is None or known.uidvalidity != position.uidvalidity:
        folders.begin(session, mailbox, position, since=None, now=now)
    else:
        folders.advance(session, mailbox, position, now)
    return sum(by_hand(session, vault, queue, answer, now=now) for answer in answers)


def found(session: Session, vault: Vault, message: Message) -> bool:
    """Whether a person answered this mail by hand, as far as we have seen."""
    if not message.message_id:
        return False
    row = select(HumanAnswer.found_at).where(
        col(HumanAnswer.message_id_mac) == vault.mac("message-id", message.message_id),
        col(HumanAnswer.address_mac).in_([vault.mac("address", each) for each in _parties(message)]),
    )
    return session.exec(row).first() is not None


def close_arrived(session: Session, queue: Queue, mail: Mail, *, now: datetime) -> None:
    """A mail that we get to see after a person answered it."""
    assert mail.conversation_id is not None
    _close(session, queue, mail.conversation_id, mail.seq, now)


def forget(session: Session, vault: Vault, message: Message) -> None:
    """A person wants it answered all the same."""
    if message.message_id:
        mac = vault.mac("message-id", message.message_id)
        session.execute(delete(HumanAnswer).where(col(HumanAnswer.message_id_mac) == mac))


def end(session: Session, draft: Draft, *, now: datetime) -> None:
    """End a draft whose mails a person has answered."""
    draft.state, draft.decided_at = OUTCOME, now
    session.add(draft)
    for mail in session.exec(select(Mail).where(col(Mail.draft_id) == draft.id, col(Mail.state) != "done")):
        _done(session, mail, now)


def _named(session: Session, vault: Vault, answer: Answer) -> list[Mail]:
    """The mails that it answers, and that came from somebody whom it went to."""
    parents = _by_id(session, vault, answer.parents)
    # References were copied from the mail that is answered, whose author may have named anybody's: they count within
    # its own conversation only
    inside = {mail.conversation_id for mail in parents} - {None}
    ancestors = [mail for mail in _by_id(session, vault, answer.ancestors) if mail.conversation_id in inside]
    rows = {mail.id: mail for mail in (*parents, *ancestors)}
    return [mail for _, mail in sorted(rows.items()) if _went_to(vault, mail, answer.recipients)]


def _by_id(session: Session, vault: Vault, message_ids: Sequence[str]) -> Sequence[Mail]:
    macs = [vault.mac("message-id", each) for each in dict.fromkeys(reversed(message_ids))]
    return session.exec(select(Mail).where(col(Mail.message_id_mac).in_(macs[:_NAMED]))).all()


def _went_to(vault: Vault, mail: Mail, recipients: frozenset[str]) -> bool:
    try:
        message = content.message_of(vault, mail)
    except Sealed:
        return False  # erased
    return not recipients.isdisjoint(_parties(message))


def _parties(message: Message) -> set[str]:
    """Where a person's mail program sends the answer to."""
    return {address.lower() for address in (message.sender.address, *message.reply_to) if address}


def _remember(session: Session, vault: Vault, answer: Answer, named: Sequence[Mail], now: datetime) -> None:
    """Keep it for mails that we have not seen yet, and for replies that are on their way this moment."""
    session.execute(delete(HumanAnswer).where(col(HumanAnswer.found_at) < now - _KEPT))
    macs = {vault.mac("message-id", each) for each in answer.parents[:_NAMED]}
    macs |= {mail.message_id_mac for mail in named if mail.message_id_mac and mail.state != "done"}
    to = [vault.mac("address", each) for each in sorted(answer.recipients)[:_RECIPIENTS]]
    rows = [{"message_id_mac": mac, "address_mac": each, "found_at": now} for mac in sorted(macs) for each in to]
    if rows:
        session.execute(insert(session, HumanAnswer).values(rows).on_conflict_do_nothing())


def _close(session: Session, queue: Queue, conversation_id: str, upto: int, now: datetime) -> int:
    """Close the open mails of a conversation up to a number; a person takes part in it from here on."""
    conversation = session.exec(
        select(Conversation).where(col(Conversation.id) == conversation_id).with_for_update()
    ).one()
    conversation.human = True
    session.add(conversation)
    fresh = (
        select(Mail)
        .where(col(Mail.conversation_id) == conversation_id, col(Mail.seq) <= upto, col(Mail.state) != "done")
        .order_by(col(Mail.seq))
        .execution_options(populate_existing=True)
    )
    mails = session.exec(fresh).all()
    given_up = [_take_back(session, each, upto, now) for each in dict.fromkeys(mail.draft_id for mail in mails) if each]
    interrupted = any(mail.state == "working" for mail in mails)
    for mail in mails:
        if mail.draft_id is None and mail.state != "done":
            _done(session, mail, now)
    run = _stop_run(session, conversation) if interrupted else None
    left = _undecided(session, conversation)
    if not left:
        conversation.burst_since = None
    elif run is not None or any(given_up):
        conversations.enqueue(session, queue, conversation)
        if run is not None:
            turns.carry_hint(session, run, conversation)
    return len(mails)


def _take_back(session: Session, draft_id: str, upto: int, now: datetime) -> bool:
    """End what has not begun to leave; whether newer mails have to be looked at again."""
    query = select(Draft).where(col(Draft.id) == draft_id).with_for_update()
    draft = session.exec(query.execution_options(populate_existing=True)).one()
    deliveries = session.exec(select(Delivery).where(col(Delivery.draft_id) == draft_id)).all()
    if any(each.state in ("applying", "sending", "sent") or each.applied for each in deliveries):
        if draft.state == "held":  # the writes stand: what a person wrote may not say so
            draft.reasons = f"applied-not-sent,{OUTCOME}"
            session.add(draft)
        records.write(session, OUTCOME, at=now, actor="daemon", message=draft.message_id, draft=draft.id, left=True)
        return False
    for delivery in deliveries:
        if delivery.state in ("approved", "ready"):
            transition.release(session, delivery)
            delivery.state, delivery.token = "refused", new_id()
            session.add(delivery)
    newer = select(Mail.id).where(col(Mail.draft_id) == draft_id, col(Mail.state) != "done", col(Mail.seq) > upto)
    if session.exec(newer).first() is None:
        end(session, draft, now=now)
        return False
    conversations.retire(session, draft, now)
    return True


def _stop_run(session: Session, conversation: Conversation) -> Run | None:
    """Take the conversation from the run that works on it: its last transaction fails on its token."""
    run = session.get(Run, conversation.working_run) if conversation.working_run else None
    conversation.working_run = None
    if run is None:
        return None
    run.state, run.token = "superseded", new_id()
    session.add(run)
    return run


def _undecided(session: Session, conversation: Conversation) -> bool:
    """Whether newer mails are left, which nobody works on now."""
    working = col(Mail.state).in_(("screened", "working"))
    left = session.exec(select(Mail).where(col(Mail.conversation_id) == conversation.id, working)).all()
    for mail in left:
        if conversation.working_run is None:
            mail.state = "screened"
            session.add(mail)
    return bool(left)


def _done(session: Session, mail: Mail, now: datetime) -> None:
    mail.state, mail.outcome, mail.reason, mail.decided_at = "done", OUTCOME, None, now
    session.add(mail)
    records.write(session, OUTCOME, at=now, actor="daemon", message=mail.id, draft=mail.draft_id, person=mail.person_id)
