"""What went wrong with an IMAP server, in the words of `triaged status`, and how long to leave it alone."""

import ssl
from dataclasses import dataclass

from imapclient.exceptions import CapabilityError, IMAPClientAbortError, IMAPClientError, LoginError

from daemon.errors import LoginRefused
from daemon.inbound.arrival import DoorState
from daemon.inbound.imap_connection import LOST, CredentialUnusable
from tools.errors import Transient

_BRIEFLY = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]")
"""Response codes (RFC 5530) by which a login is refused that was right."""
_CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the reader waits for what, seconds."""

    timeout: float = 30.0
    """The server may be silent; a frozen one is noticed by nothing else."""
    round: float = 240.0
    """One IDLE; under 29 minutes (RFC 2177), and under what firewalls forget a connection after."""
    first: float = 2.0
    """Before the next try to connect; doubles."""
    longest: float = 900.0
    login_first: float = 300.0
    """The same after a refused login: a server that counts those locks the account."""
    login_longest: float = 3600.0
    steady: float = 60.0
    """A connection that stood so long ends the counting of failures."""
    store: float = 5.0
    """Before a mail is fetched again that could not be committed."""
    farewell: float = 1.0
    """For the end of what is under way at a stop; then the connection is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why there is no connection."""

    state: DoorState
    detail: str
    """One sentence of what happened, one of what to do, and what the server said."""
    login: bool = False
    """Whether to wait as after a refused login."""
    asked: bool = True
    """False: the fault is here and no server was spoken to, so that looking again soon costs nobody anything."""
    foreseen: bool = True


def diagnose(error: Exception, name: str, *, token: bool) -> Trouble:  # noqa: PLR0911 - a case a kind of error
    """What an error on a connection means for the operator.

    Args:
        error: what ended the connection, or kept it from being made.
        name: of the mailbox.
        token: whether the login is by OAuth.
    """
    if isinstance(error, CredentialUnusable):
        away = isinstance(error.cause, Transient) and not isinstance(error.cause, LoginRefused)
        state = DoorState.UNREACHABLE if away else DoorState.LOGIN_REFUSED
        return Trouble(state=state, detail=str(error), asked=away)
    if isinstance(error, LoginError):
        return _login(error, name, token=token)
    if isinstance(error, CapabilityError):
        told = "The server offers no TLS here. Check `host`, `port` and `tls`"
        return Trouble(state=DoorState.TLS_REFUSED, detail=_with(told, error))
    if isinstance(error, ssl.SSLError) and not isinstance(error, _CUT_OFF):
        told = "The server's certificate or its TLS is not accepted. Check `host`, `port`, `tls` and `ca_file`"
        return Trouble(state=DoorState.TLS_REFUSED, detail=_with(told, error))
    if isinstance(error, LOST):
        told = "The connection was lost or not made. It is tried again by itself"
        return Trouble(state=DoorState.UNREACHABLE, detail=_with(told, error))
    if isinstance(error, IMAPClientError):
        told = "The server answered with an error. Check `folder` and the rights of `user`"
        return Trouble(state=DoorState.FAILING, detail=_with(told, error))
    told = "Something unexpected happened. The log has it"
    return Trouble(state=DoorState.FAILING, detail=_with(told, error), foreseen=False)


def pause(trouble: Trouble, tries: int, timing: Timing, share: float) -> float:
    """Seconds to leave the server alone: twice as many after each try up to a limit, and not in step with others.

    Args:
        trouble: why.
        tries: tries in a row that failed, this one too.
        timing: the limits.
        share: random, 0 to 1; a wait is half to whole as long as the full one.
    """
    first, longest = (timing.login_first, timing.login_longest) if trouble.login else (timing.first, timing.longest)
    longest = longest if trouble.asked else timing.steady
    full = min(longest, first * 2.0 ** min(tries - 1, 20))
    return full * (0.5 + share / 2)


def _login(error: LoginError, name: str, *, token: bool) -> Trouble:
    if isinstance(error.__context__, IMAPClientAbortError):  # IMAPClient calls a connection that broke a refusal too
        told = "The connection was lost at the login. It is tried again by itself"
        return Trouble(state=DoorState.UNREACHABLE, detail=_with(told, error))
    if any(code in str(error).upper() for code in _BRIEFLY):
        told = "The server can't let anybody in now. It is tried again by itself"
        return Trouble(state=DoorState.UNREACHABLE, detail=_with(told, error))
    what = f"Run `triaged login {name}`" if token else "Check `user` and `password_file`"
    return Trouble(
        state=DoorState.LOGIN_REFUSED, detail=_with(f"The server refuses the login. {what}", error), login=True
    )


def _with(told: str, error: Exception) -> str:
    said = str(error).strip()[:300] or type(error).__name__
    return f"{told}. ({said})"
