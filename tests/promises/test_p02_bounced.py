"""P2: a reply that came back goes to a person, once, and is never sent again by itself."""

from dataclasses import replace
from functools import partial

import pytest

from daemon.caps import BreakerConfig
from daemon.cli import draft_page
from daemon.errors import NotPossible
from daemon.outbound.deliver import deliver
from daemon.review import decide, view
from daemon.store import switches
from daemon.store.ingest import Incoming
from daemon.store.notification import Action, Notification
from daemon.store.tables import Delivery, Draft, Mail
from tests.fixtures.floor import ONE_ENGINE, WRITE, Floor
from tests.fixtures.mails import incoming


def told(floor: Floor, draft: str, action: Action = "failed", *, revision: int = 1) -> Incoming:
    """A notification about the reply, as the screen hands it over."""
    answered = floor.desk.rows(Draft, id=draft)[0].message_id
    what = Notification(
        answered=answered, revision=revision, action=action, status="5.1.1", diagnostic="550 no ana@example.com"
    )
    mail = incoming(sender="mailer-daemon@mx.example.com", subject="Undelivered Mail", ignored="bounce")
    return replace(mail, told=what)


async def sent(floor: Floor, **how: object) -> str:
    draft = floor.desk.draft(outcome="send", **how)  # type: ignore[arg-type]  # writes
    assert await floor.run(draft) == "done"
    return draft


async def test_a_failure_gives_the_draft_to_people_at_the_top_of_the_queue(floor: Floor) -> None:
    draft = await sent(floor)
    floor.desk.draft(sender="bo@example.com")
    stored = floor.desk.take(told(floor, draft))
    assert floor.held_for(draft) == "bounced"
    mail = floor.desk.mail(floor.desk.rows(Draft, id=draft)[0].message_id)
    assert (mail.state, mail.outcome, mail.reason) == ("held", None, "bounced")
    bounce = floor.desk.mail(stored.message)
    assert (bounce.state, bounce.outcome, bounce.reason) == ("done", "ignored", "bounce")
    assert (bounce.about_draft_id, bounce.about_action) == (draft, "failed")
    lines = floor.desk.store.read_now(lambda session: view.list_drafts(session, floor.desk.store.vault))
    assert lines[0].id == draft


@ONE_ENGINE
async def test_what_the_server_said_is_shown_with_the_draft_and_belongs_to_its_person(floor: Floor) -> None:
    draft = await sent(floor)
    stored = floor.desk.take(told(floor, draft))
    page = floor.desk.store.read_now(lambda session: view.show_draft(session, floor.desk.store.vault, draft))
    (shown,) = page.told
    assert (shown.message, shown.action) == (stored.message, "failed")
    assert shown.detail.endswith("failed 5.1.1 550 no ana@example.com")
    assert "550 no ana@example.com" in " ".join(" ".join(draft_page.lines(page)).split())
    assert floor.desk.mail(stored.message).person_id == floor.desk.rows(Draft, id=draft)[0].person_id


@ONE_ENGINE
@pytest.mark.parametrize("action", ["delayed", "relayed", "delivered", "expanded", "unknown"])
async def test_what_is_no_failure_is_linked_and_changes_nothing(floor: Floor, action: Action) -> None:
    draft = await sent(floor)
    stored = floor.desk.take(told(floor, draft, action))
    assert floor.desk.rows(Draft, id=draft)[0].state == "done"
    assert floor.desk.mail(stored.message).about_draft_id == draft


@ONE_ENGINE
async def test_it_is_sent_again_on_purpose_only(floor: Floor) -> None:
    draft = await sent(floor)
    floor.desk.take(told(floor, draft))
    with pytest.raises(NotPossible, match="--resend"):
        floor.approve(draft)
    assert await floor.run(draft) == "done"
    assert len(floor.sink.received) == 1
    floor.approve(draft, resend="the mailbox is no longer full")
    assert await floor.run(draft) == "done"
    assert len(floor.sink.received) == 2
    assert floor.desk.rows(Draft, id=draft)[0].state == "done"
    floor.desk.take(told(floor, draft))
    assert floor.held_for(draft) == "bounced", "the second one came back too"


@ONE_ENGINE
async def test_it_can_be_closed_also_when_its_write_stands(floor: Floor) -> None:
    draft = await sent(floor, writes=(WRITE,))
    floor.desk.take(told(floor, draft))
    desk, vault = floor.desk, floor.desk.store.vault
    with pytest.raises(NotPossible):
        desk.store.write_now(
            lambda session: decide.redraft(session, vault, desk.queue, draft, by="eve", hint="", now=desk.now)
        )
    desk.store.write_now(lambda session: decide.reject(session, vault, draft, by="eve", reason="phoned", now=desk.now))
    assert desk.rows(Draft, id=draft)[0].state == "rejected"


@ONE_ENGINE
async def test_of_several_notifications_about_one_sending_the_first_counts(floor: Floor) -> None:
    draft = await sent(floor)
    floor.desk.most = BreakerConfig(bounces=1)
    floor.desk.take(told(floor, draft))
    floor.desk.take(told(floor, draft))
    floor.desk.store.write_now(
        lambda session: decide.reject(
            session, floor.desk.store.vault, draft, by="eve", reason="phoned", now=floor.desk.now
        )
    )
    floor.desk.take(told(floor, draft))
    assert floor.desk.rows(Draft, id=draft)[0].state == "rejected", "a person has closed it"
    off = floor.desk.store.read_now(partial(switches.off, mailbox="support", handler=None))
    assert off is None, "one mail came back, however often that is told"


@ONE_ENGINE
async def test_a_notification_that_is_quicker_than_the_answer_to_the_final_dot_is_not_lost(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    row = floor.desk.rows(Delivery, draft_id=draft)[0]

    async def meanwhile(identifier: str, state: str) -> None:
        if state == "answered":
            floor.desk.take(told(floor, draft))
            assert floor.desk.rows(Draft, id=draft)[0].state == "delivering"

    await deliver(replace(floor.parts(), reached=meanwhile), row.id)
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "done"
    assert floor.held_for(draft) == "bounced"


@ONE_ENGINE
async def test_it_tells_that_an_uncertain_reply_had_left(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.sink.decide = lambda asked: "drop" if asked == "stored" else None
    assert await floor.run(draft) == "uncertain"
    floor.desk.take(told(floor, draft))
    assert floor.held_for(draft) == "bounced"


@ONE_ENGINE
async def test_what_never_left_can_not_come_back(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    stored = floor.desk.take(told(floor, draft))
    assert floor.desk.rows(Draft, id=draft)[0].state == "approved"
    assert floor.desk.mail(stored.message).about_draft_id is None
    other = floor.desk.take(told(floor, draft, revision=7))
    assert floor.desk.mail(other.message).about_draft_id is None
    assert all(mail.about_draft_id is None for mail in floor.desk.rows(Mail))
