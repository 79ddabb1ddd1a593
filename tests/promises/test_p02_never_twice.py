"""P2: an answered message gets at most one reply, wherever the process dies."""

import hashlib
from dataclasses import replace

import pytest

from daemon.errors import NotPossible
from daemon.outbound.deliver import deliver
from daemon.store.codec import encode
from daemon.store.limits import Charge
from daemon.store.tables import Delivery, Draft
from tests.fixtures.floor import ONE_ENGINE, WRITE, Floor, Killed
from tests.fixtures.mails import incoming
from tools.errors import Transient


async def test_an_approved_reply_leaves_once_and_the_mail_is_done(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    assert await floor.run(draft) == "done"
    assert await floor.run(draft) == "done"
    assert [mail.rcpt_to for mail in floor.sink.received] == [("ana@example.com",)]
    assert floor.desk.mail(floor.desk.rows(Draft)[0].message_id).outcome == "sent"


@pytest.mark.parametrize(
    ("boundary", "state", "mails"),
    [
        ("approved", "done", 1),
        ("applying", "done", 1),
        ("written", "done", 1),
        ("ready", "done", 1),
        ("opened", "done", 1),
        ("sending", "uncertain", 0),
        ("answered", "uncertain", 1),
        ("sent", "done", 1),
    ],
)
async def test_killed_at_any_boundary_there_is_one_outcome_at_most_one_mail_and_one_write(
    floor: Floor, boundary: str, state: str, mails: int
) -> None:
    floor.copies.mine = boundary == "sent"
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    floor.kill_at = boundary
    assert await floor.run(draft) == state
    assert floor.kill_at == "", "the boundary was never reached"
    assert len(floor.sink.received) == mails
    assert floor.shop.applied == 1
    if state == "uncertain":
        assert floor.held_for(draft) == "delivery-uncertain"


@ONE_ENGINE
async def test_a_reply_that_is_found_in_sent_after_a_crash_has_left(floor: Floor) -> None:
    floor.copies.mine = True
    draft = floor.desk.draft(outcome="send")
    floor.kill_at = "answered"
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    with pytest.raises(Killed):
        await deliver(floor.parts(), row.id)
    await floor.copies.file("support", floor.sink.received[0].raw)
    await deliver(floor.parts(), row.id)
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "done"
    assert len(floor.sink.received) == 1
    assert len(floor.copies.holds) == 1


@ONE_ENGINE
async def test_a_relay_that_gives_mails_other_message_ids_makes_it_unfindable_which_proves_nothing(
    floor: Floor,
) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.kill_at = "answered"
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    with pytest.raises(Killed):
        await deliver(floor.parts(), row.id)
    (left,) = floor.sink.received
    await floor.copies.file("support", left.raw.replace(b"Message-ID: <triaged.", b"Message-ID: <relay."))
    await deliver(floor.parts(), row.id)
    assert floor.held_for(draft) == "delivery-uncertain"
    assert len(floor.sink.received) == 1


@ONE_ENGINE
async def test_the_copy_is_what_was_sent_whatever_is_configured_meanwhile(floor: Floor) -> None:
    floor.copies.mine = True
    draft = floor.desk.draft(outcome="send")
    floor.kill_at = "sent"
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    with pytest.raises(Killed):
        await deliver(floor.parts(), row.id)
    floor.reload("reply", signature="A new signature")
    await deliver(floor.parts(), row.id)
    assert floor.copies.raws == [floor.sink.received[0].raw]


@ONE_ENGINE
async def test_what_is_sent_again_is_what_was_sent(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.sink.decide = lambda asked: "drop" if asked == "stored" else None
    assert await floor.run(draft) == "uncertain"
    floor.sink.decide = lambda _: None
    floor.reload("reply", signature="A new signature")
    floor.desk.later(hours=1)
    floor.approve(draft, resend="Ana says that nothing came")
    assert await floor.run(draft) == "done"
    assert floor.sink.received[0].raw == floor.sink.received[1].raw


@ONE_ENGINE
async def test_a_reply_is_found_in_sent_under_the_message_id_that_it_left_with(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.kill_at = "answered"
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    with pytest.raises(Killed):
        await deliver(floor.parts(), row.id)
    await floor.copies.file("support", floor.sink.received[0].raw)
    moved = floor.config.mailbox["support"].model_copy(update={"address": "support@new.example"})
    floor.config = floor.config.model_copy(update={"mailbox": {"support": moved}})
    await deliver(floor.parts(), row.id)
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "done"


@ONE_ENGINE
@pytest.mark.parametrize(
    ("phase", "answer", "state", "reason"),
    [
        ("rcpt", "550 5.1.1 No such user", "refused", "refused-by-server"),
        ("content", "554 5.7.1 Spam", "refused", "refused-by-server"),
        ("stored", "drop", "uncertain", "delivery-uncertain"),
        ("stored", "hang", "uncertain", "delivery-uncertain"),
    ],
)
async def test_what_the_server_says_decides(floor: Floor, phase: str, answer: str, state: str, reason: str) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.sink.decide = lambda asked: answer if asked == phase else None
    assert await floor.run(draft) == state
    assert floor.held_for(draft) == reason
    assert await floor.run(draft) == state, "nothing is tried again by itself"


@pytest.mark.parametrize(
    ("phase", "waiting"), [("connect", "approved"), ("rcpt", "approved"), ("data", "ready"), ("content", "ready")]
)
async def test_a_server_that_says_not_now_is_asked_again_and_gets_the_mail_once(
    floor: Floor, phase: str, waiting: str
) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.sink.decide = lambda asked: "451 4.3.0 Later" if asked == phase else None
    assert await floor.run(draft) == waiting
    floor.sink.decide = lambda _: None
    assert await floor.run(draft) == "done"
    assert len(floor.sink.received) == 1


@ONE_ENGINE
async def test_a_server_that_is_away_for_too_long_leaves_the_reply_to_a_person(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.sink.decide = lambda _: "421 4.3.2 Closing"
    assert await floor.run(draft) == "approved"
    floor.desk.later(days=2)
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) in {"server-unavailable", "old-mail"}


@ONE_ENGINE
async def test_a_worker_that_wakes_up_late_is_fenced(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    row = floor.desk.rows(Delivery, draft_id=draft)[0]

    async def overtaken(identifier: str, state: str) -> None:
        if state == "opened":
            await deliver(floor.parts(), row.id)

    await deliver(replace(floor.parts(), reached=overtaken), row.id)
    assert len(floor.sink.received) == 1
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "done"


async def test_a_reply_that_may_have_left_is_sent_again_only_on_purpose_and_under_its_message_id(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.sink.decide = lambda asked: "drop" if asked == "stored" else None
    assert await floor.run(draft) == "uncertain"
    floor.sink.decide = lambda _: None
    with pytest.raises(NotPossible, match="--resend"):
        floor.approve(draft)
    floor.approve(draft, resend="Ana says that nothing came")
    assert await floor.run(draft) == "done"
    ids = {mail.raw.decode().partition("Message-ID: ")[2].partition("\r\n")[0] for mail in floor.sink.received}
    assert (len(floor.sink.received), len(ids)) == (2, 1)


async def test_a_limit_that_fills_up_before_the_content_holds_the_reply(floor: Floor) -> None:
    desk = floor.desk
    charge = Charge(name="refunds", scope="x", window=3600, most_count=1)
    charges = encode(list[Charge], [charge]).decode()
    drafts = []
    for sender in ("ana@example.com", "bo@example.com"):
        claimed = desk.claim(desk.take(incoming(sender=sender)).conversation)
        assert claimed is not None
        drafts.append(desk.finish(claimed, charges=charges))
    assert await floor.run(str(drafts[0])) == "done"
    assert await floor.run(str(drafts[1])) == "refused"
    assert floor.held_for(str(drafts[1])) == "limit-exceeded"
    assert len(floor.sink.received) == 1


async def test_two_deliveries_for_one_mail_can_not_both_be_on_their_way(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    floor.desk.store.write_now(
        lambda session: session.add(Delivery(**{**row.model_dump(), "id": "other", "attempt": 2, "state": "uncertain"}))
    )
    assert await floor.run(draft) in {"refused", "uncertain"}
    assert floor.sink.received == []


@ONE_ENGINE
async def test_a_sent_folder_that_can_not_be_read_leaves_it_uncertain(floor: Floor) -> None:
    async def away(mailbox: str, message_id: str) -> bool:
        raise Transient("The mailbox can't be reached.")

    floor.copies.find = away  # type: ignore[method-assign]  # the server is away
    draft = floor.desk.draft(outcome="send")
    floor.kill_at = "sending"
    assert await floor.run(draft) == "uncertain"


@ONE_ENGINE
async def test_a_fault_of_ours_holds_the_reply_instead_of_forgetting_it(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.config = floor.config.model_copy(update={"mailbox": {}})
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) == "unexpected-error"


def test_a_mail_that_could_not_be_read_in_time_is_known_again_by_its_octets(floor: Floor) -> None:
    mail = incoming()
    first = floor.desk.take(replace(mail, digest=hashlib.sha256(mail.raw).hexdigest()))
    again = floor.desk.take(incoming())
    assert (again.message, again.duplicate) == (first.message, True)
