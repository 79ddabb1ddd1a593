"""`triaged login MAILBOX` against a real provider, a real Dovecot and a real SMTP server."""

import os
import stat
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon import cli
from daemon.cli.output import say
from daemon.oauth import device
from daemon.oauth.tokens import TokenFile
from tests.fixtures.dovecot import Dovecot
from tests.fixtures.oauth_server import CLIENT, SECRET, MailServer, OAuthServer

_TOML = """\
[store]
url = "sqlite:///state/triaged.db"

[mailbox.support]
kind = "imap"
address = "support@shop.example"
host = "127.0.0.1"
port = {imap}
tls = "none"
user = "support"

[mailbox.support.oauth]
provider = "oidc"
client_id = "{client}"
client_secret_file = "client-secret"
issuer = "{issuer}"

[mailbox.forms]
kind = "lmtp"
address = "forms@shop.example"
listen = "127.0.0.1:2424"

[smtp]
host = "127.0.0.1"
port = {smtp}
tls = "none"
oauth = "support"
"""
Log = Callable[..., tuple[int, str, str]]


@pytest.fixture
def directory(tmp_path: Path, oauth_server: OAuthServer, oauth_dovecot: Dovecot, oauth_smtp: MailServer) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "client-secret").write_text(SECRET)
    (tmp_path / "client-secret").chmod(0o600)
    values = {"imap": oauth_dovecot.imap, "smtp": oauth_smtp.port, "issuer": oauth_server.base, "client": CLIENT}
    (tmp_path / "triaged.toml").write_text(_TOML.format(**values))
    return tmp_path


