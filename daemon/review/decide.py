"""What a person does with a draft: approve, recall, edit, reject, send back; each is one transaction with guards."""

import os
import pwd
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session, col, select

from daemon import marks
from daemon.config import Config
from daemon.errors import NotPossible
from daemon.review.view import find
from daemon.store import answered, content, conversations, drafts, records, transition
from daemon.store.queue import Queue
from daemon.store.seal import Vault, new_id
from daemon.store.tables import Conversation, Delivery, Draft, Mail, Review, Revision, Run

_OUT = {
    "delivery-uncertain": "This reply may have left already. Ask the sender, or send it again on purpose: ",
    "bounced": "This reply left and came back. Correct what the server complains about, then send it again: ",
}
"""Why a reply is sent again on purpose only, by the reason that it is held for."""
_TOO_LATE = {
    "applying": "its staged writes are being applied",
    "sending": "it is being given to the mail server",
}


def reviewer(config: Config, *, right: str = "decide") -> str:
    """The OS user, if the configuration lets them do that.

    Raises:
        NotPossible: `[review.people]` does not.
    """
    user = pwd.getpwuid(os.getuid()).pw_name
    people = config.review.people
    if not people or user == "root":
        return user
    if user not in people:
        raise NotPossible(f"{user} is no reviewer. Add `[review.people.{user}]` to triaged.toml.")
    if right not in people[user].may and "admin" not in people[user].may:
        raise NotPossible(f'{user} may not {right}. Add "{right}" to `may` of `[review.people.{user}]`.')
    return user


def approve(
    session: Session,
    vault: Vault,
    queue: Queue,
    config: Config,
    prefix: str,
    *,
    by: str,
    now: datetime,
    resend: str | None = None,
) -> str:
    """Let a draft leave: exactly the revision that stands now, if nothing has come in between.

    Args:
        session: writes.
        vault: seals.
        queue: gets the delivery.
        config: for the mailbox's mode and our domain.
        prefix: of the draft's id.
        by: the reviewer.
        now: when.
        resend: why a reply that left, or may have, is sent again; needed for `delivery-uncertain` and `bounced` only.

    Returns:
        The draft's id.

    Raises:
        NotPossible: and why, and what can be done.
    """
    draft = _held(session, prefix, by, now)
    _refuse_stale(session, draft)
    if config.mailbox[draft.mailbox].mode == "shadow":
        raise NotPossible(
            f'The mailbox {draft.mailbox} is in mode = "shadow": nothing leaves. '
            'Set mode = "live" in triaged.toml first.'
        )
    revision = session.get_one(Revision, (draft.id, draft.revision))
    text = content.text_of(vault, revision)
    if not text.body.strip():
        raise NotPossible(f"The draft {draft.id} has no text yet. Write one: triaged drafts edit {draft.id}")
    earlier = session.exec(
        select(Delivery)
        .where(col(Delivery.draft_id) == draft.id)
        .order_by(col(Delivery.created_at).desc(), col(Delivery.attempt).desc())
    ).first()
    if (told := _out(draft)) and not resend:
        raise NotPossible(f'{told}triaged drafts approve {draft.id} --resend "why"')
    if answered.OUTCOME in draft.reasons:
        answered.forget(session, vault, content.message_of(vault, session.get_one(Mail, draft.message_id)))
    draft.state, draft.approved_by, draft.decided_at = "approved", by, now
    session.add(draft)
    domain = config.mailbox[draft.mailbox].address.rpartition("@")[2]
    delivery = drafts.add_delivery(
        session,
        vault,
        draft,
        automatic=False,
        charges="[]",
        message_id=marks.message_id(vault.mark_key, draft.message_id, draft.revision, domain),
        now=now,
        resend=resend is not None,
    )
    if earlier is not None and earlier.applied:
        delivery.applied, delivery.state = True, "ready"  # the writes stand; only the mail is missing
    if resend and earlier is not None and earlier.revision == draft.revision:
        # one Message-ID is one mail (RFC 5322 section 3.6.4): what is sent again is what was sent
        sent = content.composed_of(vault, earlier)
        delivery.composed = None if sent is None else content.seal_composed(vault, delivery, sent)
    drafts.enqueue_delivery(session, queue, delivery, priority="high")
    _set_mails(session, draft, "approved")
    _note(session, vault, draft, by, "resend" if resend else "approve", resend or "", now)
    return draft.id


