"""Our client, the grant and the way back of a browser against a real authorization server on loopback."""

import asyncio
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import pytest
from structlog.testing import capture_logs

from daemon.errors import LoginRefused, NotFound, NotPossible, OAuthRefused, Unreachable
from daemon.oauth.browser import Return
from daemon.oauth.client import Client
from daemon.oauth.grant import AGAIN, MARGIN, Grant
from daemon.oauth.tokens import TokenFile, Tokens
from daemon.oauth.watch import watch
from tests.fixtures.oauth_server import CLIENT, SECRET, OAuthServer, client_of


class Desk:
    """A login, and a clock that stands still until it is set."""

    def __init__(self, server: OAuthServer, folder: Path) -> None:
        self.server = server
        self.now = time.time()
        self.file = TokenFile(folder / "oauth", "support")
        self.log_in()

    def log_in(self) -> None:
        with self.file.locked():
            self.file.write(Tokens.granted(self.server.granted(), client="f", now=self.now))

    def grant(self) -> Grant:
        return Grant(self.file, client=lambda: client_of(self.server), fingerprint="f", clock=lambda: self.now)

    def refreshes(self) -> int:
        return self.server.asked["refresh_token"]


@pytest.fixture
def desk(oauth_server: OAuthServer, tmp_path: Path) -> Desk:
    return Desk(oauth_server, tmp_path)


# --- asking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [None, SECRET])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_device_code_becomes_tokens(oauth_server: OAuthServer, secret: str | None, method: str) -> None:
    oauth_server.discovery["token_endpoint_auth_methods_supported"] = [method]
    client = client_of(oauth_server, secret)
    code = client.device_code()
    assert (code.user_code, code.interval) == ("ABCD-EFGH", 0.01)
    oauth_server.pending = ["authorization_pending"]
    with pytest.raises(OAuthRefused, match="authorization_pending"):
        client.token_for_device(code)
    assert client.token_for_device(code)["access_token"] in oauth_server.access
    assert oauth_server.forms[0]["scope"] == "openid offline_access"
    for form, headers in zip(oauth_server.forms, oauth_server.headers, strict=True):
        in_header = secret is not None and method == "client_secret_basic"
        assert ("Authorization" in headers) == in_header
        assert form.get("client_id") == (None if in_header else CLIENT)
        assert form.get("client_secret") == (None if in_header else secret)


def test_an_oauth_error_is_told_without_the_address_that_the_provider_repeats(oauth_server: OAuthServer) -> None:
    oauth_server.user = "ana@example.com"
    oauth_server.refuse["refresh_token"] = (400, "invalid_grant")
    with pytest.raises(OAuthRefused) as refused:
        client_of(oauth_server).refresh("r")
    assert refused.value.code == "invalid_grant"
    assert "ana@example.com" not in str(refused.value)


@pytest.mark.parametrize("refusal", [(500, "x"), (503, "x"), (400, "temporarily_unavailable")])
def test_a_provider_with_a_fault_of_its_own_is_asked_later(oauth_server: OAuthServer, refusal: tuple[int, str]) -> None:
    client = client_of(oauth_server)
    oauth_server.refuse["/token"] = refusal
    with pytest.raises(Unreachable, match="Try again later"):
        client.refresh("r")


def test_a_provider_that_is_not_there_is_unreachable(oauth_server: OAuthServer) -> None:
    client = client_of(oauth_server)
    away = Client(provider=replace(client.provider, token_endpoint="http://127.0.0.1:9/token"), id=CLIENT)
    with pytest.raises(Unreachable, match="Check the network"):
        away.refresh("r")


def test_an_answer_without_a_token_is_no_answer(oauth_server: OAuthServer) -> None:
    client = client_of(oauth_server)
    odd = Client(provider=replace(client.provider, token_endpoint=client.provider.device_endpoint or ""), id=CLIENT)
    with pytest.raises(Unreachable, match="no access_token"):
        odd.refresh("r")


def test_a_provider_without_a_discovery_document_is_told(oauth_server: OAuthServer) -> None:
    oauth_server.refuse["/.well-known/openid-configuration"] = (404, "x")
    with pytest.raises(NotFound, match="Correct `issuer`"):
        client_of(oauth_server)


# --- by browser ------------------------------------------------------------------------------------------------------


@pytest.fixture
def way_back(oauth_server: OAuthServer) -> Iterator[Return]:
    with Return(client_of(oauth_server), user="support@shop.example") as way:
        yield way


def visit(address: str) -> None:
    with urllib.request.urlopen(address, timeout=10) as page:
        assert b"Logged in" in page.read()


