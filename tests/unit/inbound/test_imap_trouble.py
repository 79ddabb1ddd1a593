import socket
import ssl

import pytest
from imapclient.exceptions import CapabilityError, IMAPClientAbortError, IMAPClientError, LoginError

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


def test_a_password_that_can_not_be_read_is_looked_for_every_minute() -> None:
    trouble = diagnose(CredentialUnusable(Permanent("no file")), "support", token=False)
    assert trouble.state == DoorState.LOGIN_REFUSED
    assert pause(trouble, 20, Timing(), 1.0) == 60.0


def refused(said: str, context: Exception | None = None) -> LoginError:
    error = LoginError(said)
    error.__context__ = context
    return error


def test_a_refused_login_waits_for_minutes_then_for_an_hour_at_most() -> None:
    trouble = diagnose(refused("[AUTHENTICATIONFAILED] Authentication failed."), "support", token=False)
    assert trouble.state is DoorState.LOGIN_REFUSED
    assert "password_file" in trouble.detail
    assert [pause(trouble, tries, Timing(), 0.0) for tries in (1, 2, 3, 50)] == [150.0, 300.0, 600.0, 1800.0]
    assert pause(trouble, 50, Timing(), 1.0) == 3600.0


def test_a_refused_token_names_the_command_that_helps() -> None:
    assert "`triaged login support`" in diagnose(refused("no"), "support", token=True).detail


@pytest.mark.parametrize(
    "error",
    [
        refused("[UNAVAILABLE] Temporary authentication failure."),
        refused("[inuse] Too many connections"),
        refused("socket error: EOF", IMAPClientAbortError("socket error: EOF")),
        ssl.SSLEOFError("EOF occurred in violation of protocol"),
        ConnectionRefusedError("Connection refused"),
        TimeoutError("timed out"),
        socket.gaierror(-2, "Name or service not known"),
        IMAPClientAbortError("command: SELECT => socket error: EOF"),
    ],
)
def test_what_passes_by_itself_is_tried_again_after_seconds(error: Exception) -> None:
    trouble = diagnose(error, "support", token=False)
    assert trouble.state is DoorState.UNREACHABLE
    assert pause(trouble, 1, Timing(), 1.0) == 2.0
    assert pause(trouble, 50, Timing(), 1.0) == 900.0


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLCertVerificationError("certificate verify failed"),
        ssl.SSLError("WRONG_VERSION_NUMBER"),
        CapabilityError("Server does not support STARTTLS capability"),
    ],
)
def test_tls_that_is_not_to_be_had_names_the_keys_to_check(error: Exception) -> None:
    trouble = diagnose(error, "support", token=False)
    assert trouble.state is DoorState.TLS_REFUSED
    assert "`tls`" in trouble.detail


def test_what_nobody_foresaw_goes_to_the_log() -> None:
    trouble = diagnose(ValueError("boom"), "support", token=False)
    assert (trouble.state, trouble.foreseen) == (DoorState.FAILING, False)
    assert diagnose(IMAPClientError("NO"), "support", token=False).foreseen