def recall(session: Session, vault: Vault, prefix: str, *, by: str, reason: str, now: datetime) -> str:
    """Take back a reply that has not begun to leave: it waits for its grace, for the mail server, or for a resume.

    Returns:
        The draft's id.

    Raises:
        NotPossible: it is too late, or nothing of it leaves anyway.
    """
    draft = _locked(session, prefix)
    query = (
        select(Delivery)
        .where(col(Delivery.draft_id) == draft.id)
        .order_by(col(Delivery.created_at).desc(), col(Delivery.attempt).desc())
    )
    delivery = session.exec(query.with_for_update().execution_options(populate_existing=True)).first()
    if delivery is None or draft.state not in ("approved", "delivering"):
        left = f", and left at {delivery.sent_at:%Y-%m-%d %H:%M} UTC" if delivery and delivery.sent_at else ""
        raise NotPossible(f"The draft {draft.id} is {draft.state}{left}: there is nothing to take back.")
    if delivery.state not in ("approved", "ready"):
        why = _TOO_LATE.get(delivery.state, "it has left")
        raise NotPossible(f"Too late for the draft {draft.id}: {why}. See: triaged drafts show {draft.id}")
    if not delivery.applied:
        transition.release(session, delivery)
    delivery.state, delivery.token = "refused", new_id()  # a worker that has it in hand fails on the token
    draft.state, draft.approved_by, draft.decided_at = "held", None, None
    draft.reasons = "applied-not-sent,recalled" if delivery.applied else "recalled"
    session.add(delivery)
    session.add(draft)
    _set_mails(session, draft, "held", reason=draft.reasons.partition(",")[0])
    _note(session, vault, draft, by, "recall", reason, now)
    return draft.id


def edit(session: Session, vault: Vault, prefix: str, body: str, *, by: str, now: datetime) -> int:
    """Replace the text; the draft stays held under a new revision.

    Returns:
        The new revision's number.

    Raises:
        NotPossible: it is not held any more, or somebody else has claimed it.
    """
    draft = _held(session, prefix, by, now)
    if not body.strip():
        raise NotPossible("The text is empty. Write one, or reject the draft.")
    if "{{" in body:
        raise NotPossible("The text holds a slot such as {{order.total}}, which nobody fills now. Write the value.")
    old = content.text_of(vault, session.get_one(Revision, (draft.id, draft.revision)))
    draft.revision += 1
    session.add(draft)
    kept = tuple(fact for fact in old.facts if body[fact.start : fact.start + len(fact.shown)] == fact.shown)
    drafts.add_revision(session, vault, draft, replace(old, body=body, facts=kept, template=None), author=by, now=now)
    _note(session, vault, draft, by, "edit", "", now)
    return draft.revision


def reject(session: Session, vault: Vault, prefix: str, *, by: str, reason: str, now: datetime) -> str:
    """No reply leaves; the mail is done.

    Raises:
        NotPossible: it is not held any more, or its writes are already applied.
    """
    draft = _held(session, prefix, by, now)
    told = "bounced" in draft.reasons or answered.OUTCOME in draft.reasons
    if _applied(session, draft) and not told:
        raise NotPossible("The writes of this draft are already applied: the sender has to be told. Edit its text.")
    draft.state, draft.decided_at = "rejected", now
    session.add(draft)
    for mail in session.exec(select(Mail).where(col(Mail.draft_id) == draft.id)):
        mail.state, mail.outcome, mail.decided_at = "done", "rejected", now
        session.add(mail)
    _note(session, vault, draft, by, "reject", reason, now)
    return draft.id


