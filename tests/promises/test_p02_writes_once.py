"""P2: a staged write is applied once, and no mail says so that was not."""

from dataclasses import replace

import pytest

from daemon.outbound.deliver import deliver
from daemon.review import decide, paused
from daemon.store import switches
from daemon.store.tables import Delivery, Draft
from tests.fixtures.floor import ONE_ENGINE, WRITE, Floor
from tests.fixtures.mails import incoming


@ONE_ENGINE
async def test_a_refused_write_holds_and_no_mail_says_that_it_happened(floor: Floor) -> None:
    floor.shop.refusal = "orders.status was open, is shipped"
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) == "stale-write"
    assert floor.sink.received == []


async def test_a_business_database_that_is_away_is_asked_again(floor: Floor) -> None:
    floor.shop.away = True
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    assert await floor.run(draft) == "applying"
    floor.shop.away = False
    assert await floor.run(draft) == "done"
    assert floor.shop.applied == 1


@ONE_ENGINE
async def test_after_the_write_a_refused_mail_goes_to_the_top_of_the_queue_and_can_be_sent_without_writing_again(
    floor: Floor,
) -> None:
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    floor.sink.decide = lambda asked: "550 5.1.1 No such user" if asked == "rcpt" else None
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) == "applied-not-sent,refused-by-server"
    assert floor.desk.rows(Draft, id=draft)[0].priority == "high"
    floor.sink.decide = lambda _: None
    floor.desk.store.write_now(
        lambda session: decide.approve(
            session, floor.desk.store.vault, floor.desk.queue, floor.config, draft, by="eve", now=floor.desk.now
        )
    )
    assert await floor.run(draft) == "done"
    assert (floor.shop.applied, len(floor.sink.received)) == (1, 1)


@ONE_ENGINE
async def test_a_reply_whose_write_stands_is_never_superseded_by_the_next_mail(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send", writes=(WRITE,))
    floor.sink.decide = lambda asked: "550 5.1.1 No such user" if asked == "rcpt" else None
    await floor.run(draft)
    desk.take(incoming())
    assert floor.held_for(draft) == "applied-not-sent,refused-by-server"


@ONE_ENGINE
async def test_a_write_whose_answer_was_lost_is_never_declared_refused_by_time_alone(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    floor.shop.away = True
    assert await floor.run(draft) == "applying"
    floor.shop.ledger[f"{draft}.1"] = "applied"  # the commit that nobody heard of
    floor.desk.later(days=3)
    assert await floor.run(draft) == "applying"
    floor.shop.away = False
    assert await floor.run(draft) in {"done", "refused"}
    assert floor.shop.ledger[f"{draft}.1"] == "applied"
    if not floor.sink.received:
        assert floor.held_for(draft).startswith("applied-not-sent")


@pytest.mark.parametrize("stop", ["pause", "shadow", "newer mail"])
async def test_what_stops_a_reply_stops_a_write_that_was_waiting_for_its_database(floor: Floor, stop: str) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send", writes=(WRITE,))
    floor.shop.away = True
    assert await floor.run(draft) == "applying"
    floor.shop.away = False
    if stop == "pause":
        desk.store.write_now(
            lambda session: paused.pause(session, desk.store.vault, switches.ALL, by="eve", reason="", now=desk.now)
        )
    elif stop == "shadow":
        shadow = floor.config.mailbox["support"].model_copy(update={"mode": "shadow"})
        floor.config = floor.config.model_copy(update={"mailbox": {"support": shadow}})
    else:
        desk.take(incoming())
    assert await floor.run(draft) == ("applying" if stop == "pause" else "refused")
    assert (floor.shop.applied, floor.sink.received) == (0, [])


@ONE_ENGINE
async def test_a_write_is_not_begun_while_another_reply_to_the_mail_may_be_out(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    floor.desk.store.write_now(
        lambda session: session.add(Delivery(**{**row.model_dump(), "id": "other", "attempt": 2, "state": "uncertain"}))
    )
    await deliver(floor.parts(), row.id)
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "refused"
    assert floor.shop.applied == 0


async def test_a_write_that_was_applied_beside_another_reply_goes_to_a_person(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    row = floor.desk.rows(Delivery, draft_id=draft)[0]

    async def meanwhile(identifier: str, state: str) -> None:
        if state == "written":
            other = {**row.model_dump(), "id": "other", "attempt": 2, "state": "uncertain"}
            floor.desk.store.write_now(lambda session: session.add(Delivery(**other)))

    await deliver(replace(floor.parts(), reached=meanwhile), row.id)
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "refused"
    assert floor.held_for(draft).startswith("applied-not-sent")
