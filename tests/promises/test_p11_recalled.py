"""P11: a person can take back any reply that has not begun to leave, whatever the worker is doing at that moment."""

from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.errors import NotPossible
from daemon.outbound.deliver import deliver
from daemon.review import decide, view
from daemon.store.codec import encode
from daemon.store.limits import Charge
from daemon.store.tables import Delivery, Draft
from tests.fixtures.floor import ONE_ENGINE, WRITE, Floor
from tests.fixtures.mails import incoming


def recall(floor: Floor, draft: str) -> str:
    desk = floor.desk
    return desk.store.write_now(
        lambda session: decide.recall(session, desk.store.vault, draft, by="eve", reason="a typo", now=desk.now)
    )


async def test_a_reply_that_waits_for_its_grace_is_held_again_and_a_person_decides(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    floor.desk.set(Delivery, row.id, next_try=floor.desk.now + timedelta(minutes=1))
    (line,) = floor.desk.store.read_now(
        lambda session: view.list_drafts(session, floor.desk.store.vault, states=view.OPEN)
    )
    assert line.leaves_at == floor.desk.now + timedelta(minutes=1)
    assert recall(floor, draft) == draft
    assert floor.held_for(draft) == "recalled"
    mail = floor.desk.mail(floor.desk.rows(Draft, id=draft)[0].message_id)
    assert (mail.state, mail.reason) == ("held", "recalled")
    assert await floor.run(draft) == "refused"
    assert floor.sink.received == []
    floor.approve(draft)
    assert await floor.run(draft) == "done"
    assert len(floor.sink.received) == 1


@ONE_ENGINE
@pytest.mark.parametrize("boundary", ["approved", "opened"])
async def test_a_worker_that_has_it_in_hand_stops_before_the_content(floor: Floor, boundary: str) -> None:
    draft = floor.desk.draft(outcome="send")
    row = floor.desk.rows(Delivery, draft_id=draft)[0]

    async def meanwhile(identifier: str, state: str) -> None:
        if state == boundary:
            recall(floor, draft)

    await deliver(replace(floor.parts(), reached=meanwhile), row.id)
    assert floor.sink.received == []
    assert floor.held_for(draft) == "recalled"


@ONE_ENGINE
@pytest.mark.parametrize("boundary", ["sending", "answered", "sent"])
async def test_too_late_is_told(floor: Floor, boundary: str) -> None:
    floor.copies.mine = True
    draft = floor.desk.draft(outcome="send")
    row = floor.desk.rows(Delivery, draft_id=draft)[0]

    async def meanwhile(identifier: str, state: str) -> None:
        if state == boundary:
            with pytest.raises(NotPossible, match=r"Too late|left at"):
                recall(floor, draft)

    await deliver(replace(floor.parts(), reached=meanwhile), row.id)
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "done"
    with pytest.raises(NotPossible, match="left at 2026"):
        recall(floor, draft)


@ONE_ENGINE
async def test_one_that_the_server_did_not_take_yet_gives_back_what_it_reserved(floor: Floor) -> None:
    desk = floor.desk
    charge = Charge(name="refunds", scope="x", window=3600, most_count=1)
    drafts = []
    for sender in ("ana@example.com", "bo@example.com"):
        claimed = desk.claim(desk.take(incoming(sender=sender)).conversation)
        assert claimed is not None
        drafts.append(str(desk.finish(claimed, charges=encode(list[Charge], [charge]).decode())))
    floor.sink.decide = lambda asked: "451 4.3.0 Later" if asked == "content" else None
    assert await floor.run(drafts[0]) == "ready"
    recall(floor, drafts[0])
    floor.sink.decide = lambda _: None
    assert await floor.run(drafts[1]) == "done"


@ONE_ENGINE
async def test_after_its_write_it_goes_to_the_top_of_the_queue(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    floor.shop.away = True
    assert await floor.run(draft) == "applying"
    with pytest.raises(NotPossible, match="staged writes"):
        recall(floor, draft)
    floor.shop.away = False
    floor.sink.decide = lambda _: "421 4.3.2 Closing"
    assert await floor.run(draft) == "ready"
    recall(floor, draft)
    assert floor.held_for(draft) == "applied-not-sent,recalled"


@ONE_ENGINE
async def test_what_is_held_has_nothing_to_take_back(floor: Floor) -> None:
    with pytest.raises(NotPossible, match="is held"):
        recall(floor, floor.desk.draft())