def test_a_browser_logs_in_and_comes_back(oauth_server: OAuthServer, way_back: Return) -> None:
    browser = threading.Thread(target=visit, args=(way_back.page,))
    browser.start()
    assert way_back.wait(None, patience=10)["access_token"] in oauth_server.access
    browser.join()
    assert "login_hint=support%40shop.example" in way_back.page
    assert "code_challenge_method=S256" in way_back.page


def test_a_browser_on_another_machine_shows_the_address_and_a_person_pastes_it(
    oauth_server: OAuthServer, way_back: Return, terminal: tuple[TextIO, TextIO]
) -> None:
    class Shown(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: object, **kwargs: object) -> None:
            return None

    with pytest.raises(urllib.error.HTTPError) as shown:
        urllib.request.build_opener(Shown).open(way_back.page, timeout=10)
    with shown.value as answer:
        address = answer.headers["Location"]
    keyboard, lines = terminal
    keyboard.write(f"{address}\n")
    keyboard.flush()
    assert way_back.wait(lines, patience=10)["access_token"] in oauth_server.access


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, TextIO]]:
    read, write = os.pipe()
    with os.fdopen(write, "w") as keyboard, os.fdopen(read) as lines:
        yield keyboard, lines


def test_an_address_of_something_else_is_refused(way_back: Return, terminal: tuple[TextIO, TextIO]) -> None:
    keyboard, lines = terminal
    keyboard.write(f"{way_back.redirect}?code=stolen&state=guessed\n")
    keyboard.flush()
    with pytest.raises(NotPossible, match="not the address"):
        way_back.wait(lines, patience=10)


def test_a_foreign_page_that_calls_us_is_not_the_answer(way_back: Return) -> None:
    def call() -> None:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{way_back.redirect}/?code=x&state=y", timeout=10)
        refused.value.close()

    page = threading.Thread(target=call)
    page.start()
    with pytest.raises(NotPossible, match="Nobody logged in"):
        way_back.wait(None, patience=0.5)
    page.join()


def test_a_person_who_declines_in_the_browser_ends_the_wait(way_back: Return, terminal: tuple[TextIO, TextIO]) -> None:
    keyboard, lines = terminal
    keyboard.write(f"{way_back.redirect}?error=access_denied&state={way_back._state}\n")
    keyboard.flush()
    with pytest.raises(NotPossible, match="declined"):
        way_back.wait(lines, patience=10)


def test_a_port_in_use_is_told(oauth_server: OAuthServer, way_back: Return) -> None:
    port = int(way_back.redirect.rpartition(":")[2])
    with pytest.raises(NotPossible, match="--port"):
        Return(client_of(oauth_server), user="", port=port)


# --- refreshing ------------------------------------------------------------------------------------------------------


def test_a_token_is_used_until_five_minutes_before_its_end_and_then_refreshed(desk: Desk) -> None:
    grant = desk.grant()
    first = grant.credential()
    assert first.kind == "token"
    desk.now += 3600 - MARGIN - 1
    assert grant.credential() == first
    assert desk.refreshes() == 0
    desk.now += 2
    second = grant.credential()
    assert second != first
    assert second.secret in desk.server.access
    assert desk.grant().credential() == second
    assert desk.refreshes() == 1


def test_a_token_of_a_few_minutes_is_not_refreshed_at_each_login(desk: Desk) -> None:
    desk.server.lifetime = 300
    desk.log_in()
    grant = desk.grant()
    desk.now += 149
    grant.credential()
    assert desk.refreshes() == 0
    desk.now += 2
    grant.credential()
    assert desk.refreshes() == 1


async def test_the_loop_goes_on_while_a_token_is_refreshed(desk: Desk) -> None:
    desk.now += 3600
    assert (await desk.grant().ask()).secret in desk.server.access


def test_the_rotated_refresh_token_is_on_the_disk_before_the_access_token_is_used(desk: Desk) -> None:
    for _ in range(3):
        desk.now += 3600
        credential = desk.grant().credential()
        assert desk.file.read().access == credential.secret
        assert set(desk.server.refresh) == {desk.file.read().refresh}


def test_who_asks_at_the_same_time_shares_one_refresh(desk: Desk) -> None:
    """A provider that takes each refresh token once would refuse the second, and some end the login for it."""
    desk.now += 3600
    desk.server.delay = 0.1
    grants = [desk.grant() for _ in range(3)]  # as of three processes: they share nothing but the file
    with ThreadPoolExecutor(6) as threads:
        found = set(threads.map(lambda number: grants[number % 3].credential(), range(6)))
    assert len(found) == 1
    assert desk.refreshes() == 1


