"""Which mails a mailbox does not show as it should, on both engines."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlmodel import Session

from daemon.store import filing
from daemon.store.engine import Store
from daemon.store.filing import Done, Lying, Shown
from daemon.store.position import Position
from daemon.store.queue import Queue
from daemon.store.tables import Mail
from tests.fixtures.mails import Desk, incoming

on_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    queue = Queue(store)
    yield Desk(store=store, queue=queue)
    queue.close()


def at(uid: int, folder: str = "INBOX") -> Position:
    return Position(folder=folder, uidvalidity=7, uid=uid)


def unfiled(desk: Desk, **wanted: str | int) -> list[Lying]:
    return desk.store.read_now(lambda session: filing.unfiled(session, "support", **wanted))  # type: ignore[arg-type]


def settle(desk: Desk, *done: Done) -> None:
    desk.store.write_now(lambda session: filing.settle(session, done))


def change(desk: Desk, message: str, **values: object) -> None:
    def work(session: Session) -> None:
        mail = session.get_one(Mail, message)
        for name, value in values.items():
            setattr(mail, name, value)
        session.add(mail)

    desk.store.write_now(work)


def test_each_state_is_found_until_it_is_shown_and_then_no_more(desk: Desk) -> None:
    message = desk.take(incoming(position=at(1))).message
    for state, outcome, shown in [
        ("screened", None, Shown.TAKEN),
        ("held", None, Shown.HELD),
        ("approved", None, Shown.TAKEN),
        ("done", "sent", Shown.ANSWERED),
        ("held", None, Shown.HELD),
        ("done", "rejected", Shown.READ),
        ("done", "ignored", Shown.IGNORED),
    ]:
        change(desk, message, state=state, outcome=outcome)
        (mail,) = unfiled(desk)
        assert (mail.message, mail.wanted, mail.uid) == (message, shown, 1)
        settle(desk, Done(mail=mail))
        assert unfiled(desk) == []


@on_sqlite
def test_mail_that_lies_in_no_mailbox_of_ours_and_mail_of_another_mailbox_is_not_looked_for(desk: Desk) -> None:
    desk.take(incoming())
    desk.take(incoming(position=at(1), mailbox="sales"))
    assert unfiled(desk) == []


@on_sqlite
def test_batches_go_on_behind_the_last(desk: Desk) -> None:
    ids = sorted(desk.take(incoming(position=at(number))).message for number in range(1, 6))
    first = unfiled(desk, limit=3)
    assert [mail.message for mail in first] == ids[:3]
    assert [mail.message for mail in unfiled(desk, after=first[-1].message, limit=3)] == ids[3:]


@on_sqlite
def test_a_move_is_kept_with_the_new_place(desk: Desk) -> None:
    message = desk.take(incoming(position=at(1))).message
    (mail,) = unfiled(desk)
    settle(desk, Done(mail=mail, moved=True, to=at(40, "Held")))
    row = desk.mail(message)
    assert (row.folder, row.uid, row.filed) == ("Held", 40, "taken")


def test_a_mail_that_a_person_moved_is_left_alone_until_it_comes_back(desk: Desk) -> None:
    message = desk.take(incoming(digest="same", position=at(1))).message
    settle(desk, Done(mail=unfiled(desk)[0]))
    change(desk, message, state="held")
    settle(desk, Done(mail=unfiled(desk)[0], missing=True))
    assert unfiled(desk) == []
    assert desk.mail(message).folder is None
    desk.take(incoming(digest="same", position=at(9)))
    assert [(mail.wanted, mail.uid) for mail in unfiled(desk)] == [(Shown.HELD, 9)]


def test_a_place_that_the_reader_renewed_meanwhile_stays(desk: Desk) -> None:
    message = desk.take(incoming(digest="same", position=at(1))).message
    (mail,) = unfiled(desk)
    desk.take(incoming(digest="same", position=at(9)))
    settle(desk, Done(mail=mail, missing=True))
    assert (desk.mail(message).folder, desk.mail(message).uid) == ("INBOX", 9)


def test_a_folder_that_a_rule_named_meanwhile_is_not_forgotten(desk: Desk) -> None:
    message = desk.take(incoming(position=at(1))).message
    (mail,) = unfiled(desk)
    change(desk, message, move_to="Invoices", filed=None)
    settle(desk, Done(mail=mail))
    assert [each.move_to for each in unfiled(desk)] == ["Invoices"]
    settle(desk, Done(mail=replace(mail, move_to="Invoices")))
    assert unfiled(desk) == []


@on_sqlite
def test_message_ids_are_told_of_those_that_have_one(desk: Desk) -> None:
    message = desk.take(incoming(message_id="one@example.com")).message
    found = desk.store.read_now(lambda session: filing.message_ids(session, desk.store.vault, [message, "unknown"]))
    assert found == {message: "one@example.com"}


@on_sqlite
def test_only_what_is_wrong_is_looked_at(desk: Desk) -> None:
    """Else each look would cost as much as the mailbox has mails."""
    from sqlalchemy import event

    seen: list[str] = []
    engine = desk.store.reader
    event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    unfiled(desk)
    (query,) = [each for each in seen if "UNION" in each]
    with engine.connect() as connection:
        marks = query.count("?")
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", tuple(["x"] * marks)).fetchall()
    steps = [row[3] for row in plan if "messages" in row[3]]
    assert len(steps) > 20
    assert all("USING INDEX ix_messages_filed (mailbox=? AND filed=?" in step for step in steps[1:]), steps


@on_sqlite
def test_the_folder_that_a_rule_names_is_kept_in_the_transaction_that_ends_the_turn(desk: Desk) -> None:
    message = desk.take(incoming(position=at(1))).message
    settle(desk, Done(mail=unfiled(desk)[0]))
    claimed = desk.claim(desk.mail(message).conversation_id)
    assert claimed is not None
    desk.finish(claimed, outcome="ignore", move="Invoices")
    assert [(mail.wanted, mail.move_to) for mail in unfiled(desk)] == [(Shown.IGNORED, "Invoices")]
