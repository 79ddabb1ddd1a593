"""What is asked of an IMAP server: about the newest mails of a folder only, and with nothing kept of its words."""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imapclient import IMAPClient

RECENT: Final = 2000
"""How far back a search by a header field looks, in UIDs: over a whole folder it takes seconds."""
_CODE = re.compile(r"\[[A-Z]+\]")


def first_recent(client: "IMAPClient") -> int:
    """The UID from which to search the selected folder; by its last mail, since UIDNEXT may lag or be left out.

    Raises:
        OSError, IMAPClientError: the connection is lost, or the server refuses.
    """
    return max(1, max(client.search(["UID", "*"]), default=0) - RECENT)


def by_message_id(client: "IMAPClient", first: int, message_id: str) -> list[int]:
    """UIDs of the mails with that Message-ID, from UID `first` on; none for one that no server could be asked for.

    Raises:
        OSError, IMAPClientError: the connection is lost, or the server refuses.
    """
    if not (message_id.isascii() and message_id.isprintable()):
        return []
    return list(client.search(["UID", f"{first}:*", "HEADER", "Message-ID", f"<{message_id}>"]))


def response_code(error: Exception) -> str:
    """` [NOPERM]` or nothing: all of an answer that may be logged (RFC 5530), since its text may quote mail."""
    code = _CODE.search(str(error))
    return f" {code[0]}" if code else ""
