"""P11: an answer that a person sent from their own mail program ends ours, as long as ours has not begun to leave."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from daemon.errors import NotPossible, Stopped
from daemon.outbound.deliver import deliver
from daemon.review import decide, mails
from daemon.store import answered, turns
from daemon.store.human_answer import Answer
from daemon.store.tables import Conversation, Delivery, Draft, Mail, Run
from handlers.contract import Reply, Turn
from tests.fixtures.floor import ONE_ENGINE, WRITE, Floor, Killed
from tests.fixtures.mails import Desk, incoming

ANA = frozenset({"ana@example.com"})


def answer(desk: Desk, *parents: str, to: frozenset[str] = ANA, ancestors: tuple[str, ...] = ()) -> int:
    """A person answers; how many mails were open."""
    given = Answer(parents=parents, ancestors=ancestors, recipients=to)
    return desk.store.write_now(
        lambda session: answered.by_hand(session, desk.store.vault, desk.queue, given, now=desk.now)
    )


def drafted(floor: Floor, message_id: str = "1@example.com", **how: object) -> str:
    claimed = floor.desk.claim(floor.desk.take(incoming(message_id=message_id)).conversation)
    assert claimed is not None
    draft = floor.desk.finish(claimed, **how)  # type: ignore[arg-type]  # outcome, writes
    assert draft is not None
    return draft


def fate(floor: Floor, draft: str) -> tuple[str, str, str | None]:
    row = floor.desk.rows(Draft, id=draft)[0]
    mail = floor.desk.mail(row.message_id)
    return row.state, mail.state, mail.outcome


@ONE_ENGINE
def test_an_answer_to_a_mail_that_names_somebody_elses_closes_nothing_of_theirs(floor: Floor) -> None:
    draft = drafted(floor)
    floor.desk.take(incoming(sender="mallory@example.com", message_id="m@example.com", references=("1@example.com",)))
    both = ANA | {"mallory@example.com"}
    assert answer(floor.desk, "m@example.com", to=both, ancestors=("1@example.com",)) == 1
    assert fate(floor, draft)[0] == "approved"


@pytest.mark.parametrize("outcome", ["send", "hold"])
async def test_it_ends_the_mail_and_the_draft_and_nothing_leaves(floor: Floor, outcome: str) -> None:
    draft = drafted(floor, outcome=outcome)
    assert answer(floor.desk, "1@example.com") == 1
    assert fate(floor, draft) == ("answered-by-human", "done", "answered-by-human")
    assert floor.desk.rows(Conversation)[0].human
    if outcome == "send":
        assert await floor.run(draft) == "refused"
    assert floor.sink.received == []
    with pytest.raises(NotPossible):
        floor.approve(draft)


async def test_it_is_found_in_the_last_look_before_the_content(floor: Floor) -> None:
    draft = drafted(floor)
    floor.finds.append(lambda: answer(floor.desk, "1@example.com"))
    assert await floor.run(draft) == "refused"
    assert floor.sink.received == []
    assert floor.sink.phases == ["connect", "mail", "rcpt"]
    assert fate(floor, draft) == ("answered-by-human", "done", "answered-by-human")


@ONE_ENGINE
async def test_a_mail_that_the_last_look_finds_makes_the_reply_moot(floor: Floor) -> None:
    draft = drafted(floor)
    floor.finds.append(lambda: floor.desk.take(incoming()))
    assert await floor.run(draft) == "refused"
    assert floor.sink.received == []
    assert floor.desk.rows(Draft, id=draft)[0].state == "superseded"


@ONE_ENGINE
async def test_a_mailbox_that_can_not_be_looked_into_keeps_the_reply_until_it_goes_to_a_person(floor: Floor) -> None:
    floor.reload("limits", max_age=10 * 86400.0)
    draft = drafted(floor)
    floor.blind = True
    assert await floor.run(draft) == "approved"
    assert floor.desk.rows(Delivery, draft_id=draft)[0].next_try is not None
    floor.blind = False
    assert await floor.run(draft) == "done"
    second = drafted(floor, "2@example.com")
    floor.blind = True
    assert await floor.run(second) == "approved"
    floor.desk.later(days=2)
    assert await floor.run(second) == "refused"
    assert floor.held_for(second) == "server-unavailable"
    assert len(floor.sink.received) == 1


@ONE_ENGINE
async def test_a_turn_that_is_at_work_ends_without_a_draft(floor: Floor) -> None:
    desk = floor.desk
    claimed = desk.claim(desk.take(incoming(message_id="1@example.com")).conversation)
    assert claimed is not None
    assert answer(desk, "1@example.com") == 1
    turn = Turn(number=1, reply=Reply(), results=(), milliseconds=1)
    vault = desk.store.vault
    with pytest.raises(Stopped):
        desk.store.write_now(lambda session: turns.record_turn(session, vault, claimed, turn, now=desk.now))
    with pytest.raises(Stopped):
        desk.finish(claimed)
    assert desk.rows(Draft) == []
    assert desk.rows(Run)[0].state == "superseded"
    assert desk.claim(claimed.conversation, 2) is None, "nothing is left to do"


async def test_a_newer_mail_that_was_not_answered_is_looked_at_alone_and_waits_for_a_person(floor: Floor) -> None:
    desk = floor.desk
    desk.take(incoming(message_id="1@example.com"))
    stored = desk.take(incoming(message_id="2@example.com"))
    claimed = desk.claim(stored.conversation, 2)
    assert claimed is not None
    draft = str(desk.finish(claimed))
    assert answer(desk, "1@example.com") == 1
    assert desk.rows(Draft, id=draft)[0].state == "superseded"
    assert desk.mail(claimed.messages[0].id).outcome == "answered-by-human"
    again = desk.claim(stored.conversation, desk.rows(Conversation)[0].enqueued)
    assert again is not None
    assert [message.message_id for message in again.messages] == ["2@example.com"]
    assert again.human


@ONE_ENGINE
async def test_answering_the_newest_answers_the_ones_before_it(floor: Floor) -> None:
    desk = floor.desk
    desk.take(incoming(message_id="1@example.com"))
    desk.take(incoming(message_id="2@example.com"))
    assert answer(desk, "2@example.com") == 2
    assert {mail.outcome for mail in desk.rows(Mail)} == {"answered-by-human"}


@ONE_ENGINE
async def test_a_mail_that_went_to_somebody_else_answers_nobody(floor: Floor) -> None:
    draft = drafted(floor)
    assert answer(floor.desk, "1@example.com", to=frozenset({"colleague@shop.example"})) == 0
    assert answer(floor.desk, "other@example.com") == 0
    assert fate(floor, draft)[0] == "approved"
    assert await floor.run(draft) == "done"


@ONE_ENGINE
async def test_an_answer_to_reply_to_counts(floor: Floor) -> None:
    mail = incoming(message_id="1@example.com")
    mail = replace(mail, message=replace(mail.message, reply_to=("ana@home.example",)))
    floor.desk.take(mail)
    assert answer(floor.desk, "1@example.com", to=frozenset({"ana@home.example"})) == 1


async def test_a_mail_that_comes_to_us_after_its_answer_is_done_at_once(floor: Floor) -> None:
    desk = floor.desk
    assert answer(desk, "1@example.com") == 0
    stored = desk.take(incoming(message_id="1@example.com"))
    assert desk.mail(stored.message).outcome == "answered-by-human"
    assert desk.claim(stored.conversation) is None
    other = desk.take(incoming(sender="bo@example.com", message_id="1@example.com"))
    assert desk.mail(other.message).state == "screened", "another sender's mail of that Message-ID was not answered"


@ONE_ENGINE
@pytest.mark.parametrize(
    ("boundary", "state", "mails_out"),
    [("approved", "refused", 0), ("opened", "refused", 0), ("sending", "done", 1), ("answered", "done", 1)],
)
async def test_what_has_begun_to_leave_is_left_and_told(
    floor: Floor, boundary: str, state: str, mails_out: int
) -> None:
    draft = drafted(floor)
    row = floor.desk.rows(Delivery, draft_id=draft)[0]

    async def meanwhile(identifier: str, at: str) -> None:
        if at == boundary:
            answer(floor.desk, "1@example.com")

    await deliver(replace(floor.parts(), reached=meanwhile), row.id)
    assert floor.desk.rows(Delivery, id=row.id)[0].state == state
    assert len(floor.sink.received) == mails_out
    page = floor.desk.store.read_now(
        lambda session: mails.show_message(session, floor.desk.store.vault, floor.desk.rows(Mail)[0].id)
    )
    assert "answered-by-human" in {str(each["what"]) for each in page.records}


@ONE_ENGINE
async def test_after_the_server_said_not_now_the_answer_wins(floor: Floor) -> None:
    draft = drafted(floor)
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    floor.sink.decide = lambda asked: "451 4.3.0 Later" if asked == "content" else None

    async def meanwhile(identifier: str, at: str) -> None:
        if at == "sending":
            answer(floor.desk, "1@example.com")

    await deliver(replace(floor.parts(), reached=meanwhile), row.id)
    floor.sink.decide = lambda _: None
    assert await floor.run(draft) == "refused"
    assert fate(floor, draft) == ("answered-by-human", "done", "answered-by-human")
    assert floor.sink.received == []


@ONE_ENGINE
@pytest.mark.parametrize("happened", [False, True])
async def test_a_write_that_was_waiting_is_fenced_and_one_that_stands_goes_to_a_person(
    floor: Floor, *, happened: bool
) -> None:
    draft = drafted(floor, writes=(WRITE,))
    floor.shop.away = True
    assert await floor.run(draft) == "applying"
    if happened:
        floor.shop.ledger[f"{draft}.1"] = "applied"
    answer(floor.desk, "1@example.com")
    floor.shop.away = False
    assert await floor.run(draft) == "refused"
    assert floor.sink.received == []
    if not happened:
        assert (floor.shop.applied, fate(floor, draft)[0]) == (0, "answered-by-human")
        return
    assert floor.held_for(draft) == "applied-not-sent,answered-by-human"
    floor.approve(draft)
    assert await floor.run(draft) == "done", "a person wants it to leave all the same"


@ONE_ENGINE
async def test_a_reply_that_may_have_left_is_closed_by_the_answer(floor: Floor) -> None:
    draft = drafted(floor)
    floor.kill_at = "sending"
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    with pytest.raises(Killed):
        await deliver(floor.parts(), row.id)
    await deliver(floor.parts(), row.id)
    assert floor.held_for(draft) == "delivery-uncertain"
    answer(floor.desk, "1@example.com")
    assert fate(floor, draft) == ("answered-by-human", "done", "answered-by-human")


@ONE_ENGINE
async def test_a_person_can_have_it_answered_all_the_same(floor: Floor) -> None:
    desk = floor.desk
    draft = drafted(floor, outcome="hold")
    answer(desk, "1@example.com")
    mail = desk.rows(Draft, id=draft)[0].message_id
    vault = desk.store.vault
    desk.store.write_now(
        lambda session: mails.retry(
            session, vault, desk.queue, mail, "where is my order?", as_human_mail=False, by="eve", now=desk.now
        )
    )
    claimed = desk.claim(desk.rows(Conversation)[0].id, desk.rows(Conversation)[0].enqueued)
    assert claimed is not None
    second = str(desk.finish(claimed, outcome="hold"))
    floor.approve(second)
    assert await floor.run(second) == "done"


@ONE_ENGINE
async def test_what_nobody_asks_for_any_more_is_forgotten(floor: Floor) -> None:
    answer(floor.desk, "1@example.com")
    floor.desk.now += timedelta(days=91)
    answer(floor.desk, "2@example.com")
    stored = floor.desk.take(incoming(message_id="1@example.com"))
    assert floor.desk.mail(stored.message).state == "screened"


@ONE_ENGINE
async def test_our_own_mail_that_we_see_in_the_inbox_counts_when_it_is_proved(floor: Floor) -> None:
    draft = drafted(floor, outcome="hold")
    given = Answer(parents=("1@example.com",), recipients=ANA)
    floor.desk.take(replace(incoming(sender="support@shop.example", ignored="own-mail"), by_hand=given))
    assert fate(floor, draft)[0] == "answered-by-human"


@ONE_ENGINE
async def test_a_draft_that_a_person_took_back_is_ended_too(floor: Floor) -> None:
    draft = drafted(floor)
    vault, now = floor.desk.store.vault, floor.desk.now
    floor.desk.store.write_now(
        lambda session: decide.recall(session, vault, draft, by="eve", reason="I write myself", now=now)
    )
    assert answer(floor.desk, "1@example.com") == 1
    assert fate(floor, draft)[0] == "answered-by-human"


@ONE_ENGINE
async def test_a_mail_that_is_held_without_a_draft_is_ended_too(floor: Floor) -> None:
    stored = floor.desk.take(incoming(message_id="1@example.com"))
    assert stored.conversation is not None
    floor.desk.store.write_now(partial(turns.give_up, conversation_id=stored.conversation, now=floor.desk.now))
    assert floor.desk.mail(stored.message).state == "held"
    assert answer(floor.desk, "1@example.com") == 1
    assert floor.desk.mail(stored.message).outcome == "answered-by-human"
