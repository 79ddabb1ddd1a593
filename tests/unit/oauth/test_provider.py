from collections.abc import Mapping
from typing import Any

import pytest

from daemon.accounts import OAuthConfig
from daemon.errors import NotFound, NotPossible
from daemon.oauth.provider import provider

ISSUER = "https://login.shop.example/realms/mail"
OIDC = OAuthConfig(provider="oidc", client_id="triaged", issuer=ISSUER)
DOCUMENT = {
    "issuer": ISSUER,
    "token_endpoint": f"{ISSUER}/token",
    "authorization_endpoint": f"{ISSUER}/auth",
    "device_authorization_endpoint": f"{ISSUER}/device",
}


def never(url: str) -> Mapping[str, Any]:
    raise AssertionError(f"{url} was asked")


def test_microsoft_is_known_for_each_directory() -> None:
    found = provider(OAuthConfig(provider="microsoft", client_id="x", tenant="0b9f7d3a"), never)
    assert found.device_endpoint == "https://login.microsoftonline.com/0b9f7d3a/oauth2/v2.0/devicecode"
    assert found.token_endpoint == "https://login.microsoftonline.com/0b9f7d3a/oauth2/v2.0/token"
    assert found.scopes[0] == "offline_access"
    assert found.redirect == "http://localhost"


def test_google_gives_no_device_codes_for_mail_and_is_asked_for_a_refresh_token() -> None:
    found = provider(OAuthConfig(provider="google", client_id="x"), never)
    assert found.device_endpoint is None
    assert found.scopes == ("https://mail.google.com/",)
    assert found.parameters["access_type"] == "offline"


def test_an_oidc_provider_is_read_from_its_discovery_document() -> None:
    asked = []

    def fetch(url: str) -> Mapping[str, Any]:
        asked.append(url)
        return DOCUMENT

    found = provider(OIDC, fetch)
    assert asked == [f"{ISSUER}/.well-known/openid-configuration"]
    assert (found.token_endpoint, found.device_endpoint) == (f"{ISSUER}/token", f"{ISSUER}/device")
    assert found.scopes == ("openid", "offline_access")
    assert not found.secret_in_body


def test_a_provider_without_openid_connect_is_found_where_rfc_8414_puts_it() -> None:
    def fetch(url: str) -> Mapping[str, Any]:
        if url != "https://login.shop.example/.well-known/oauth-authorization-server/realms/mail":
            raise NotFound("no")
        return DOCUMENT

    assert provider(OIDC, fetch).token_endpoint == f"{ISSUER}/token"


def test_scopes_of_the_operator_replace_ours() -> None:
    config = OAuthConfig(provider="oidc", client_id="triaged", issuer=ISSUER, scopes=("mail",))
    assert provider(config, lambda _: DOCUMENT).scopes == ("mail",)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"issuer": "https://evil.example"}, "another issuer"),
        ({"issuer": None}, "another issuer"),
        ({"token_endpoint": "http://login.shop.example/token"}, "in clear"),
        ({"device_authorization_endpoint": "http://evil.example/device"}, "in clear"),
        ({"token_endpoint": None}, "no token endpoint"),
    ],
)
def test_a_document_that_can_not_be_trusted_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(NotPossible, match=told):
        provider(OIDC, lambda _: DOCUMENT | changed)


def test_an_issuer_with_a_slash_at_its_end_is_the_same() -> None:
    assert provider(OIDC, lambda _: DOCUMENT | {"issuer": f"{ISSUER}/"}).token_endpoint


def test_a_secret_goes_into_the_form_only_where_the_provider_takes_no_header() -> None:
    methods = {"token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"]}
    assert provider(OIDC, lambda _: DOCUMENT | methods).secret_in_body
