"""Mails, conversations and turns in the store, on both engines."""

from collections.abc import Iterator

import pytest

from daemon.errors import Stopped
from daemon.review import decide
from daemon.store import folders, stock, turns
from daemon.store.engine import Store
from daemon.store.position import FolderCursor, Position
from daemon.store.queue import Queue
from daemon.store.tables import Conversation, Delivery, Draft, Mail, Raw, TurnRow
from handlers.contract import Reply, Turn, Usage
from tests.fixtures.mails import Desk, incoming


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    queue = Queue(store)
    yield Desk(store=store, queue=queue)
    queue.close()


def test_a_mail_is_stored_once_with_its_raw_bytes_sealed(desk: Desk) -> None:
    stored = desk.take(incoming())
    raw = desk.rows(Raw)
    assert [row.message_id for row in raw] == [stored.message]
    assert b"1042" not in raw[0].content
    assert desk.mail(stored.message).state == "screened"


def test_the_same_mail_again_is_a_duplicate_and_enqueues_nothing(desk: Desk) -> None:
    mail = incoming(digest="same")
    first, second = desk.take(mail), desk.take(incoming(digest="same"))
    assert (second.message, second.duplicate) == (first.message, True)
    assert desk.rows(Conversation)[0].enqueued == 1


def test_a_duplicate_in_a_folder_made_anew_takes_the_new_position_and_leaves_the_cursor_to_the_reader(
    desk: Desk,
) -> None:
    first = desk.take(incoming(digest="same", position=Position(folder="INBOX", uidvalidity=1, uid=7)))
    desk.take(incoming(digest="same", position=Position(folder="INBOX", uidvalidity=2, uid=3)))
    assert (desk.mail(first.message).uidvalidity, desk.mail(first.message).uid) == (2, 3)
    assert desk.store.read_now(lambda session: folders.cursor(session, "support", "INBOX")) == FolderCursor(
        uidvalidity=1, last_uid=7
    )


def test_a_uid_that_is_given_again_belongs_to_the_mail_that_came_last(desk: Desk) -> None:
    place = Position(folder="INBOX", uidvalidity=1, uid=7)
    first = desk.take(incoming(digest="lost when the folder was put back", position=place))
    second = desk.take(incoming(digest="new", position=place))
    assert desk.mail(first.message).uid is None
    assert desk.mail(second.message).uid == 7


def test_ignored_mail_is_kept_with_its_reason_and_starts_nothing(desk: Desk) -> None:
    stored = desk.take(incoming(ignored="bounce"))
    mail = desk.mail(stored.message)
    assert (mail.state, mail.outcome, mail.reason, mail.conversation_id) == ("done", "ignored", "bounce", None)
    assert desk.rows(Conversation) == []


def test_an_answer_to_a_mail_of_the_conversation_joins_it(desk: Desk) -> None:
    first = desk.take(incoming(message_id="one@example.com"))
    second = desk.take(incoming(references=("one@example.com",), subject="Something else"))
    assert second.conversation == first.conversation
    assert desk.rows(Conversation)[0].inbound_seq == 2


def test_the_same_subject_of_the_same_party_joins_for_a_while_only(desk: Desk) -> None:
    first = desk.take(incoming())
    assert desk.take(incoming(subject="Re: Where is my order?")).conversation == first.conversation
    desk.later(days=15)
    assert desk.take(incoming()).conversation != first.conversation


@pytest.mark.parametrize(
    "forged",
    [{"sender": "mallory@example.net"}, {"sender": "ana@example.com", "verdict": "unverified"}],
    ids=["another sender", "the same address, unproved"],
)
def test_forged_references_touch_nobodys_draft(desk: Desk, forged: dict[str, str]) -> None:
    first = desk.take(incoming(message_id="one@example.com"))
    claimed = desk.claim(first.conversation)
    assert claimed is not None
    draft = desk.finish(claimed, outcome="hold")
    second = desk.take(incoming(references=("one@example.com",), **forged))  # type: ignore[arg-type]
    assert second.conversation != first.conversation
    assert [row.state for row in desk.rows(Draft, id=draft)] == ["held"]


def test_a_newer_mail_supersedes_a_waiting_draft_and_both_are_answered_next(desk: Desk) -> None:
    draft = desk.draft()
    second = desk.take(incoming())
    assert desk.rows(Draft, id=draft)[0].state == "superseded"
    claimed = desk.claim(second.conversation, 2)
    assert claimed is not None
    assert len(claimed.messages) == 2


def test_a_newer_mail_also_supersedes_an_approved_reply_that_has_not_begun_to_leave(desk: Desk) -> None:
    draft = desk.draft(outcome="send")
    desk.take(incoming())
    assert desk.rows(Draft, id=draft)[0].state == "superseded"
    assert desk.rows(Delivery, draft_id=draft)[0].state == "refused"


def test_two_runs_never_work_on_one_conversation(desk: Desk) -> None:
    stored = desk.take(incoming())
    assert desk.claim(stored.conversation, 1) is not None
    desk.take(incoming())
    assert desk.claim(stored.conversation, 2) is None


