"""Where a provider is asked: its endpoints, known by name or read from its discovery document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from daemon.accounts import OAuthConfig
from daemon.errors import NotFound, NotPossible
from daemon.loopback import is_loopback

MICROSOFT: Final = "https://login.microsoftonline.com"
OFFLINE: Final = "offline_access"
"""The scope that asks for a refresh token (OpenID Connect Core section 11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An authorization server."""

    token_endpoint: str
    authorization_endpoint: str | None = None
    device_endpoint: str | None = None
    """None: it gives no device codes, or none for mail."""
    scopes: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What its authorization endpoint wants beside the standard."""
    redirect: str = "http://127.0.0.1"
    """How a browser comes back to us; RFC 8252 section 7.3 wants the address, Microsoft the name."""
    secret_in_body: bool = True
    """Whether the client's secret goes into the form, or into the Authorization header (RFC 6749 section 2.3.1)."""


def provider(config: OAuthConfig, fetch: Callable[[str], Mapping[str, Any]]) -> Provider:
    """The provider of a mailbox.

    Args:
        config: `[mailbox.NAME.oauth]`.
        fetch: reads a JSON document; raises `NotFound` where there is none.

    Raises:
        Unreachable: its discovery document could not be read.
        NotFound: it has none.
        NotPossible: the document is of somebody else, or names endpoints that can't be trusted.
    """
    if config.provider == "microsoft":
        return _microsoft(config)
    if config.provider == "google":
        return _google(config)
    openid, oauth = _well_known(config.issuer)
    try:
        document = fetch(openid)
    except NotFound:
        document = fetch(oauth)
    return discovered(config, document)


def _well_known(issuer: str) -> tuple[str, str]:
    """Where discovery documents lie: OpenID Connect appends (Discovery section 4), RFC 8414 section 3.1 inserts."""
    parts = urlsplit(issuer.rstrip("/"))
    return (
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}",
    )


def _microsoft(config: OAuthConfig) -> Provider:
    """https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth."""
    at = f"{MICROSOFT}/{config.tenant}/oauth2/v2.0"
    mail = "https://outlook.office.com"
    return Provider(
        token_endpoint=f"{at}/token",
        authorization_endpoint=f"{at}/authorize",
        device_endpoint=f"{at}/devicecode",
        scopes=config.scopes or (OFFLINE, f"{mail}/IMAP.AccessAsUser.All", f"{mail}/SMTP.Send"),
        redirect="http://localhost",
    )


def _google(config: OAuthConfig) -> Provider:
    """https://developers.google.com/identity/protocols/oauth2/native-app; its device codes don't grant mail scopes."""
    return Provider(
        token_endpoint="https://oauth2.googleapis.com/token",  # noqa: S106 - an address
        authorization_endpoint="https://accounts.google.com/o/oauth2/v2/auth",
        scopes=config.scopes or ("https://mail.google.com/",),
        parameters={"access_type": "offline", "prompt": "consent"},
    )


def discovered(config: OAuthConfig, document: Mapping[str, Any]) -> Provider:
    """The provider that a discovery document describes (OpenID Connect Discovery section 3, RFC 8414 section 2).

    Raises:
        NotPossible: the document is of another issuer, names no token endpoint, or one in clear.
    """
    issuer = config.issuer
    if str(document.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):  # RFC 8414 section 3.3
        raise NotPossible(f"{issuer} describes another issuer than itself. Correct `issuer` in triaged.toml.")
    token = _endpoint(document, "token_endpoint", issuer)
    if token is None:
        raise NotPossible(f"{issuer} names no token endpoint. Correct `issuer` in triaged.toml.")
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Provider(
        token_endpoint=token,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", issuer),
        device_endpoint=_endpoint(document, "device_authorization_endpoint", issuer),
        scopes=config.scopes or ("openid", OFFLINE),
        secret_in_body="client_secret_basic" not in methods,
    )


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str | None:
    address = document.get(name)
    if address is None:
        return None
    parts = urlsplit(str(address))
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return str(address)
    raise NotPossible(f"{issuer} has its `{name}` not on https: tokens would go in clear. Use another provider.")
