"""Decides from where a folder is read: pure, so that what is lost and what is read twice can be proven.

A cursor (UIDVALIDITY, last UID) is enough while a folder keeps its UIDs (RFC 3501 section 2.3.1.1). Two things break
it: the folder was made anew (another UIDVALIDITY), or put back from a backup (the same one, but UIDNEXT or
HIGHESTMODSEQ is lower than it was: that is all that CONDSTORE, RFC 7162, is used for, since we read no flags). Then the
folder is read again, and dedupe by content recognises what is stored. The rest is new, or from before our time:

- Everything that lay in the folder at `caught_up_at` was committed then. So what we miss came later, and its
  INTERNALDATE is not before that, except for mail that somebody moved here meanwhile: that is what the week is for.
- Nothing from before `since`, the moment of the first start with `since = "now"`, was ever ours.
- A folder filled anew by delivery has INTERNALDATEs of today throughout; there the Date field tells old mail.

So mail older than the later of both is left where it is, unread; `since = "all"` has only the first bound. The cursor
moves to the new UIDs once that is done, never before: a reading that is cut off begins again.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from daemon.store.position import FolderCursor

MARGIN = timedelta(days=7)
"""How much older than the last look a mail may be that was moved into the folder since."""
CLOCKS = timedelta(minutes=5)
"""How far the server's clock, which writes INTERNALDATE in whole seconds, may be from ours."""
_ZONES = timedelta(days=1)
"""IMAP compares dates in the server's zone, whichever that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What the server says of a folder that is selected."""

    uidvalidity: int
    uidnext: int
    exists: int = 0
    """Number of mails."""
    modseq: int | None = None
    """HIGHESTMODSEQ; None: the server keeps none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Nobody has read here: commit where to begin."""

    after: int | None
    """The last UID that is not read; None: it has to be searched for by `since`."""
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoOn:
    """Read what lies behind the last UID."""

    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAgain:
    """The UIDs mean other mail now: read again what is not older than that."""

    floor: datetime | None
    """None: everything."""


def plan(
    known: FolderCursor | None, selected: Selected, *, since: Literal["now", "all"] | date, now: datetime
) -> Begin | GoOn | ReadAgain:
    """From where to read.

    Args:
        known: the cursor as committed; None: the folder was never read.
        selected: what the server says now.
        since: what the operator wants of the first run.
        now: aware.
    """
    if known is None:
        if since == "all":
            return Begin(after=0, since=None)
        if since == "now":
            return Begin(after=selected.uidnext - 1, since=now - CLOCKS)
        return Begin(after=None, since=datetime.combine(since, time(), UTC) - _ZONES)
    if known.uidvalidity != selected.uidvalidity or put_back(known, selected):
        return ReadAgain(floor=_floor(known))
    return GoOn(after=known.last_uid)


def put_back(known: FolderCursor, selected: Selected) -> bool:
    """Whether the folder is an older state of itself: both numbers only grow while its UIDVALIDITY stays."""
    if known.uidvalidity != selected.uidvalidity:
        return False
    if selected.uidnext <= known.last_uid:
        return True
    return known.modseq is not None and selected.modseq is not None and selected.modseq < known.modseq


def old(floor: datetime | None, received: datetime, written: datetime | None) -> bool:
    """Whether a mail is from before our time, by INTERNALDATE or by its own Date field."""
    if floor is None:
        return False
    return received < floor or (written is not None and written < floor)


def _floor(known: FolderCursor) -> datetime | None:
    bounds = [known.since, known.caught_up_at - MARGIN if known.caught_up_at else None]
    return max((bound for bound in bounds if bound is not None), default=None)
