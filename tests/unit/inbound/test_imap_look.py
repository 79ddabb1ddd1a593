"""One look at a folder: what is asked of the server, and what is done with its answers."""

from datetime import timedelta

import pytest
from imapclient.exceptions import IMAPClientError

from daemon.inbound.imap_look import Memory, NotCommitted
from daemon.store.position import FolderCursor
from tests.fixtures.imap_reader import Intake
from tests.unit.inbound.imap_folder import START, Cut, Folder, look, read_all


def filled(count: int) -> Folder:
    folder = Folder()
    for number in range(1, count + 1):
        folder.add(f"s{number}")
    return folder


def searched(folder: Folder) -> list[str]:
    return [said[1] for command, said in folder.said if command == "search" and len(said) > 1]


def test_a_start_amid_old_mail_asks_for_nothing_but_what_came_since() -> None:
    folder, intake = Folder(uidnext=100_001), Intake()  # 100,000 old mails, whether they are there or not
    assert look(folder, intake, since="now").run(START)
    folder.add("new")
    read_all(lambda: look(folder, intake, since="now"))
    assert intake.subjects == ["new"]
    assert set(searched(folder)) == {"100001:*", "100002:*"}
    assert [said[0] for command, said in folder.said if command == "fetch"] == [[100_001], [100_001]]


def test_a_long_folder_is_searched_in_windows_and_named_in_chunks() -> None:
    """F2: servers refuse long lines; imaplib takes answers of a million octets at most."""
    folder, intake = filled(1300), Intake()
    folder.uidnext = 65_000
    read_all(lambda: look(folder, intake))
    assert len(intake.arrivals) == 1300
    assert searched(folder)[:3] == ["1:20000", "20001:40000", "40001:*"]
    assert max(len(said[0]) for command, said in folder.said if command == "fetch") == 500


def test_uids_that_begin_late_or_have_gaps_cost_few_searches() -> None:
    """Some servers give UIDs by the clock."""
    folder, intake = Folder(uidnext=1_700_000_000), Intake()
    folder.add("first")
    folder.uidnext = 1_790_000_000
    folder.add("last")
    read_all(lambda: look(folder, intake))
    assert intake.subjects == ["first", "last"]
    assert len(searched(folder)) < 120


def test_an_empty_folder_that_was_full_is_asked_for_nothing_that_needs_a_mail() -> None:
    folder, intake = Folder(uidnext=100_000), Intake()
    read_all(lambda: look(folder, intake))
    folder.told_uidnext = 0
    read_all(lambda: look(folder, intake))
    assert set(searched(folder)) == {"100000:*", "1:*"}


def test_the_last_mail_is_not_taken_for_a_new_one() -> None:
    """F3: `n:*` names the last mail even when it is below n."""
    folder, intake = filled(3), Intake()
    read_all(lambda: look(folder, intake))
    assert not look(folder, intake).run(START)
    assert folder.search(["UID", "4:*"]) == [3]
    assert intake.subjects == ["s1", "s2", "s3"]


def test_a_mail_without_a_body_is_gone_and_no_empty_mail() -> None:
    """F6: after another client's expunge Dovecot answers OK with NIL."""
    folder, intake = filled(3), Intake()
    del folder.mails[2]
    folder.expunged = {2}
    read_all(lambda: look(folder, intake))
    assert intake.subjects == ["s1", "s3"]


def test_small_mails_come_together_and_a_large_one_alone_and_in_part() -> None:
    folder, intake = filled(3), Intake()
    folder.mails[2] = folder.mails[2].__class__(raw=b"Subject: big\r\n\r\n" + b"x" * 200_000, received=START)
    read_all(lambda: look(folder, intake, max_size=150_000))
    assert [arrival.oversize for arrival in intake.arrivals] == [None, 200_016, None]
    assert len(intake.arrivals[1].raw) == 100_000
    asked = [said for command, said in folder.said if command == "fetch"]
    assert ([2], ["BODY.PEEK[]<0.100000>"]) in asked
    folder, intake = filled(120), Intake()
    read_all(lambda: look(folder, intake))
    assert [len(said[0]) for command, said in folder.said if command == "fetch"] == [120, 50, 50, 20]


def test_what_a_store_can_not_take_stays_before_the_cursor() -> None:
    folder, intake = filled(3), Intake()
    look(folder, intake).run(START)
    intake.refuse = 1
    with pytest.raises(NotCommitted):
        look(folder, intake).run(START)
    assert intake.at is not None
    assert intake.at.last_uid == 0
    read_all(lambda: look(folder, intake))
    assert intake.subjects == ["s1", "s2", "s3"]


