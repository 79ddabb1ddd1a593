"""`triaged status` on real stores: who runs, what the doors said, and what is on its way."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.accounts import MailboxConfig
from daemon.cli import invoke
from daemon.inbound.arrival import DoorState
from daemon.review.counts import Status, status
from daemon.store import doors, switches
from daemon.store.doors import Door
from daemon.store.engine import Store
from daemon.store.position import Position
from daemon.store.queue import Queue
from daemon.store.tables import Delivery
from daemon.watch.doors import Doors
from tests.fixtures.mails import NOW, Desk, incoming

MAILBOXES = {"support": MailboxConfig(kind="lmtp", address="support@shop.example", listen="127.0.0.1:0")}


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    queue = Queue(store)
    yield Desk(store=store, queue=queue)
    queue.close()


def look(desk: Desk, *, running: bool | None = None) -> Status:
    return desk.store.read_now(
        lambda session: status(session, desk.store.vault, MAILBOXES, running=running, now=desk.now)
    )


async def test_what_a_door_says_stands_in_the_store_with_its_detail_sealed(desk: Desk) -> None:
    told = Doors(desk.store, lambda: desk.now, every=30, gather=0)
    tell = told.listener("support", "live")
    tell(DoorState.LOGIN_REFUSED, "The server refuses the login of secret@shop.example.", 3)
    await told.keep()
    (mailbox,) = look(desk).mailboxes
    assert (mailbox.state, mailbox.failures, mailbox.since) == ("login refused", 3, NOW)
    assert "secret@shop.example" in mailbox.detail
    desk.later(minutes=5)
    await told.keep()
    (mailbox,) = look(desk).mailboxes
    assert (mailbox.since, mailbox.heard_at) == (NOW, desk.now), "it has been so all the time, and is so still"


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_a_change_is_kept_at_once_and_a_mail_that_is_read_is_no_change(desk: Desk) -> None:
    told = Doors(desk.store, lambda: desk.now, every=30, gather=0)
    tell = told.listener("support", "live")
    task = asyncio.create_task(told.run())

    async def kept(state: DoorState) -> None:
        for _ in range(1000):
            row = desk.store.read_now(lambda session: doors.every(session, desk.store.vault)).get("support")
            if row is not None and row.state == state:
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"{state} was not kept")

    await kept(DoorState.STARTING)
    tell(DoorState.WAITING, "", 0)
    await kept(DoorState.WAITING)
    await asyncio.sleep(0)
    tell(DoorState.READING, "", 0)
    assert not told._news.is_set()
    tell(DoorState.UNREACHABLE, "The server is away.", 1)
    await kept(DoorState.UNREACHABLE)
    task.cancel()


def test_without_a_lock_the_signs_of_life_tell_who_runs(desk: Desk) -> None:
    assert look(desk).running is False

    def said(state: str) -> None:
        door = Door(mailbox="support", state=state, mode="live", since=NOW, seen_at=desk.now)
        desk.store.write_now(lambda session: doors.keep(session, desk.store.vault, [door]))

    said("waiting for mail")
    assert look(desk).running is True
    desk.later(minutes=10)
    assert look(desk).running is False
    assert look(desk).last_heard == NOW
    assert look(desk, running=True).running is True
    said("stopped")
    assert look(desk).running is False


def test_replies_on_their_way_are_told_with_what_they_wait_for(desk: Desk) -> None:
    claimed = desk.claim(desk.take(incoming(position=Position(folder="INBOX", uidvalidity=7, uid=3))).conversation)
    assert claimed is not None
    draft = desk.finish(claimed)
    (delivery,) = desk.rows(Delivery)

    def why() -> str:
        (reply,) = look(desk).leaving
        assert (reply.draft, reply.mailbox) == (draft, "support")
        return reply.why

    assert why() == "now"
    desk.set(Delivery, delivery.id, next_try=desk.now + timedelta(minutes=1))
    assert why() == "grace"
    desk.set(Delivery, delivery.id, failing_since=desk.now)
    assert why() == "retry"
    vault = desk.store.vault
    desk.store.write_now(
        lambda session: switches.turn_off(session, vault, switches.ALL, by="ana", reason="audit", now=desk.now)
    )
    assert why() == "pause:*"
    assert [(off.switch, off.reason) for off in look(desk).off] == [("pause:*", "audit")]
    desk.set(Delivery, delivery.id, state="sending")
    assert why() == "now"
    (folder,) = look(desk).mailboxes[0].folders
    assert (folder.folder, folder.last_uid) == ("INBOX", 3)


_TOML = """
[store]
url = "{url}"
keys_url = "sqlite:///keys.db"
[mailbox.support]
kind = "lmtp"
address = "support@shop.example"
listen = "127.0.0.1:0"
"""


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_json_has_keys_that_stay(store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "triaged.toml").write_text(_TOML.format(url=store_url))
    assert invoke(["status", "--json", "--config", str(tmp_path)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == [
        "running", "last_heard", "mailboxes", "messages", "held", "oldest_held", "waiting_to_leave", "leaving", "off",
        "tokens_today",
    ]  # fmt: skip
    assert list(said["mailboxes"][0]) == [
        "name", "kind", "mode", "mode_in_file", "state", "since", "failures", "detail", "heard_at", "login_ends",
        "folders",
    ]  # fmt: skip
    assert said["running"] is False


def test_a_store_that_can_not_be_reached_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], unused_tcp_port: int
) -> None:
    url = f"postgresql+psycopg://triaged:secret@127.0.0.1:{unused_tcp_port}/triaged"
    (tmp_path / "triaged.toml").write_text(_TOML.format(url=url))
    (tmp_path / "master.key").write_bytes(b"k" * 32)
    (tmp_path / "master.key").chmod(0o600)
    assert invoke(["status", "--config", str(tmp_path)]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"The store postgresql+psycopg://triaged:***@127.0.0.1:{unused_tcp_port}/triaged can't be reached: "
        "Connection refused. Check that its server runs, and `[store] url`.\n"
    )
