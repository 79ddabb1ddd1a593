"""Opens a connection to an IMAP server: TLS, login, and what IMAPClient has to be told."""

import contextlib
import ssl
from collections.abc import Callable

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from daemon.accounts import MailboxConfig
from daemon.secrets import Credential
from tools.errors import TriagedError

LOST = (OSError, IMAPClientAbortError)
"""After any of these the connection can't be used again: an answer may be half read."""


class CredentialUnusable(Exception):
    """The credential can't be had; nothing was said to the server."""

    def __init__(self, cause: TriagedError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def connect(config: MailboxConfig, credential: Callable[[], Credential], *, timeout: float) -> IMAPClient:
    """A connection that is logged in; the password leaves only after TLS, or to this machine.

    Args:
        config: of a mailbox with `kind = "imap"`.
        credential: what to log in with; asked before the server is.
        timeout: seconds that the server may be silent, now and later.

    Raises:
        CredentialUnusable: there is nothing to log in with.
        LoginError: the server refuses it, or the connection broke meanwhile (then an abort is its context).
        OSError, IMAPClientError: the server can't be reached, or TLS not had.
    """
    assert config.host is not None
    assert config.user is not None
    try:
        proof = credential()
    except TriagedError as error:
        raise CredentialUnusable(error) from error
    context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
    implicit = config.tls == "implicit"
    client = IMAPClient(
        config.host, config.port, ssl=implicit, ssl_context=context if implicit else None, timeout=timeout
    )
    try:
        client.normalise_times = False  # INTERNALDATE with its zone
        client._imap.debug = 0  # noqa: SLF001 - imapclient sets 5: imaplib then formats each literal, 10x the CPU
        if config.tls == "starttls":
            client.starttls(context)
        _log_in(client, config.user, proof)
        if client.has_capability("CONDSTORE") and client.has_capability("ENABLE"):
            client.enable("CONDSTORE")  # before SELECT (RFC 5161 section 3.1), which then tells HIGHESTMODSEQ
    except BaseException:
        close(client)
        raise
    return client


def _log_in(client: IMAPClient, user: str, proof: Credential) -> None:
    if proof.kind == "token":
        _log_in_with_token(client, user, proof.secret)
    elif client.has_capability("AUTH=PLAIN"):
        client.plain_login(user, proof.secret)  # UTF-8 (RFC 4616), and no quoting: LOGIN takes neither well
    else:
        client.login(user, proof.secret)


def _log_in_with_token(client: IMAPClient, user: str, token: str) -> None:
    """XOAUTH2, or OAUTHBEARER where that is all that is offered.

    A refusal comes as a challenge that wants an empty answer (RFC 7628 section 3.2.3: ^A), then as NO; IMAPClient's own
    methods would send the token again.
    """
    if client.has_capability("AUTH=OAUTHBEARER") and not client.has_capability("AUTH=XOAUTH2"):
        identity = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4
        name, said, closing = "OAUTHBEARER", f"n,a={identity},\1auth=Bearer {token}\1\1", "\1"
    else:
        name, said, closing = "XOAUTH2", f"user={user}\1auth=Bearer {token}\1\1", ""
    client.sasl_login(name, lambda challenge: closing if challenge else said)


def arrived(client: IMAPClient) -> bool:
    """Whether bytes of the server wait to be read: in imaplib's buffer, in TLS, or in the socket.

    Polling the socket alone is blind for the first two, and an EXISTS that came together with `+ idling` would be seen
    when the round ends.
    """
    sock, imap = client.socket(), client._imap  # noqa: SLF001 - nothing public sees into that buffer
    buffer = getattr(imap, "_readbuf", None)
    if buffer is not None:  # imaplib buffers by itself since Python 3.14
        return bool(buffer) or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)
    timeout = sock.gettimeout()
    sock.setblocking(False)
    try:
        return bool(imap.file.peek(1))
    except ssl.SSLWantReadError:
        return False
    finally:
        sock.settimeout(timeout)


def close(client: IMAPClient) -> None:
    """Hang up, whatever state the connection is in."""
    with contextlib.suppress(*LOST, IMAPClientError, ValueError):
        client.shutdown()


def log_out(client: IMAPClient) -> None:
    """Take leave, and hang up."""
    try:
        client.logout()
    except (*LOST, IMAPClientError, ValueError):
        close(client)
