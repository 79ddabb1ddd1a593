"""Where an IMAP mail stands, and how far its folder was read; committed with the mail (promise P1)."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a folder (RFC 3501 section 2.3.1.1)."""

    folder: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderCursor:
    """How far a folder was read, and what bounds a second reading of it (`daemon/inbound/imap_cursor.py`)."""

    uidvalidity: int
    last_uid: int
    """Every mail up to this UID is committed."""
    since: datetime | None = None
    """Mail from before this was never ours; None: all of it is."""
    caught_up_at: datetime | None = None
    """When everything that lay in the folder was committed, to the hour; None: not yet."""
    modseq: int | None = None
    """HIGHESTMODSEQ then (RFC 7162); None: the server keeps none."""
