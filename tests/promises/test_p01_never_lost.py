"""P1: a mail counts as taken only after it is committed; until then it is the server's, and comes again."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from sqlmodel import Session

from daemon.errors import StoreBusy
from daemon.store import ingest
from daemon.store.engine import Store
from daemon.store.position import Position
from daemon.store.tables import Cursor, Mail
from tests.fixtures.mails import NOW, Desk, incoming
from tests.fixtures.office import Office

_AT_COMMIT = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION full_disk()
"""


@contextmanager
def full_disk(store: Store) -> Iterator[None]:
    """No mail can be committed: SQLite may not grow, PostgreSQL fails at the last moment."""
    if store.sqlite:
        _run(store, "PRAGMA max_page_count = 1")  # which means: not above what it has
        yield
        _run(store, "PRAGMA max_page_count = 1000000")
    else:
        _run(store, _AT_COMMIT)
        yield
        _run(store, "DROP TRIGGER full_disk ON messages")


def _run(store: Store, statement: str) -> None:
    with store.writer.begin() as connection:
        connection.exec_driver_sql(statement)


def at(uid: int) -> Position:
    return Position(folder="INBOX", uidvalidity=7, uid=uid)


def test_mail_and_cursor_are_committed_together_or_not_at_all(desk: Desk) -> None:
    desk.take(incoming(position=at(3)))
    with full_disk(desk.store), pytest.raises(StoreBusy):
        desk.take(replace(incoming(position=at(4)), raw=bytes(100_000)))
    assert (len(desk.rows(Mail)), [row.last_uid for row in desk.rows(Cursor)]) == (1, [3])
    desk.take(incoming(position=at(4)))
    assert (len(desk.rows(Mail)), [row.last_uid for row in desk.rows(Cursor)]) == (2, [4])


def test_a_process_that_dies_before_the_commit_has_moved_no_cursor(desk: Desk) -> None:
    def killed(session: Session) -> None:
        ingest.ingest(
            session, desk.store.vault, desk.queue, incoming(position=at(1)), now=NOW, debounce=0, most=desk.most
        )
        session.flush()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.store.write_now(killed)
    assert (desk.rows(Mail), desk.rows(Cursor)) == ([], [])


def test_a_mail_that_comes_twice_moves_the_cursor_and_is_one_mail(desk: Desk) -> None:
    first = desk.take(incoming(message_id="1@example.com", digest="d", position=at(1)))
    again = desk.take(incoming(message_id="1@example.com", digest="d", position=at(2)))
    assert (again.duplicate, again.message) == (True, first.message)
    assert [row.last_uid for row in desk.rows(Cursor)] == [2]


async def test_a_mail_server_hears_451_while_the_store_can_not_commit_and_250_after_that(office: Office) -> None:
    letter = office.house.letter("status")
    raw = letter.raw + b"x" * 100_000
    async with office.open():
        with full_disk(office.daemon.store):
            assert await office.hand_in(raw) == 451
            assert await office.hand_in(raw) == 451
            assert office.house.mails() == []
        assert await office.hand_in(raw) == 250
        (fate,) = await office.fates()
    assert (fate.rows, fate.outcome, fate.mails) == (1, "sent", 1)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_no_250_is_said_before_the_commit(office: Office) -> None:
    letter = office.house.letter("status")
    async with office.open():
        with writers_locked_out(office):
            answer = asyncio.ensure_future(office.hand_in(letter.raw))
            done, _ = await asyncio.wait([answer], timeout=0.5)
            assert not done
            assert office.house.mails() == []
        assert await answer == 250
        assert len(office.house.mails()) == 1


@contextmanager
def writers_locked_out(office: Office) -> Iterator[None]:
    """Another program holds the store's lock."""
    with closing(sqlite3.connect(office.house.directory / "triaged.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
