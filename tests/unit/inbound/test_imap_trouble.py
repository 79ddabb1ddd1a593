from daemon.errors import LoginRefused, Unreachable
from daemon.inbound.arrival import DoorState
from daemon.inbound.imap_connection import CredentialUnusable
from daemon.inbound.imap_trouble import Timing, diagnose, pause
from tools.errors import Permanent


def test_a_login_that_a_person_has_to_renew_is_looked_for_every_minute() -> None:
    """No server is asked meanwhile, so the wait after a refused login does not apply."""
    told = "Run `triaged login support`."
    trouble = diagnose(CredentialUnusable(LoginRefused(told)), "support", token=True)
    assert (trouble.state, trouble.detail) == (DoorState.LOGIN_REFUSED, told)
    assert pause(trouble, 20, Timing(), 1.0) == 60.0


def test_a_provider_that_can_not_be_reached_is_no_refused_login() -> None:
    trouble = diagnose(CredentialUnusable(Unreachable("away")), "support", token=True)
    assert trouble.state == DoorState.UNREACHABLE


def test_a_password_that_can_not_be_read_waits_like_a_refused_login() -> None:
    trouble = diagnose(CredentialUnusable(Permanent("no file")), "support", token=False)
    assert trouble.state == DoorState.LOGIN_REFUSED
    assert pause(trouble, 1, Timing(), 1.0) == 300.0
