"""A person logs in with a browser that comes back to us: authorization code with PKCE (RFC 8252, RFC 7636).

The way back is an address on loopback. Where the browser runs on another machine than we do, it shows that address
and can't open it: a person then copies it here.
"""

import hmac
import secrets
import selectors
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final, Self, TextIO
from urllib.parse import parse_qs, urlsplit

from daemon.errors import NotPossible, OAuthRefused
from daemon.oauth.client import Client

PATIENCE: Final = 900.0
"""Seconds to wait for the browser."""
_THANKS = b"Logged in. This page can be closed; the terminal has the rest."
_SORRY = b"This is not the answer that triaged waits for. Look at the terminal."


class Return:
    """The way back: a listener on loopback for one answer. A context."""

    def __init__(self, client: Client, *, user: str, port: int = 0) -> None:
        """Listen.

        Args:
            client: our registration at the provider.
            user: the account to log in with, as a hint.
            port: 0: any free one.

        Raises:
            NotPossible: the port is in use, or the provider knows no such login.
        """
        if client.provider.authorization_endpoint is None:
            raise NotPossible("This provider has no page to log in by browser. Leave --browser away.")
        self._client = client
        self._state = secrets.token_urlsafe(24)
        self._verifier = secrets.token_urlsafe(48)  # RFC 7636 section 4.1: 43 to 128 characters
        self._answer: Mapping[str, list[str]] | None = None
        try:
            self._server = HTTPServer(("127.0.0.1", port), self._handler())
        except OSError as error:
            raise NotPossible(
                f"127.0.0.1:{port} can't be listened on: {error.strerror}. Use another --port."
            ) from error
        self.redirect = f"{client.provider.redirect}:{self._server.server_port}"
        self.page = client.authorization_url(
            redirect=self.redirect, verifier=self._verifier, state=self._state, user=user
        )
        """Where the person logs in."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self, lines: TextIO | None, *, patience: float = PATIENCE) -> dict[str, Any]:
        """Wait for the browser, or for its address on `lines`, and fetch the tokens.

        Args:
            lines: a terminal, where a person may paste the address; None: nobody can.
            patience: seconds.

        Returns:
            The answer of the token endpoint.

        Raises:
            NotPossible: nobody came back, or the person declined.
            OAuthRefused, Unreachable: as `Client.token_for_code`.
        """
        until = time.monotonic() + patience
        with selectors.DefaultSelector() as ready:
            ready.register(self._server, selectors.EVENT_READ)
            if lines is not None:
                ready.register(lines, selectors.EVENT_READ)
            while self._answer is None:
                found = ready.select(max(0.0, until - time.monotonic()))
                if not found:
                    raise NotPossible("Nobody logged in. Nothing was changed; run the command again.")
                for key, _ in found:
                    if key.fileobj is self._server:
                        self._server.handle_request()
                    elif not self._paste(lines):
                        ready.unregister(key.fileobj)
        return self._client.token_for_code(_code(self._answer), redirect=self.redirect, verifier=self._verifier)

    def _paste(self, lines: TextIO | None) -> bool:
        """Take a line of the terminal; False at its end."""
        line = lines.readline() if lines else ""
        if line.strip() and not self._take(line.strip()):
            raise NotPossible("This is not the address that the browser ended at. Run the command again.")
        return bool(line)

    def _take(self, address: str) -> bool:
        """Whether an address is the answer to our question."""
        try:
            answer = parse_qs(urlsplit(address).query)
        except ValueError:
            return False
        if not hmac.compare_digest(answer.get("state", [""])[0].encode(), self._state.encode()):
            return False
        self._answer = answer
        return True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            """Answers the browser; logs nothing, since the address holds the code."""

            timeout = 5

            def do_GET(self) -> None:
                good = take(self.path)
                self.send_response(200 if good else 404)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(_THANKS if good else _SORRY)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _code(answer: Mapping[str, list[str]]) -> str:
    """The authorization code of an answer (RFC 6749 section 4.1.2).

    Raises:
        NotPossible: the person declined.
        OAuthRefused: the provider refuses.
    """
    error = answer.get("error", [""])[0]
    if error == "access_denied":
        raise NotPossible("The login was declined at the provider. Nothing was changed.")
    if error or "code" not in answer:
        raise OAuthRefused(error or "nothing", answer.get("error_description", [""])[0][:200])
    return answer["code"][0]
