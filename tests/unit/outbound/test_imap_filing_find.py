"""Mails are looked for by Message-IDs that any server can be asked for."""

from typing import Any

from daemon.outbound.imap_filing import find
from daemon.store.position import Position


class Server:
    """A folder with one mail."""

    def folder_exists(self, folder: str) -> bool:
        return folder == "Done"

    def select_folder(self, folder: str, *, readonly: bool) -> dict[bytes, int]:
        assert (folder, readonly) == ("Done", True)
        return {b"UIDVALIDITY": 7}

    def search(self, criteria: list[str]) -> list[int]:
        if criteria == ["UID", "*"]:
            return [3]
        criteria[-1].encode("ascii")
        return [3] if criteria[-1] == "<1@example.com>" else []


def test_a_message_id_that_no_server_could_be_asked_for_keeps_no_other_from_being_found() -> None:
    server: Any = Server()
    found = find(server, "Done", ["ü@evil.example", "a\nb@evil.example", "1@example.com"])
    assert found == {"1@example.com": Position(folder="Done", uidvalidity=7, uid=3)}
