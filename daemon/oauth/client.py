"""Asks a provider for tokens, as the client that was registered for triaged; the only place that speaks HTTP to it."""

import functools
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from daemon.errors import NotFound, OAuthRefused, Unreachable
from daemon.oauth.provider import Provider

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import OAuth2Client

TIMEOUT: Final = 20.0
"""Seconds to wait for each answer."""
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_LIFETIME, _INTERVAL = 900.0, 5.0
"""Of a device code, in seconds, where the provider does not say; the second is RFC 8628's."""
_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")
_LATER = frozenset({"server_error", "temporarily_unavailable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """What a person needs to log in on another device (RFC 8628 section 3.2)."""

    device_code: str = field(repr=False)
    user_code: str
    page: str
    """Where the code is entered."""
    lifetime: float
    """Seconds."""
    interval: float = _INTERVAL
    """Seconds between two questions whether the person has done it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Our registration at a provider. Each call takes one or two requests of at most `TIMEOUT` and may block.

    Every method that asks raises `OAuthRefused` for an OAuth error, and `Unreachable` where no answer could be had.
    """

    provider: Provider
    id: str
    secret: str | None = field(default=None, repr=False)

    def device_code(self) -> DeviceCode:
        """Ask for a device code (RFC 8628 section 3.1)."""
        assert self.provider.device_endpoint is not None
        with self._session(self.provider.device_endpoint) as session:
            auth = session.client_auth(session.token_endpoint_auth_method)  # says who we are, in the form or above it
            form = {"scope": " ".join(self.provider.scopes)}
            response = session.post(self.provider.device_endpoint, data=form, auth=auth)
            return _device_code(session.parse_response_token(response))

    def token_for_device(self, code: DeviceCode) -> dict[str, Any]:
        """Ask whether the person has logged in (RFC 8628 section 3.4); `OAuthRefused` says why not yet."""
        return self._token(grant_type=DEVICE_GRANT, device_code=code.device_code)

    def authorization_url(self, *, redirect: str, verifier: str, state: str, user: str) -> str:
        """The page where a person with a browser logs in (RFC 6749 section 4.1.1, RFC 7636)."""
        assert self.provider.authorization_endpoint is not None
        extra = {**self.provider.parameters, **({"login_hint": user} if user else {})}
        with self._session(self.provider.authorization_endpoint) as session:
            url, _ = session.create_authorization_url(
                self.provider.authorization_endpoint,
                redirect_uri=redirect,
                scope=" ".join(self.provider.scopes),
                state=state,
                code_verifier=verifier,
                **extra,
            )
        return str(url)

    def token_for_code(self, code: str, *, redirect: str, verifier: str) -> dict[str, Any]:
        """Exchange the code that the browser brought (RFC 6749 section 4.1.3)."""
        return self._token(grant_type="authorization_code", code=code, redirect_uri=redirect, code_verifier=verifier)

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """Exchange a refresh token (RFC 6749 section 6); without scopes, which then stay what was granted."""
        with self._session(self.provider.token_endpoint) as session:
            return _granted(session.refresh_token(self.provider.token_endpoint, refresh_token=refresh_token))

    def _token(self, **form: str) -> dict[str, Any]:
        with self._session(self.provider.token_endpoint) as session:
            return _granted(session.fetch_token(self.provider.token_endpoint, **form))

    @contextmanager
    def _session(self, endpoint: str) -> Iterator["OAuth2Client"]:
        from authlib.integrations.httpx_client import OAuth2Client

        method = "client_secret_post" if self.provider.secret_in_body else "client_secret_basic"
        session = OAuth2Client(
            self.id,
            self.secret,
            token_endpoint_auth_method=method if self.secret else "none",
            code_challenge_method="S256",
            timeout=TIMEOUT,
            verify=_tls(),
        )
        with session, _told(endpoint):
            yield session


def fetch(url: str) -> Mapping[str, Any]:
    """Read a JSON object.

    Raises:
        NotFound: there is none at that address.
        Unreachable: no answer could be had.
    """
    import httpx2

    with _told(url), httpx2.Client(timeout=TIMEOUT, verify=_tls()) as session:
        response = session.get(url, headers={"Accept": "application/json"})
        if 400 <= response.status_code < 500:  # noqa: PLR2004 - RFC 9110 section 15.5
            raise NotFound(f"There is no {url} ({response.status_code}). Correct `issuer` in triaged.toml.")
        response.raise_for_status()
        document = response.json()
    if not isinstance(document, dict):
        raise NotFound(f"There is no discovery document at {url}. Correct `issuer` in triaged.toml.")
    return document


@functools.cache
def _tls() -> ssl.SSLContext:
    """The system's certificates, as for mail servers; read once, since that takes some 20 ms."""
    return ssl.create_default_context()


def _granted(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, if there is a token in it."""
    if not isinstance(answer.get("access_token"), str) or not answer["access_token"]:
        raise ValueError("no access_token")
    return dict(answer)


def _device_code(answer: Mapping[str, Any]) -> DeviceCode:
    page = answer.get("verification_uri", answer.get("verification_url"))  # the second before RFC 8628
    if not page or not answer.get("device_code") or not answer.get("user_code"):
        raise ValueError("no device code")
    return DeviceCode(
        device_code=str(answer["device_code"]),
        user_code=str(answer["user_code"]),
        page=str(page),
        lifetime=float(answer.get("expires_in") or _LIFETIME),
        interval=float(answer.get("interval") or _INTERVAL),
    )


@contextmanager
def _told(endpoint: str) -> Iterator[None]:
    """Turn the library's errors into ours, without a token or an address in them."""
    import httpx2
    from authlib.integrations.base_client import OAuthError

    host = urlsplit(endpoint).netloc
    try:
        yield
    except OAuthError as error:
        code = str(error.error or "an unknown error")
        if code in _LATER:
            raise Unreachable(f"The provider {host} says {code}. Try again later.") from error
        raise OAuthRefused(code, _plain(str(error.description or ""))) from error
    except httpx2.HTTPStatusError as error:
        raise Unreachable(f"The provider {host} answered {error.response.status_code}. Try again later.") from error
    except httpx2.HTTPError as error:
        raise Unreachable(
            f"The provider {host} can't be reached: {_plain(str(error)) or type(error).__name__}. Check the network."
        ) from error
    except (ValueError, TypeError) as error:
        raise Unreachable(f"The provider {host} gave an answer that is none ({_plain(str(error))}).") from error


def _plain(text: str) -> str:
    """The first sentence or so on one line, without the addresses that providers like to repeat (promise P15)."""
    return " ".join(_ADDRESS.sub("…", text).split())[:200].rstrip(".")
