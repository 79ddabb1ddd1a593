"""A person logs in on another device while we wait (RFC 8628)."""

import time
from collections.abc import Callable
from typing import Any, Final

from daemon.errors import NotPossible, OAuthRefused, Unreachable
from daemon.oauth.client import DeviceCode

SLOWER: Final = 5.0
"""Seconds that each `slow_down` adds (RFC 8628 section 3.5)."""
_LONGEST = 60.0
_DECLINED = frozenset({"access_denied", "authorization_declined"})


def wait(
    code: DeviceCode,
    ask: Callable[[DeviceCode], dict[str, Any]],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Ask until the person has logged in, as often as the provider allows.

    Args:
        code: what the person was told.
        ask: one question; `daemon.oauth.client.Client.token_for_device`.
        sleep: waits for so many seconds.
        clock: seconds, from any start.

    Returns:
        The answer of the token endpoint.

    Raises:
        NotPossible: the person declined, or did nothing until the code ended.
        OAuthRefused: the provider refuses for another reason.
        Unreachable: the provider could not be reached until the code ended.
    """
    interval, until = code.interval, clock() + code.lifetime
    lost: Unreachable | None = None
    while clock() + interval < until:
        sleep(interval)
        try:
            return ask(code)
        except OAuthRefused as error:
            lost = None
            interval += _pause(error)
        except Unreachable as error:
            lost = error
            interval = min(interval * 2, _LONGEST)  # RFC 8628 section 3.5
    raise lost or NotPossible(_ENDED)


_ENDED = "Nobody logged in before the code ended. Nothing was changed; run the command again for a new code."


def _pause(error: OAuthRefused) -> float:
    """By how much to slow down.

    Raises:
        NotPossible: there is nothing to wait for.
    """
    if error.code == "authorization_pending":
        return 0.0
    if error.code == "slow_down":
        return SLOWER
    if error.code == "expired_token":
        raise NotPossible(_ENDED) from error
    if error.code in _DECLINED:
        raise NotPossible("The login was declined at the provider. Nothing was changed.") from error
    raise error
