"""Logs in to the submission server, with a password or with an OAuth token (RFC 4954)."""

import base64
from typing import TYPE_CHECKING

from daemon.secrets import Credential

if TYPE_CHECKING:
    from aiosmtplib import SMTP

_GO_ON = 334
_DONE = 235


async def log_in(client: "SMTP", user: str, proof: Credential) -> None:
    """AUTH.

    Raises:
        aiosmtplib.SMTPAuthenticationError: the server refuses.
        aiosmtplib.SMTPException: it knows no way that we know.
    """
    from aiosmtplib import SMTPException

    if proof.kind == "password":
        await client.login(user, proof.secret)
    elif "xoauth2" in client.server_auth_methods:
        await client.auth_xoauth2(user, proof.secret)
    elif "oauthbearer" in client.server_auth_methods:
        await _oauthbearer(client, user, proof.secret)
    else:
        raise SMTPException("it offers no login with OAuth (XOAUTH2 or OAUTHBEARER) here")


async def _oauthbearer(client: "SMTP", user: str, token: str) -> None:
    """RFC 7628 section 3.1; a refusal comes as a challenge, which wants ^A before it is told (section 3.2.3)."""
    from aiosmtplib import SMTPAuthenticationError

    identity = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4
    said = base64.b64encode(f"n,a={identity},\1auth=Bearer {token}\1\1".encode())
    response = await client.execute_command(b"AUTH", b"OAUTHBEARER", said)
    if response.code == _GO_ON:
        response = await client.execute_command(base64.b64encode(b"\1"))
    if response.code != _DONE:
        raise SMTPAuthenticationError(response.code, response.message)
