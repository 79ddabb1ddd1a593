from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest

from daemon.errors import NotPossible, OAuthRefused, Unreachable
from daemon.oauth import device
from daemon.oauth.client import DeviceCode

CODE = DeviceCode(device_code="d", user_code="ABCD-EFGH", page="https://x.example", lifetime=900.0, interval=5.0)
TOKEN = {"access_token": "a"}


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def wait(self, *answers: Exception | dict[str, Any], lifetime: float = 900.0, last: Exception | None = None) -> Any:
        script: Iterator[Exception | dict[str, Any]] = iter(answers)
        forever = repeat(last) if last else iter(())

        def ask(_: DeviceCode) -> dict[str, Any]:
            answer = next(script, None) or next(forever)
            if isinstance(answer, Exception):
                raise answer
            return answer

        code = DeviceCode(device_code="d", user_code="u", page="p", lifetime=lifetime, interval=CODE.interval)
        return device.wait(code, ask, sleep=self.sleep, clock=lambda: self.now)


def refused(code: str) -> OAuthRefused:
    return OAuthRefused(code)


def test_the_provider_is_asked_at_the_interval_that_it_names_until_somebody_has_logged_in() -> None:
    time = Time()
    assert time.wait(refused("authorization_pending"), refused("authorization_pending"), TOKEN) == TOKEN
    assert time.slept == [5.0, 5.0, 5.0]


def test_slow_down_adds_five_seconds_for_good() -> None:
    time = Time()
    time.wait(refused("slow_down"), refused("authorization_pending"), refused("slow_down"), TOKEN)
    assert time.slept == [5.0, 10.0, 10.0, 15.0]


def test_a_network_that_is_away_is_asked_less_and_less_and_told_when_the_code_has_ended() -> None:
    time = Time()
    assert time.wait(Unreachable("away"), Unreachable("away"), TOKEN) == TOKEN
    assert time.slept == [5.0, 10.0, 20.0]
    with pytest.raises(Unreachable, match="away"):
        Time().wait(last=Unreachable("away"))


def test_a_code_that_ends_with_nobody_logged_in_changes_nothing() -> None:
    time = Time()
    with pytest.raises(NotPossible, match="Nobody logged in"):
        time.wait(last=refused("authorization_pending"), lifetime=60.0)
    assert time.now <= 60.0
    with pytest.raises(NotPossible, match="Nobody logged in"):
        Time().wait(refused("expired_token"))


@pytest.mark.parametrize("code", ["access_denied", "authorization_declined"])
def test_a_person_who_declines_ends_the_wait(code: str) -> None:
    with pytest.raises(NotPossible, match="declined"):
        Time().wait(refused("authorization_pending"), refused(code))


def test_what_the_provider_refuses_otherwise_is_told_at_once() -> None:
    with pytest.raises(OAuthRefused, match="invalid_client"):
        Time().wait(refused("invalid_client"))
