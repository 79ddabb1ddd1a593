"""What a person sees in the mailbox of a running daemon, and what `triaged status` is told of its doors."""

import asyncio
import mailbox
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.inbound.arrival import DoorState
from daemon.review import decide, view
from daemon.store import doors
from tests.e2e.house import Kind
from tests.fixtures.dovecot import Dovecot
from tests.fixtures.imap_office import imap
from tests.fixtures.office import Office

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
KINDS: tuple[Kind, ...] = ("status", "question", "newsletter")


async def until(condition: Callable[[], bool], seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, seen()
        await asyncio.sleep(0.05)


async def rejected(office: Office) -> None:
    """Reject the held draft, as a command in another process does."""
    store, now = office.daemon.store, office.daemon._clock()
    (line,) = store.read_now(lambda session: view.list_drafts(session, store.vault))
    store.write_now(
        lambda session: decide.reject(session, store.vault, line.id, by="ana", reason="by telephone", now=now)
    )


async def test_the_mailbox_shows_what_became_of_each_mail(office: Office, dovecot: Dovecot) -> None:
    with imap(office, dovecot) as inbox:
        letters = [office.house.letter(kind) for kind in KINDS]
        for letter in letters:
            inbox.client.append("INBOX", letter.raw)
        async with office.open():
            await office.fates()
            flags = [{"$Triaged", "\\Seen", "\\Answered"}, {"$Triaged", "$TriagedHeld"}, {"$Triaged"}]
            await until(lambda: list(inbox.shown().values()) == flags, inbox.shown)
            await rejected(office)
            office.daemon._filings[0].wake()
            flags[1] = {"$Triaged", "\\Seen"}
            await until(lambda: list(inbox.shown().values()) == flags, inbox.shown)


async def test_a_restart_moves_what_was_decided_while_nobody_ran(office: Office, dovecot: Dovecot) -> None:
    with imap(office, dovecot, held_folder="Für Menschen", done="Erledigt") as inbox:
        for kind in KINDS:
            inbox.client.append("INBOX", office.house.letter(kind).raw)
        async with office.open():
            await office.fates()
            for folder in ("Erledigt", "Für Menschen", "INBOX"):
                await until(lambda name=folder: len(inbox.shown(name)) == 1, inbox.shown)  # type: ignore[misc]
        await rejected(office)
        async with office.open():
            await until(lambda: len(inbox.shown("Erledigt")) == 2, lambda: inbox.shown("Erledigt"))
        assert inbox.shown("Für Menschen") == {}
        assert list(inbox.shown().values()) == [{"$Triaged"}], "what is ignored stays unread and where it was"


async def test_a_maildir_shows_it_too_and_its_door_is_known_to_the_store(office: Office, tmp_path: Path) -> None:
    office.house.change("triaged.toml", 'kind = "lmtp"', 'kind = "maildir"\npath = "in"')
    office.house.change("triaged.toml", 'listen = "127.0.0.1:0"\n', "")
    async with office.open():
        for kind in KINDS:
            mailbox.Maildir(tmp_path / "in").add(office.house.letter(kind).raw)

        def letters() -> list[str]:
            return sorted(file.name.partition(":2,")[2] for file in (tmp_path / "in" / "cur").iterdir())

        await until(lambda: letters() == ["", "", "RS"], letters)
        store = office.daemon.store
        door = store.read_now(lambda session: doors.every(session, store.vault))["support"]
        assert (door.state, door.failures) == (DoorState.WAITING, 0)
        assert door.detail == f"watching {tmp_path / 'in'}"
    closed = store.read_now(lambda session: doors.every(session, store.vault))["support"]
    assert closed.state == DoorState.STOPPED
