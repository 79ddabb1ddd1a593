"""Looks at the machine: its clock, the disk that the store lies on, and the DNS where signatures are verified here."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from daemon.doctor.finding import Finding, away, fault, ok, warn
from daemon.inbound.resolver import KeyResolver

_BUILT = datetime(2026, 11, 1, tzinfo=UTC)
"""No right clock shows less: this code is younger."""
_AHEAD = timedelta(minutes=5)
_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""Touched by systemd-timesyncd once the clock was set by a time server."""
_SCARCE, _GONE = 1_000_000_000, 100_000_000
"""Octets."""
_GIGA = 1_000_000_000


def clock(now: datetime, newest: datetime | None, *, synchronised: Path = _SYNCHRONISED) -> Finding:
    """Whether the clock can be right: `max_age`, deadlines, limits and expiring signatures rest on it.

    Args:
        now: what it shows.
        newest: when the store was last written, by the clock of then.
        synchronised: the file that says that it was set.
    """
    do = "Set it, and let a time server keep it: timedatectl set-ntp true."
    if now < _BUILT:
        return fault("clock", f"The clock shows {now:%Y-%m-%d %H:%M} UTC, which is past.", do)
    if newest is not None and newest > now + _AHEAD:
        told = f"The clock shows {now:%Y-%m-%d %H:%M} UTC, and the store was written at {newest:%Y-%m-%d %H:%M} UTC."
        return fault("clock", told, do)
    kept = ", set by a time server" if synchronised.exists() else ""
    return ok("clock", f"The clock shows {now:%Y-%m-%d %H:%M} UTC{kept}.")


def disk(path: Path) -> Finding:
    """Whether there is room where files are written."""
    free = shutil.disk_usage(path).free
    told = f"{free / _GIGA:.1f} GB are free in {path}."
    if free < _GONE:
        return fault("disk", told, "Make room: nothing can be taken in when it is full.")
    return warn("disk", told, "Make room before it is full.") if free < _SCARCE else ok("disk", told)


async def dns(domain: str, keys: KeyResolver) -> Finding:
    """Whether the DNS answers; any answer will do.

    Args:
        domain: ours, asked for its DKIM policy, which hardly anybody has.
        keys: asks the servers that the daemon asks.
    """
    name = f"_domainkey.{domain}"
    problem = (await keys.look_up([name]))[name].problem
    if problem:
        return away("dns", f"Signatures can't be verified: {problem}.", "Check /etc/resolv.conf.")
    return ok("dns", "The DNS answers, so that signatures can be verified.")
