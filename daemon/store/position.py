"""Where an IMAP mail stands; it is committed with the mail in one transaction (promise P1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a folder (RFC 3501 section 2.3.1.1)."""

    folder: str
    uidvalidity: int
    uid: int
    modseq: int | None = None
