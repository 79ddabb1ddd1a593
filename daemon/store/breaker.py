"""Turns sending off when more leaves, comes back or is refused than can be right: the second line of promise P3.

It stops the loop that no header shows. Each count slides with time and lies in the store, so that a restart changes
nothing; a person turns sending on again, and counting begins anew.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import structlog
from sqlalchemy import event
from sqlmodel import Session

from daemon.caps import BreakerConfig
from daemon.store import limits, records, switches
from daemon.store.limits import Charge
from daemon.store.seal import Vault

log = structlog.get_logger()
Counted = Literal["replies", "bounces", "refusals"]
_WINDOWS: dict[Counted, int] = {"replies": 600, "bounces": 3600, "refusals": 3600}
"""Seconds."""
_TOLD: dict[Counted, str] = {
    "replies": "more than {most} automatic replies within ten minutes",
    "bounces": "more than {most} of our mails came back within an hour",
    "refusals": "more than {most} of our mails were refused for good within an hour",
}
_SCOPE = "*"


def may_send(session: Session, vault: Vault, most: BreakerConfig, *, now: datetime) -> bool:
    """Whether one more automatic reply may leave; if not, sending is off when this transaction has ended.

    Until then nobody else is told yes: call `sending` in the same transaction.
    """
    charge = _charge("replies", most)
    if not limits.lacks_room(session, charge, now):
        return True
    _open(session, vault, "replies", most, now)
    return False


def sending(session: Session, most: BreakerConfig, *, now: datetime) -> None:
    """Count an automatic reply whose content is about to be sent."""
    limits.spend(session, _charge("replies", most), now)


def refused(session: Session, vault: Vault, most: BreakerConfig, *, now: datetime) -> None:
    """Count a mail of ours that a server refused for good."""
    _count(session, vault, "refusals", most, now)


def bounced(session: Session, vault: Vault, most: BreakerConfig, *, now: datetime) -> None:
    """Count a mail of ours that came back."""
    _count(session, vault, "bounces", most, now)


def close(session: Session) -> bool:
    """Turn sending on again and count from nothing; False when it was not off."""
    if not switches.turn_on(session, switches.BREAKER):
        return False
    for counted in _WINDOWS:
        limits.forget(session, _name(counted), _SCOPE)
    return True


def _count(session: Session, vault: Vault, counted: Counted, most: BreakerConfig, now: datetime) -> None:
    charge = _charge(counted, most)
    full = limits.lacks_room(session, charge, now)
    limits.spend(session, charge, now)
    if full:
        _open(session, vault, counted, most, now)


def _open(session: Session, vault: Vault, counted: Counted, most: BreakerConfig, now: datetime) -> None:
    number = getattr(most, counted)
    why = _TOLD[counted].format(most=number)
    if switches.turn_off(session, vault, switches.BREAKER, by="triaged", reason=why, now=now):
        records.write(session, "breaker-opened", at=now, actor="daemon", counted=counted, most=number)
        event.listen(session, "after_commit", _told(counted, number))


def _told(counted: Counted, number: int) -> Callable[[Session], None]:
    """Says it once it is true, and once in all: only the transaction that turned sending off does."""

    def tell(session: Session) -> None:
        if not session.in_nested_transaction():
            log.error("breaker.opened", counted=counted, most=number, ends_with="triaged resume breaker")

    return tell


def _charge(counted: Counted, most: BreakerConfig) -> Charge:
    return Charge(name=_name(counted), scope=_SCOPE, window=_WINDOWS[counted], most_count=getattr(most, counted))


def _name(counted: Counted) -> str:
    return f"breaker:{counted}"