def test_a_mail_that_the_server_never_gives_comes_as_its_header_and_those_behind_it_are_read() -> None:
    folder, intake, memory = filled(3), Intake(), Memory()
    folder.refused = {(2, "BODY.PEEK[]")}
    tries = 0
    while len(intake.arrivals) < 3:
        tries += 1
        try:
            look(folder, intake, memory).run(START)
        except IMAPClientError:
            continue
    assert tries > 5
    assert intake.subjects == ["s1", "s2", "s3"]
    assert [arrival.oversize is None for arrival in intake.arrivals] == [True, False, True]
    assert b"Hello" not in intake.arrivals[1].raw
    assert not memory.failed


def test_a_mail_of_which_the_server_gives_nothing_at_all_is_taken_in_by_its_place() -> None:
    folder, intake, memory = filled(2), Intake(), Memory()
    folder.refused = {(1, "BODY.PEEK[]"), (1, "BODY.PEEK[HEADER]")}
    for _ in range(30):
        try:
            look(folder, intake, memory).run(START)
        except IMAPClientError:
            continue
    assert intake.subjects == ["A mail that the server would not give: UIDVALIDITY 1, UID 1", "s2"]


def test_a_uidnext_that_is_told_too_low_does_not_make_us_read_again() -> None:
    folder, intake = filled(5), Intake()
    read_all(lambda: look(folder, intake))
    folder.told_uidnext = 3
    folder.said.clear()
    assert not look(folder, intake).run(START)
    assert [command for command, _ in folder.said] == ["select", "search", "search"]


def test_a_uidnext_that_is_not_told_is_found_by_the_last_mail() -> None:
    folder, intake = filled(5), Intake()
    folder.told_uidnext = 0
    look(folder, intake, since="now").run(START)
    assert intake.at is not None
    assert intake.at.last_uid == 5


def test_a_folder_without_lasting_uids_is_refused() -> None:
    folder = Folder(uidvalidity=0)
    with pytest.raises(IMAPClientError, match="UIDVALIDITY"):
        look(folder, Intake()).run(START)


@pytest.mark.parametrize(("days", "after"), [(0, 2), (1, 5), (-30, 0)])
def test_reading_since_a_date_begins_at_the_first_mail_of_that_day(days: int, after: int) -> None:
    folder, intake = filled(2), Intake()
    folder.mails = {
        uid: mail.__class__(raw=mail.raw, received=START - timedelta(days=9)) for uid, mail in folder.mails.items()
    }
    for _ in range(3):
        folder.add("later")
    look(folder, intake, since=(START + timedelta(days=days)).date()).run(START)
    assert intake.at is not None
    assert intake.at.last_uid == after


def test_that_nothing_is_left_is_committed_once_an_hour() -> None:
    folder, intake = filled(1), Intake()
    written: list[FolderCursor | None] = []
    for minutes in range(0, 130, 10):
        read_all(lambda: look(folder, intake), START + timedelta(minutes=minutes))
        written.append(intake.at)
    assert [each.caught_up_at - START for each in written if each and each.caught_up_at][::6] == [
        timedelta(hours=hours) for hours in (0, 1, 2)
    ]
    assert len({each.caught_up_at for each in written if each}) == 3


def test_a_folder_made_anew_is_read_from_where_it_was_read_to_again_when_the_connection_broke() -> None:
    folder, intake, memory = filled(1500), Intake(), Memory()
    read_all(lambda: look(folder, intake, memory))
    folder.uidvalidity = 2
    with pytest.raises(Cut):
        look(folder, intake, memory, cut_after=700).run(START)
    folder.said.clear()
    read_all(lambda: look(folder, intake, memory))
    assert searched(folder)[0] == "501:*"
    assert intake.at is not None
    assert (intake.at.uidvalidity, intake.at.last_uid) == (2, 1500)
    assert len(intake.arrivals) == 1500


def test_old_mail_in_a_folder_made_anew_is_told_by_internaldate_and_by_its_date_field() -> None:
    folder, intake = Folder(), Intake(at=FolderCursor(uidvalidity=9, last_uid=1, since=START))
    folder.add("new", received=START + timedelta(hours=1))
    folder.add("old by INTERNALDATE", received=START - timedelta(days=1))
    folder.add("old by its Date", received=START + timedelta(hours=1), written=START - timedelta(days=400))
    read_all(lambda: look(folder, intake, since="now"))
    assert intake.subjects == ["new"]
