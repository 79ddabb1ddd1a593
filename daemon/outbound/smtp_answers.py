"""What a mail server's answer, or its silence, means (RFC 5321 section 4.2)."""

import contextlib
import os
import re
import ssl
from collections.abc import AsyncIterator

from daemon.errors import Refused4xx, Refused5xx, Unreachable
from tools.errors import TriagedError

_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")


@contextlib.asynccontextmanager
async def refusals(name: str, what: str) -> AsyncIterator[None]:
    """Turn the library's errors into ours.

    Raises:
        Refused4xx, Refused5xx: what the server answered.
        Unreachable: it said nothing that counts.
    """
    from aiosmtplib import SMTPException, SMTPResponseException

    try:
        yield
    except SMTPResponseException as error:
        raise refused(name, what, error.code, error.message) from error
    except (SMTPException, ConnectionError) as error:
        raise Unreachable(f"The mail server {name} ended the session: {told(error)}. It is tried again.") from error


def refused(name: str, what: str, code: int, message: str) -> TriagedError:
    """The error for an answer: 4xx is for now, 5xx for good, anything else is no answer at all."""
    said = f"{name} refused {what}: {code} {plain(message)}."
    if 400 <= code < 500:  # noqa: PLR2004 - RFC 5321 section 4.2.1
        return Refused4xx(f"{said} It is tried again.", code=code)
    if 500 <= code < 600:  # noqa: PLR2004 - as above
        return Refused5xx(f"{said} Correct what it complains about, or answer by hand.", code=code)
    return Unreachable(f"The mail server {name} answered {code}, which SMTP does not know here. It is tried again.")


def plain(message: str) -> str:
    """A server's answer on one line, without the addresses that it repeats (promise P15)."""
    text = _ADDRESS.sub("…", message.encode("utf-8", "replace").decode())
    return " ".join(text.split())[:300].rstrip(".")


def told(error: BaseException) -> str:
    """An error of the connection, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno) if error.errno > 0 else plain(str(error.strerror))
    cause = error.__cause__
    if isinstance(cause, ssl.SSLError):
        return told(cause)
    code = getattr(error, "code", None)
    text = plain(str(getattr(error, "message", "") or error)) or type(error).__name__
    return f"{code} {text}" if code and str(code) not in text else text