def test_a_refused_refresh_says_what_to_do_and_is_not_repeated_for_a_while(desk: Desk) -> None:
    grant = desk.grant()
    desk.server.revoke()
    desk.now += 3600
    for _ in range(5):
        with pytest.raises(LoginRefused, match=r"invalid_grant.* Run `triaged login support`\."):
            grant.credential()
    assert desk.refreshes() == 1
    desk.now += AGAIN + 1
    with pytest.raises(LoginRefused):
        grant.credential()
    assert desk.refreshes() == 2


def test_a_new_login_is_noticed_at_once(desk: Desk) -> None:
    grant = desk.grant()
    desk.server.revoke()
    desk.now += 3600
    with pytest.raises(LoginRefused):
        grant.credential()
    desk.log_in()
    assert grant.credential().secret in desk.server.access


def test_a_client_secret_that_ended_is_not_taken_for_a_login_that_ended(desk: Desk) -> None:
    desk.server.refuse["refresh_token"] = (401, "invalid_client")
    desk.now += 3600
    with pytest.raises(LoginRefused, match="client_secret_file"):
        desk.grant().credential()


def test_a_token_is_used_to_its_end_while_the_provider_is_away(desk: Desk) -> None:
    grant = desk.grant()
    first = grant.credential()
    desk.server.refuse["/token"] = (503, "x")
    desk.now += 3600 - MARGIN + 1
    assert grant.credential() == first
    desk.now += MARGIN
    with pytest.raises(Unreachable, match="503"):
        grant.credential()
    asked = desk.server.asked["/token"]
    with pytest.raises(Unreachable, match="503"):
        grant.credential()
    assert desk.server.asked["/token"] == asked
    desk.server.refuse.clear()
    desk.now += 60
    assert grant.credential().secret in desk.server.access


def test_a_disk_that_takes_nothing_is_noticed_before_the_refresh_token_is_spent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    grant = desk.grant()
    desk.now += 3600
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Unreachable, match="No space left"):
            grant.credential()
    assert desk.refreshes() == 0
    assert grant.credential().secret in desk.server.access


def test_a_login_of_another_client_is_not_used(desk: Desk) -> None:
    grant = Grant(desk.file, client=lambda: client_of(desk.server), fingerprint="other", clock=lambda: desk.now)
    with pytest.raises(LoginRefused, match="another provider or client"):
        grant.credential()


async def test_the_end_of_a_login_is_told_unless_using_it_puts_the_end_off(desk: Desk) -> None:
    assert await desk.grant().ends() is None
    desk.server.login_lifetime = 604800
    desk.log_in()
    assert await desk.grant().ends() == desk.now + 604800
    desk.now += 3600
    assert await desk.grant().ends() is None
    assert desk.refreshes() == 1


async def test_an_end_that_comes_is_logged_once_a_day_and_told_at_each_look(desk: Desk) -> None:
    desk.server.login_lifetime = 604800
    desk.log_in()
    told: list[datetime | None] = []
    begun = desk.now

    def tell(mailbox: str, at: datetime | None) -> None:
        told.append(at)
        desk.now += 3600 * 12
        if len(told) == 5:
            task.cancel()

    with capture_logs() as lines:
        grant = Grant(desk.file, client=lambda: client_of(desk.server), fingerprint="f", clock=lambda: begun)
        clock = lambda: datetime.fromtimestamp(desk.now, UTC)  # noqa: E731
        task = asyncio.create_task(watch({"support": grant}, tell, clock=clock, every=0.0))
        with pytest.raises(asyncio.CancelledError):
            await task
    assert told == [datetime.fromtimestamp(begun + 604800, UTC)] * 5
    warnings = [line for line in lines if line["event"] == "oauth.login-ends"]
    assert [line["do"] for line in warnings] == ["triaged login support"] * 3


async def test_a_login_that_was_refused_is_in_the_log_with_what_to_do(desk: Desk) -> None:
    desk.server.revoke()
    desk.now += 3600
    with capture_logs() as lines:
        task = asyncio.create_task(
            watch({"support": desk.grant()}, lambda _, __: None, clock=lambda: datetime.now(UTC), every=60.0)
        )
        deadline = time.monotonic() + 10
        while not any(line["event"] == "oauth.login-refused" for line in lines):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        task.cancel()
    assert [line["do"] for line in lines if line["event"] == "oauth.login-refused"] == ["triaged login support"]
