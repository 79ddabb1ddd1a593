"""P11: people are not bypassed: a pause, a newer mail and a mode that says no stop a reply that was approved."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from daemon.outbound.deliver import deliver
from daemon.review import paused
from daemon.store import drafts, ending, switches
from daemon.store.job import load
from daemon.store.tables import Delivery, Draft
from tests.fixtures.floor import ONE_ENGINE, Floor


async def test_paused_nothing_leaves_and_resumed_it_does(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send")
    desk.store.write_now(
        lambda session: paused.pause(session, desk.store.vault, switches.ALL, by="eve", reason="look", now=desk.now)
    )
    assert await floor.run(draft) == "approved"
    assert floor.sink.received == []
    assert (
        desk.store.write_now(lambda session: paused.resume(session, desk.queue, switches.ALL, by="eve", now=desk.now))
        == 1
    )
    assert await floor.run(draft) == "done"


@ONE_ENGINE
def test_what_came_in_a_pause_stays_held_and_is_counted_when_it_ends(floor: Floor) -> None:
    desk = floor.desk
    desk.draft(sender="other@example.com")
    desk.set(Draft, desk.draft(), reasons="paused,category-not-automatic")
    count = {
        name: desk.store.read_now(partial(paused.still_held, name=name)) for name in (switches.ALL, "pause:mailbox:x")
    }
    assert count == {switches.ALL: 1, "pause:mailbox:x": 0}


async def test_a_newer_mail_just_before_the_content_makes_the_reply_moot(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send")

    async def newer(identifier: str, state: str) -> None:
        if state == "opened":
            desk.set(Draft, draft, based_on_seq=0)

    row = desk.rows(Delivery, draft_id=draft)[0]
    await deliver(replace(floor.parts(), reached=newer), row.id)
    assert floor.sink.received == []
    assert desk.rows(Draft, id=draft)[0].state == "superseded"
    assert desk.claim(desk.rows(Draft)[0].conversation_id, 2) is not None


@ONE_ENGINE
async def test_in_shadow_mode_nothing_leaves_whatever_was_approved(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    shadow = floor.config.mailbox["support"].model_copy(update={"mode": "shadow"})
    floor.config = floor.config.model_copy(update={"mailbox": {"support": shadow}})
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) == "shadow-mode"
    assert floor.sink.received == []


@ONE_ENGINE
async def test_a_resume_in_the_moment_of_the_pause_is_not_missed(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send")
    row = desk.rows(Delivery, draft_id=draft)[0]
    job = desk.store.read_now(lambda session: load(session, desk.store.vault, row.id))
    assert job is not None
    before = desk.rows(Delivery, id=row.id)[0].tries
    desk.store.write_now(lambda session: ending.wait(session, desk.queue, job, "paused", now=desk.now))
    assert desk.rows(Delivery, id=row.id)[0].tries == before + 1, "nothing is off any more, so it is enqueued again"


@ONE_ENGINE
async def test_a_resume_shortens_no_grace_and_touches_no_other_mailbox(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send")
    row = desk.rows(Delivery, draft_id=draft)[0]
    desk.set(Delivery, row.id, next_try=desk.now + timedelta(hours=1))
    other = switches.name(mailbox="billing")
    vault, queue, now = desk.store.vault, desk.queue, desk.now
    for switch, waiting in ((other, 0), (switches.ALL, 1)):
        desk.store.write_now(partial(paused.pause, vault=vault, name=switch, by="eve", reason="", now=now))
        resumed = desk.store.write_now(partial(paused.resume, queue=queue, name=switch, by="eve", now=now))
        assert resumed == waiting
    again = drafts.workflow_of(desk.rows(Delivery, id=row.id)[0])
    assert desk.queue.delayed(again)


@ONE_ENGINE
async def test_an_automatic_reply_that_waited_too_long_goes_to_a_person(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.desk.later(days=30)
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) == "old-mail"
