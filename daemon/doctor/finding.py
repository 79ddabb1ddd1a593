"""What `triaged doctor` found: one thing that was tried, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fault", "not tried"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried."""

    area: str
    """`store`, `mailbox support`, …"""
    level: Level
    """fault: the daemon can't do its work; warn: it can, and something is probably not as meant."""
    told: str
    """What was found, as a sentence."""
    do: str = ""
    """What to do, as a sentence; empty: nothing."""
    unreachable: bool = False
    """Something did not answer: it may later, and nothing may be wrong here."""


def ok(area: str, told: str) -> Finding:
    """It works."""
    return Finding(area=area, level="ok", told=told)


def warn(area: str, told: str, do: str) -> Finding:
    """It works, and somebody should look."""
    return Finding(area=area, level="warn", told=told, do=do)


def fault(area: str, told: str, do: str = "") -> Finding:
    """It does not work."""
    return Finding(area=area, level="fault", told=told, do=do)


def away(area: str, told: str, do: str = "") -> Finding:
    """It does not answer."""
    return Finding(area=area, level="fault", told=told, do=do, unreachable=True)


def untried(area: str, told: str) -> Finding:
    """Nobody knows."""
    return Finding(area=area, level="not tried", told=told)


def exit_code(findings: Iterable[Finding]) -> int:
    """0: no fault; 1: a fault that a person has to mend; 3: nothing but servers that don't answer."""
    faults = [finding for finding in findings if finding.level == "fault"]
    if not faults:
        return 0
    return 3 if all(finding.unreachable for finding in faults) else 1
