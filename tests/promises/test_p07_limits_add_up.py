"""P7: ten small refunds are one big one, however many workers pay them, and whatever is restarted in between."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daemon.store import limits
from daemon.store.codec import encode
from daemon.store.limits import Charge
from tests.fixtures.floor import WRITE, Floor
from tests.fixtures.mails import Desk, incoming
from tests.fixtures.store import open_at

alone = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
"""What does not depend on the store is shown on one."""
REFUND = Charge(name="desk/refunds", scope="mac of ana", window=86400, amount=1999, most_amount=5000)
CAP = Charge(name="replies-per-conversation", scope="mac of a conversation", window=86400, most_count=2)


def reply(floor: Floor, charge: Charge, *, sender: str, writes: bool = False) -> str:
    """An automatic reply that spends of a limit."""
    claimed = floor.desk.claim(floor.desk.take(incoming(sender=sender)).conversation)
    assert claimed is not None
    charges = encode(list[Charge], [charge]).decode()
    draft = floor.desk.finish(claimed, writes=(WRITE,) if writes else (), charges=charges)
    assert draft is not None
    return draft


@alone
async def test_the_refund_that_is_one_too_many_waits_for_a_person_and_changes_nothing(floor: Floor) -> None:
    drafts = [reply(floor, REFUND, sender=f"ana{number}@example.com", writes=True) for number in range(3)]
    assert [await floor.run(draft) for draft in drafts] == ["done", "done", "refused"]
    assert floor.held_for(drafts[2]) == "limit-exceeded"
    assert (floor.shop.applied, len(floor.sink.received)) == (2, 2)


@alone
async def test_a_cap_on_replies_holds_what_comes_too_fast(floor: Floor) -> None:
    drafts = [reply(floor, CAP, sender=f"ana{number}@example.com") for number in range(3)]
    assert [await floor.run(draft) for draft in drafts] == ["done", "done", "refused"]
    assert floor.held_for(drafts[2]) == "rate-cap"


def test_several_workers_do_not_spend_more_together(desk: Desk) -> None:
    with ThreadPoolExecutor(4) as workers:
        paid = workers.map(
            lambda _: desk.store.write_now(lambda session: limits.reserve(session, [CAP, REFUND], desk.now)), range(16)
        )
    assert sum(refused is None for refused in paid) == 2


def test_a_worker_that_spends_and_one_that_deletes_what_is_over_do_not_disturb_each_other(desk: Desk) -> None:
    def spend(number: int) -> bool:
        charges = [REFUND, CAP, Charge(name="refunds-each", scope=f"mac of {number}", window=1)]
        return desk.store.write_now(lambda session: limits.reserve(session, charges, desk.now)) is None

    def delete(_: int) -> int:
        return desk.store.write_now(lambda session: limits.prune(session, desk.now))

    with ThreadPoolExecutor(6) as workers:
        deleted = workers.map(delete, range(16))
        paid = workers.map(spend, range(16))
        assert sum(paid) == 2
        assert all(number >= 0 for number in deleted)
    assert desk.store.read_now(lambda session: limits.spent(session, REFUND, desk.now)) == (2, 3998)


@alone
def test_what_was_spent_is_known_after_a_restart(desk: Desk, store_url: str, tmp_path: Path) -> None:
    for _ in range(2):
        assert desk.store.write_now(lambda session: limits.reserve(session, [REFUND], desk.now)) is None
    desk.store.close()
    again = open_at(store_url, tmp_path)
    desk.later(hours=23)
    assert again.write_now(lambda session: limits.reserve(session, [REFUND], desk.now)) == REFUND
    desk.later(hours=3)
    assert again.write_now(lambda session: limits.reserve(session, [REFUND], desk.now)) is None
    again.close()
