"""The Sent folder is read by UID, in batches, from where it was left, whatever the server leaves out."""

from typing import Any

import pytest
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from daemon.inbound import sent
from daemon.inbound.sent import Batch, read
from daemon.store.position import FolderCursor


class Server:
    """As much of an IMAP client as is asked for."""

    def __init__(self, *uids: int, uidvalidity: int = 7, uidnext: int | None = None) -> None:
        self.uids, self.uidvalidity = list(uids), uidvalidity
        self.uidnext = uidnext if uidnext is not None else max(uids, default=0) + 1
        self.error: Exception | None = None
        self.exists = True
        self.fetched: list[int] = []

    def select_folder(self, folder: str, *, readonly: bool) -> dict[bytes, int]:
        assert readonly
        if self.error:
            raise self.error
        return {b"UIDVALIDITY": self.uidvalidity} | ({b"UIDNEXT": self.uidnext} if self.uidnext else {})

    def folder_exists(self, folder: str) -> bool:
        return self.exists

    def search(self, criteria: list[str]) -> list[int]:
        if criteria == ["UID", "*"]:
            return self.uids[-1:]
        if ":" not in criteria[1]:
            return [uid for uid in self.uids if uid == int(criteria[1])]
        first = int(criteria[1].partition(":")[0])
        return [uid for uid in self.uids if uid >= first] or self.uids[-1:]  # RFC 3501: `n:*` names the last one

    def fetch(self, uids: list[int], items: list[str]) -> dict[int, dict[bytes, Any]]:
        self.fetched += uids
        return {uid: {b"BODY[HEADER.FIELDS (Message-ID)]": b"Message-ID: <%d>" % uid} for uid in uids if uid != 666}


def look(server: Server, last: int | None = None, *, back: bool = False, uidvalidity: int = 7) -> Batch | None:
    known = None
    if last is not None:
        known = FolderCursor(uidvalidity=uidvalidity, last_uid=last, since=None, caught_up_at=None, modseq=None)
    return read(server, "Sent", known, back=back)


def test_only_what_is_new_is_fetched() -> None:
    server = Server(1, 2, 5, 9)
    assert look(server, 2) == Batch(uidvalidity=7, last_uid=9, headers=(b"Message-ID: <5>", b"Message-ID: <9>"))
    assert server.fetched == [5, 9]
    assert look(server, 9) == Batch(uidvalidity=7, last_uid=9)
    assert server.fetched == [5, 9], "the last mail is not fetched again"


def test_a_uidnext_that_lags_behind_hides_nothing() -> None:
    server = Server(100, 101, uidnext=101)
    assert look(server, 100) == Batch(uidvalidity=7, last_uid=101, headers=(b"Message-ID: <101>",))
    assert look(server, 101) == Batch(uidvalidity=7, last_uid=101)
    assert server.fetched == [101]


def test_a_folder_that_was_put_back_from_a_backup_is_read_again() -> None:
    server = Server(*range(1, 61))
    found = look(server, 100)
    assert found is not None
    assert (found.last_uid, len(found.headers)) == (60, 60)


def test_what_is_gone_moves_the_cursor_all_the_same() -> None:
    assert look(Server(uidnext=10), 3) == Batch(uidvalidity=7, last_uid=9)
    assert look(Server(666), 3) == Batch(uidvalidity=7, last_uid=666)


def test_the_first_look_begins_at_the_end_or_goes_back() -> None:
    assert look(Server(1, 2)) == Batch(uidvalidity=7, last_uid=2)
    assert look(Server(1, 2), back=True) == Batch(
        uidvalidity=7, last_uid=2, headers=(b"Message-ID: <1>", b"Message-ID: <2>")
    )
    far = Server(1, 9000)
    look(far, back=True)
    assert far.fetched == [9000], "only so far"


def test_a_folder_that_was_made_anew_is_read_again() -> None:
    found = look(Server(1, 2, uidvalidity=8), 50)
    assert found is not None
    assert (found.uidvalidity, found.last_uid, len(found.headers)) == (8, 2, 2)


def test_a_long_backlog_comes_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent, "CHUNK", 2)
    first = look(Server(1, 2, 3), 0)
    assert first is not None
    assert (first.last_uid, first.more) == (2, True)
    second = look(Server(1, 2, 3), 2)
    assert second is not None
    assert (second.last_uid, second.more) == (3, False)


def test_a_server_that_does_not_tell_what_comes_next_is_asked() -> None:
    assert look(Server(4, 6, uidnext=0)) == Batch(uidvalidity=7, last_uid=6)
    assert look(Server(uidnext=0), 0) == Batch(uidvalidity=7, last_uid=0)


def test_a_folder_that_does_not_exist_holds_nothing_and_other_faults_are_told() -> None:
    server = Server()
    server.error = IMAPClientError("no")
    with pytest.raises(IMAPClientError):
        look(server)
    server.exists = False
    assert look(server) is None
    server.error = IMAPClientAbortError("gone")
    server.exists = True
    with pytest.raises(IMAPClientAbortError):
        look(server)