@pytest.fixture
def log_in(directory: Path, capsys: pytest.CaptureFixture[str]) -> Log:
    def run(*words: str) -> tuple[int, str, str]:
        code = cli.invoke(["login", *(words or ("support",)), "--config", str(directory)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def change(directory: Path, old: str, new: str) -> None:
    text = (directory / "triaged.toml").read_text()
    assert old in text
    (directory / "triaged.toml").write_text(text.replace(old, new))


def tokens(directory: Path) -> TokenFile:
    return TokenFile(directory / "state" / "oauth", "support")


def test_a_person_gets_a_page_and_a_code_and_both_mail_servers_take_the_login(
    log_in: Log, directory: Path, oauth_server: OAuthServer, oauth_dovecot: Dovecot, oauth_smtp: MailServer
) -> None:
    oauth_server.pending = ["authorization_pending", "authorization_pending"]
    code, out, err = log_in()
    assert out.splitlines() == [
        f"Open this page in any browser:  {oauth_server.base}/login",
        "and enter this code:            ABCD-EFGH",
        "Log in as support. The code is good for 15 min; Ctrl-C gives up.",
        f"Logged in. The tokens are in {tokens(directory).path}.",
        f"IMAP: 127.0.0.1:{oauth_dovecot.imap} takes the login.",
        f"SMTP: 127.0.0.1:{oauth_smtp.port} takes the login.",
        f"A daemon that waits for this login goes on within minutes. See: triaged status --config {directory}",
    ]
    assert (code, err) == (0, "Waiting for you to log in …\n")
    assert stat.S_IMODE(tokens(directory).path.stat().st_mode) == 0o600
    assert all(token not in out + err for token in (*oauth_server.access, *oauth_server.refresh, SECRET))


def test_a_login_that_ends_says_when(log_in: Log, oauth_server: OAuthServer) -> None:
    oauth_server.login_lifetime = 604800
    _, out, _ = log_in()
    assert "The provider says that it ends on 20" in out
    assert "(in 6 d)" in out


def test_a_new_login_replaces_the_old_one(log_in: Log, directory: Path) -> None:
    log_in()
    first = tokens(directory).read()
    assert log_in()[0] == 0
    assert tokens(directory).read().refresh != first.refresh


@pytest.mark.parametrize("asked", [("support", "--browser"), ("support",)])
def test_a_provider_without_device_codes_is_logged_in_to_by_browser(
    log_in: Log, oauth_server: OAuthServer, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    if "--browser" not in asked:
        oauth_server.discovery["device_authorization_endpoint"] = None
    told: list[str] = []

    def browse() -> None:
        deadline = time.monotonic() + 10
        while not (page := next((line for line in _said(told) if "/authorize?" in line), "")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        urllib.request.urlopen(page, timeout=10).close()

    def hear(text: str) -> None:
        told.append(text)
        say(text)

    monkeypatch.setattr("daemon.cli.login.say", hear)
    browser = threading.Thread(target=browse)
    browser.start()
    code, out, _ = log_in(*asked)
    browser.join()
    assert code == 0
    assert "IMAP: " in out
    assert oauth_server.asked["authorization_code"] == 1


def _said(told: list[str]) -> list[str]:
    return [line for text in told for line in text.splitlines()]


def test_an_unknown_mailbox_is_wrong_use_and_the_nearest_one_is_named(log_in: Log) -> None:
    code, _, err = log_in("suport")
    assert code == 2
    assert "Did you mean `support`?" in err


def test_a_mailbox_with_a_password_is_wrong_use_and_what_to_write_is_said(log_in: Log) -> None:
    code, _, err = log_in("forms")
    assert code == 2
    assert "[mailbox.forms.oauth]" in " ".join(err.split())


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (["access_denied"], "The login was declined at the provider. Nothing was changed."),
        (["slow_down", "expired_token"], "Nobody logged in before the code ended."),
        (["invalid_client"], "The provider says invalid_client. Check `client_id`, `client_secret_file` and `scopes`"),
    ],
)
def test_a_login_that_did_not_happen_changes_nothing(
    log_in: Log,
    directory: Path,
    oauth_server: OAuthServer,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[str],
    told: str,
) -> None:
    monkeypatch.setattr(device, "SLOWER", 0.0)
    oauth_server.pending = answers
    code, _, err = log_in()
    assert code == 1
    assert told in err
    assert not tokens(directory).path.exists()


def test_ctrl_c_gives_up_and_changes_nothing(log_in: Log, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(device, "wait", interrupt)
    code, _, err = log_in()
    assert code == 1
    assert "Given up. Nothing was changed." in err
    assert not tokens(directory).path.exists()


def test_without_a_network_the_exit_code_is_three(log_in: Log, directory: Path, oauth_server: OAuthServer) -> None:
    change(directory, oauth_server.base, "http://127.0.0.1:9")
    code, _, err = log_in()
    assert code == 3
    assert "can't be reached" in err


def test_a_mail_server_that_refuses_the_login_is_told_and_the_other_is_tried_all_the_same(
    log_in: Log, oauth_server: OAuthServer, oauth_dovecot: Dovecot, oauth_smtp: MailServer
) -> None:
    oauth_server.user = "somebody-else"
    code, out, err = log_in()
    assert code == 1
    assert "Logged in." in out
    assert f"IMAP: 127.0.0.1:{oauth_dovecot.imap} refuses this login (" in err
    assert "Check that you logged in as support" in err
    assert f"SMTP: The mail server 127.0.0.1:{oauth_smtp.port} refuses the login: 535" in err


def test_a_mail_server_that_is_away_is_told_and_the_exit_code_is_three(
    log_in: Log, directory: Path, oauth_smtp: MailServer
) -> None:
    change(directory, f"port = {oauth_smtp.port}", "port = 9")
    code, out, err = log_in()
    assert code == 3
    assert "IMAP: " in out
    assert "SMTP: The mail server 127.0.0.1:9 could not be used" in err


def test_a_state_directory_that_is_missing_is_told_before_anybody_is_sent_to_log_in(
    log_in: Log, directory: Path, oauth_server: OAuthServer
) -> None:
    (directory / "state").rmdir()
    code, out, err = log_in()
    assert (code, out) == (1, "")
    assert "triaged db upgrade" in err
    assert oauth_server.asked["/device"] == 0


def test_another_user_than_the_daemons_is_told_how_to_become_that_one(
    log_in: Log, oauth_server: OAuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 4711)
    code, _, err = log_in()
    assert code == 1
    assert "-- triaged login support" in err
    assert oauth_server.asked["/device"] == 0
