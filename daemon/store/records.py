"""Audit entries: written in the transaction that they tell about (promise P12); the sealer links them later."""

import json
from datetime import datetime

from sqlmodel import Session

from daemon.store.tables import Record


def write(
    session: Session,
    kind: str,
    *,
    at: datetime,
    actor: str,
    message: str | None = None,
    draft: str | None = None,
    person: str | None = None,
    **facts: str | int | bool | None,
) -> None:
    """Add an entry.

    Args:
        session: the transaction that it belongs to.
        kind: what happened, from a closed list: received, ignored, handled, held, approved, edited, rejected, …
        at: when.
        actor: `daemon`, or the OS user.
        message: id of the message.
        draft: id of the draft.
        person: id of the person whose data it concerns.
        facts: ids, states, reasons and counts only; nothing that a person wrote.
    """
    session.add(
        Record(
            at=at,
            kind=kind,
            actor=actor,
            message_id=message,
            draft_id=draft,
            person_id=person,
            facts=json.dumps(facts, sort_keys=True, separators=(",", ":")),
        )
    )