def test_a_run_that_starts_again_takes_its_turns_up_and_fences_its_former_self(desk: Desk) -> None:
    stored = desk.take(incoming())
    first = desk.claim(stored.conversation)
    assert first is not None
    turn = Turn(number=1, results=(), reply=Reply(text="", model="m", usage=Usage(input_tokens=5)))
    vault = desk.store.vault
    desk.store.write_now(lambda session: turns.record_turn(session, vault, first, turn, now=desk.now))
    again = desk.claim(stored.conversation)
    assert again is not None
    assert again.turns == (turn,)
    with pytest.raises(Stopped):
        desk.finish(first)
    assert desk.finish(again) is not None
    assert len(desk.rows(TurnRow)) == 1


def test_a_mail_that_came_while_the_run_worked_makes_its_draft_moot_and_starts_the_next_turn(desk: Desk) -> None:
    stored = desk.take(incoming())
    claimed = desk.claim(stored.conversation)
    assert claimed is not None
    desk.take(incoming())
    assert desk.finish(claimed) is None
    assert desk.rows(Draft) == []
    conversation = desk.rows(Conversation)[0]
    assert (conversation.working_run, conversation.enqueued) == (None, 3)
    following = desk.claim(stored.conversation, 3)
    assert following is not None
    assert len(following.messages) == 2


def test_a_burst_waits_for_its_last_mail_but_at_most_five_times(desk: Desk) -> None:
    first = desk.take(incoming(), debounce=20)
    desk.take(incoming(), debounce=20)
    assert desk.claim(first.conversation, 1, debounce=20) is None
    desk.later(seconds=101)
    assert desk.claim(first.conversation, 1, debounce=20) is not None


def test_an_ignored_route_ends_the_mail_without_a_draft(desk: Desk) -> None:
    stored = desk.take(incoming())
    claimed = desk.claim(stored.conversation)
    assert claimed is not None
    assert desk.finish(claimed, outcome="ignore") is None
    mail = desk.mail(stored.message)
    assert (mail.state, mail.outcome) == ("done", "ignored")


def test_a_reply_that_left_is_history_for_the_next_turn(desk: Desk) -> None:
    draft = desk.draft(outcome="send")

    desk.set(Draft, draft, state="done")
    desk.set(Mail, desk.rows(Mail)[0].id, state="done", outcome="sent")
    claimed = desk.claim(desk.take(incoming()).conversation, 2)
    assert claimed is not None
    assert [each.ours for each in claimed.history] == [False, True]
    assert claimed.last_reply == "It has been shipped."


def test_work_whose_workflow_is_gone_is_taken_up_at_the_next_start_and_other_work_is_left_alone(desk: Desk) -> None:
    queued = desk.take(incoming())
    begun = desk.claim(desk.take(incoming(sender="bo@example.com")).conversation)
    approved = desk.draft(outcome="send", sender="cleo@example.com")
    assert begun is not None
    assert stock.take(desk.store, desk.queue) == 0
    desk.queue.forget([f"triage:{begun.conversation}:1", f"deliver:{approved}:1:1.1"])
    assert stock.take(desk.store, desk.queue) == 2
    assert desk.rows(Conversation, id=begun.conversation)[0].enqueued == 2
    assert desk.rows(Conversation, id=queued.conversation)[0].enqueued == 1
    assert desk.claim(begun.conversation, 2) is not None
    assert stock.take(desk.store, desk.queue) == 0


@pytest.mark.parametrize(("before", "after"), [("unverified", "verified"), ("verified", "unverified")])
def test_mails_of_different_proof_are_never_answered_together(desk: Desk, before: str, after: str) -> None:
    first = desk.take(incoming(verdict=before))  # type: ignore[arg-type]
    second = desk.take(incoming(verdict=after))  # type: ignore[arg-type]
    assert first.conversation != second.conversation


def test_a_hint_survives_a_model_that_is_busy(desk: Desk) -> None:
    draft = desk.draft()
    vault = desk.store.vault
    desk.store.write_now(
        lambda session: decide.redraft(session, vault, desk.queue, draft, by="eve", hint="Be brief.", now=desk.now)
    )
    conversation = desk.rows(Conversation)[0].id
    second = desk.claim(conversation, 2)
    assert second is not None
    desk.store.write_now(lambda session: turns.postpone(session, desk.queue, second, now=desk.now, delay=1))
    third = desk.claim(conversation, 3)
    assert third is not None
    assert third.hint == "Be brief."


def test_mail_that_can_not_be_read_any_more_is_held_instead_of_blocking_its_conversation(desk: Desk) -> None:
    stored = desk.take(incoming())
    assert stored.conversation is not None
    conversation = stored.conversation
    desk.store.write_now(lambda session: turns.give_up(session, conversation, now=desk.now))
    assert (desk.mail(stored.message).state, desk.mail(stored.message).reason) == ("held", "unexpected-error")
    assert desk.claim(desk.take(incoming()).conversation, 2) is not None
