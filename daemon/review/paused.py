"""Pauses and resumes sending, closes the breaker, with an audit entry; what waited is enqueued again."""

from datetime import datetime

from sqlmodel import Session, col, select

from daemon.config import Config
from daemon.errors import NotFound
from daemon.gate.verdict import Reason
from daemon.store import breaker, drafts, records, switches
from daemon.store.queue import Queue
from daemon.store.seal import Vault
from daemon.store.tables import Delivery, Draft
from tools.located import unknown


def switch_name(config: Config, *, mailbox: str | None, handler: str | None) -> str:
    """The switch of a mailbox, a handler, or everything.

    Raises:
        NotFound: there is no such mailbox or handler.
    """
    if mailbox is not None and mailbox not in config.mailbox:
        raise NotFound(unknown(mailbox, config.mailbox, "mailbox"))
    folder = config.directory / "handlers"
    handlers = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    if handler is not None and handler not in handlers:
        raise NotFound(unknown(handler, handlers, "handler"))
    return switches.name(mailbox=mailbox, handler=handler)


def told(switch: str) -> str:
    """What a switch turns off, for people."""
    if switch == switches.BREAKER:
        return "the breaker"
    kind, _, name = switch.removeprefix("pause:").partition(":")
    return f"{kind} {name}" if name else "everything"


def state(switch: str) -> str:
    """How a switch that is off is called."""
    return "open" if switch == switches.BREAKER else "paused"


def ended_by(switch: str) -> str:
    """The command that turns a switch on again."""
    if switch == switches.BREAKER:
        return "triaged resume breaker"
    kind, _, name = switch.removeprefix("pause:").partition(":")
    return f"triaged resume --{kind} {name}" if name else "triaged resume"


def pause(session: Session, vault: Vault, name: str, *, by: str, reason: str, now: datetime) -> bool:
    """Pause; False when it was paused already."""
    if not switches.turn_off(session, vault, name, by=by, reason=reason, now=now):
        return False
    records.write(session, "paused", at=now, actor=by, switch=name)
    return True


def still_held(session: Session, name: str) -> int:
    """Drafts that were made while the switch was off, and held for that: a person decides on them."""
    main = (Reason.PAUSED.value, Reason.BREAKER.value)
    rows = session.exec(select(Draft).where(col(Draft.state) == "held"))
    return sum(row.reasons.split(",")[0] in main and switches.concerns(name, row.mailbox, row.handler) for row in rows)


def resume(session: Session, queue: Queue, name: str, *, by: str, now: datetime) -> int | None:
    """Resume, and enqueue what waits; how many replies, or None when it was not off."""
    was_off = breaker.close(session) if name == switches.BREAKER else switches.turn_on(session, name)
    if not was_off:
        return None
    records.write(session, "resumed", at=now, actor=by, switch=name)
    query = (
        select(Delivery, Draft)
        .join(Draft, col(Draft.id) == col(Delivery.draft_id))
        .where(col(Delivery.state).in_(("approved", "applying", "ready")))
    )
    waiting = [pair for pair in session.exec(query) if switches.concerns(name, pair[1].mailbox, pair[1].handler)]
    for delivery, draft in waiting:
        # a grace period or a server's "not now" goes on; a pause shortens neither
        delay = max(0.0, (delivery.next_try - now).total_seconds()) if delivery.next_try else 0.0
        drafts.enqueue_delivery(session, queue, delivery, delay=delay, priority=draft.priority)
    return len(waiting)
