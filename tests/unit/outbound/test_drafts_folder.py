"""A draft is found by its exact mark and taken away by its UID, also on a server that can do little."""

from typing import Any

import pytest
from imapclient.exceptions import IMAPClientError

from daemon.outbound.drafts_folder import find, remove
from daemon.store.placing import Placed


class Server:
    """As much of an IMAP client as is asked for."""

    def __init__(self, drafts: dict[int, str], *, uidplus: bool = True, uidvalidity: int = 7) -> None:
        self.drafts, self.uidplus, self.uidvalidity = drafts, uidplus, uidvalidity
        self.exists = True
        self.done: list[tuple[str, object]] = []

    def select_folder(self, folder: str, *, readonly: bool = False) -> dict[bytes, int]:
        if not self.exists:
            raise IMAPClientError("no such folder")
        return {b"UIDVALIDITY": self.uidvalidity}

    def folder_exists(self, folder: str) -> bool:
        return self.exists

    def create_folder(self, folder: str) -> None:
        self.done.append(("create", folder))

    def subscribe_folder(self, folder: str) -> None:
        self.done.append(("subscribe", folder))

    def search(self, criteria: list[str]) -> list[int]:
        if criteria == ["UID", "*"]:
            return [max(self.drafts)] if self.drafts else []
        first = int(criteria[1].partition(":")[0])
        return [uid for uid, token in self.drafts.items() if uid >= first and criteria[-1] in token]

    def fetch(self, uids: list[int], items: list[str]) -> dict[int, dict[bytes, Any]]:
        field = b"BODY[HEADER.FIELDS (X-TRIAGED-DRAFT)]"
        return {uid: {field: f"X-Triaged-Draft: {self.drafts[uid]}\r\n\r\n".encode()} for uid in uids}

    def has_capability(self, name: str) -> bool:
        return name == "UIDPLUS" and self.uidplus

    def add_flags(self, uids: list[int], flags: list[bytes], *, silent: bool) -> None:
        self.done.append(("flag", (tuple(uids), *flags)))

    def uid_expunge(self, uids: list[int]) -> None:
        self.done.append(("expunge", tuple(uids)))


def place(uid: int, uidvalidity: int = 7) -> Placed:
    return Placed(draft="abc", revision=1, uidvalidity=uidvalidity, uid=uid)


def test_a_mark_that_holds_another_is_not_taken_for_it() -> None:
    server = Server({3: "abc.12", 5: "abc.1"})
    assert find(server, "Drafts", "abc.1") == (7, 5)
    assert find(server, "Drafts", "abc.2") is None
    assert find(Server({}), "Drafts", "abc.1") is None


def test_only_the_newest_are_searched() -> None:
    assert find(Server({3: "abc.1", 9000: "x.1"}), "Drafts", "abc.1") is None


def test_a_folder_that_does_not_exist_is_made() -> None:
    server = Server({})
    server.exists = False
    assert find(server, "Drafts", "abc.1") is None
    assert server.done == [("create", "Drafts"), ("subscribe", "Drafts")]
    remove(server, "Drafts", [place(1)])


@pytest.mark.parametrize("uidplus", [True, False])
def test_nothing_is_expunged_but_by_uid(*, uidplus: bool) -> None:
    server = Server({5: "abc.1"}, uidplus=uidplus)
    remove(server, "Drafts", [place(5), place(6, uidvalidity=8)])
    assert server.done == [("flag", ((5,), b"\\Deleted")), *([("expunge", (5,))] if uidplus else [])]


def test_in_a_folder_that_was_made_anew_a_draft_of_ours_is_found_by_its_mark() -> None:
    server = Server({5: "other", 8: "abc.1"}, uidvalidity=9)
    remove(server, "Drafts", [place(5)])
    assert server.done == [("flag", ((8,), b"\\Deleted")), ("expunge", (8,))]


def test_in_a_folder_that_was_made_anew_nothing_of_others_is_touched() -> None:
    server = Server({5: "other"}, uidvalidity=9)
    remove(server, "Drafts", [place(5)])
    assert server.done == []
