"""Counts what has happened, by the records: they are only ever added to, so that a restart begins where it ended."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session, col, select

from daemon.store.tables import Record

Tally = Counter[tuple[str, str]]
"""What happened and one more word about it (a mailbox, a reason) to how often."""
_KINDS = ("received", "ignored", "handled", "held", "given-up", "sent", "postponed", "moot", "breaker-opened")
_WORDS = ("mailbox", "outcome", "reason", "reasons", "automatic")
_SUMS = ("calls", "input_tokens", "output_tokens")


def settled(session: Session, after: int, before: datetime) -> int:
    """The newest record of `before` or earlier: no transaction will add one in front of it any more."""
    query = select(sa.func.max(col(Record.id))).where(col(Record.id) > after, col(Record.at) <= before)
    return session.exec(query).one() or after


def happened(session: Session, after: int, upto: int | None = None) -> Tally:
    """Count the records behind number `after`, up to number `upto`."""
    facts = _facts(session)
    words = [facts(word) for word in _WORDS]
    sums = [sa.func.sum(sa.cast(facts(name), sa.BigInteger)) for name in _SUMS]
    kind, number = col(Record.kind), col(Record.id)
    query = sa.select(kind, *words, sa.func.count(), *sums).where(number > after, kind.in_(_KINDS))
    if upto is not None:
        query = query.where(number <= upto)
    tally: Tally = Counter()
    for row in session.connection().execute(query.group_by(kind, *words)):
        what, values = row[0], dict(zip(_WORDS, row[1:6], strict=True))
        for event in _events(what, values):
            tally[event] += row[6]
        for name, total in zip(_SUMS, row[7:], strict=True):
            tally[name, ""] += int(total or 0)
    return tally


def _facts(session: Session) -> Any:
    """How the engine reads a value of the JSON in `facts`, as text."""
    if session.get_bind().dialect.name == "postgresql":
        return lambda name: sa.cast(col(Record.facts), JSONB)[name].astext
    return lambda name: sa.func.json_extract(col(Record.facts), f"$.{name}")


def _events(kind: str, facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a record tells, in the words of the metrics."""
    if kind in ("received", "ignored"):
        yield "received", facts["mailbox"] or ""
    if kind == "ignored":
        yield "ignored", facts["reason"]
    elif kind == "handled" and facts["outcome"] != "send":
        reason = (facts["reasons"] or "").partition(",")[0]
        yield "ignored" if facts["outcome"] == "ignore" else "held", reason
    elif kind in ("held", "given-up") and facts["reason"]:
        yield "held", facts["reason"].partition(",")[0]
    elif kind == "sent":
        yield "sent", "gate" if facts["automatic"] in (1, "true") else "person"
    elif kind in ("postponed", "breaker-opened"):
        yield kind, ""