def redraft(session: Session, vault: Vault, queue: Queue, prefix: str, *, by: str, hint: str, now: datetime) -> str:
    """Send it back to the agent with a hint; a new draft takes its place.

    Raises:
        NotPossible: it is not held any more, or its writes are already applied.
    """
    draft = _held(session, prefix, by, now)
    if _applied(session, draft):
        raise NotPossible("The writes of this draft are already applied. Approve or edit its text instead.")
    if _out(draft):
        raise NotPossible(
            "This reply left, or may have: it can't be written anew. Approve with --resend, or reject it."
        )
    conversation = session.exec(
        select(Conversation).where(col(Conversation.id) == draft.conversation_id).with_for_update()
    ).one()
    conversations.retire(session, draft, now)
    old = session.get_one(Run, draft.run_id)
    identifier = f"{conversation.id}:{conversation.enqueued + 1}"
    sealed = vault.seal(old.person_id, "runs.hint", conversation.id, hint.encode()) if hint else None
    session.add(
        Run(
            id=identifier,
            conversation_id=conversation.id,
            person_id=old.person_id,
            token="",
            state="waiting",
            release=old.release,
            started_at=now,
            hint=sealed,
        )
    )
    conversations.enqueue(session, queue, conversation, priority="high")
    _note(session, vault, draft, by, "redraft", hint, now)
    return draft.id


def _locked(session: Session, prefix: str) -> Draft:
    """The draft as it is now, not as it was found; the conversation's lock first, as everybody takes it."""
    named = find(session, Draft, prefix)
    session.exec(select(Conversation).where(col(Conversation.id) == named.conversation_id).with_for_update()).one()
    fresh = select(Draft).where(col(Draft.id) == named.id).with_for_update()
    return session.exec(fresh.execution_options(populate_existing=True)).one()


def _held(session: Session, prefix: str, by: str, now: datetime) -> Draft:
    draft = _locked(session, prefix)
    if draft.state != "held":
        raise NotPossible(
            f"The draft {draft.id} is {draft.state}, so it can't be decided any more. "
            f"See: triaged drafts show {draft.id}"
        )
    if draft.claimed_by not in (None, by) and draft.claimed_until is not None and draft.claimed_until > now:
        raise NotPossible(
            f"{draft.claimed_by} has claimed the draft {draft.id} until {draft.claimed_until:%H:%M} UTC. "
            "Talk to them, or wait."
        )
    return draft


def _refuse_stale(session: Session, draft: Draft) -> None:
    conversation = session.exec(
        select(Conversation).where(col(Conversation.id) == draft.conversation_id).with_for_update()
    ).one()
    if conversation.inbound_seq != draft.based_on_seq and not _applied(session, draft):
        raise NotPossible(
            "A newer mail of the sender came in after this draft was written. "
            "Wait for the new draft, or run: triaged drafts redraft"
        )


def _applied(session: Session, draft: Draft) -> bool:
    return (
        session.exec(select(Delivery.id).where(col(Delivery.draft_id) == draft.id, col(Delivery.applied))).first()
        is not None
    )


def _out(draft: Draft) -> str:
    """What to say before it is sent again; empty: it has not left."""
    return next((told for reason, told in _OUT.items() if reason in draft.reasons.split(",")), "")


def _set_mails(session: Session, draft: Draft, state: str, *, reason: str | None = None) -> None:
    for mail in session.exec(select(Mail).where(col(Mail.draft_id) == draft.id)):
        mail.state, mail.reason = state, reason or mail.reason
        session.add(mail)


def _note(session: Session, vault: Vault, draft: Draft, by: str, action: str, note: str, now: datetime) -> None:
    """Keep who did what; the note is sealed, the rest is clear."""
    place = f"{draft.id}:{now.isoformat()}"
    session.add(
        Review(
            draft_id=draft.id,
            revision=draft.revision,
            person_id=draft.person_id,
            reviewer=by,
            action=action,
            at=now,
            note=vault.seal(draft.person_id, "reviews.note", place, note.encode()) if note else None,
        )
    )
    records.write(
        session,
        action,
        at=now,
        actor=by,
        message=draft.message_id,
        draft=draft.id,
        person=draft.person_id,
        revision=draft.revision,
    )
