"""Keeps every login in use, and tells a week before one ends that a person has to log in again."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from daemon.errors import LoginRefused, Unreachable
from daemon.oauth.grant import Grant

log = structlog.get_logger()

EVERY: Final = 3600.0
"""Seconds between two looks."""
SOON: Final = timedelta(days=7)
_DAILY = timedelta(hours=23, minutes=30)
Tell = Callable[[str, datetime | None], None]
"""Gets a mailbox and when its login ends; None: not known, or it is put off by itself."""


def soon(ends: datetime | None, now: datetime) -> bool:
    """Whether a login ends within a week, or has ended."""
    return ends is not None and ends - now <= SOON


_FAR = 32503680000.0
"""The year 3000, as seconds since 1970: a provider may name any number."""


async def watch(
    grants: Mapping[str, Grant], tell: Tell, *, clock: Callable[[], datetime], every: float = EVERY
) -> None:
    """Look after the logins, for ever.

    Args:
        grants: by mailbox.
        tell: called for each mailbox at each look that could be had.
        clock: aware, UTC.
        every: seconds between two looks.
    """
    warned: dict[str, datetime] = {}
    while True:
        for mailbox, grant in grants.items():
            try:
                ends = await grant.ends()
            except LoginRefused:
                log.warning("oauth.login-refused", mailbox=mailbox, do=f"triaged login {mailbox}")
                continue
            except Unreachable:
                continue  # the door says so, if the token ends before the provider is back
            except Exception as error:
                log.exception("oauth.watch-failed", mailbox=mailbox, error=type(error).__name__)
                continue
            at = datetime.fromtimestamp(min(ends, _FAR), UTC) if ends is not None else None
            tell(mailbox, at)
            now = clock()
            due = mailbox not in warned or now - warned[mailbox] >= _DAILY
            if due and soon(at, now):
                warned[mailbox] = now
                log.warning("oauth.login-ends", mailbox=mailbox, at=str(at), do=f"triaged login {mailbox}")
        await asyncio.sleep(every)
