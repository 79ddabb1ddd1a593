"""A mailbox that logs in with OAuth, on a real Dovecot that asks the provider about each token."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from imapclient import IMAPClient

from daemon.accounts import MailboxConfig
from daemon.inbound.arrival import DoorState
from daemon.inbound.imap import Reader
from daemon.inbound.imap_trouble import Timing
from daemon.oauth import configured
from daemon.oauth.grant import Grant
from daemon.oauth.tokens import TokenFile, Tokens, fingerprint
from daemon.store import doors
from daemon.store.engine import Store
from daemon.watch.doors import Doors
from tests.fixtures.dovecot import Dovecot
from tests.fixtures.imap_reader import Intake, deliver, until
from tests.fixtures.oauth_server import CLIENT, MailServer, OAuthServer, client_of
from tests.fixtures.office import Office

QUICK = Timing(first=0.05, steady=0.05, login_first=60.0, timeout=5.0)


class Watched:
    """A reader of a mailbox, its login, and a clock for the login's tokens."""

    def __init__(self, server: OAuthServer, dovecot: Dovecot, folder: Path) -> None:
        self.server, self.dovecot = server, dovecot
        self.server.user = dovecot.user()
        self.now = time.time()
        self.file = TokenFile(folder / "oauth", "support")
        self.intake = Intake()
        self.log_in()
        grant = Grant(self.file, client=lambda: client_of(server), fingerprint="f", clock=lambda: self.now)
        settings = {"host": "127.0.0.1", "port": dovecot.imap, "tls": "none", "user": server.user, "since": "all"}
        oauth = {"provider": "oidc", "client_id": CLIENT, "issuer": server.base}
        config = {"kind": "imap", "address": "support@shop.example", "oauth": oauth}
        self.reader = Reader(
            "support",
            MailboxConfig.model_validate(config | settings),
            credential=grant.credential,
            receive=self.intake.receive,
            cursors=self.intake,
            tell=self.intake.tell,
            timing=QUICK,
        )

    def log_in(self) -> None:
        with self.file.locked():
            self.file.write(Tokens.granted(self.server.granted(), client="f", now=self.now))

    def cut(self) -> None:
        """End the connection, as a server does with one whose token has ended."""
        assert self.reader._client is not None
        with contextlib.suppress(OSError):
            self.reader._client.socket().shutdown(socket.SHUT_RDWR)

    async def shows(self, *subjects: str) -> None:
        await until(lambda: self.intake.subjects == list(subjects), f"{self.intake.subjects}, {self.reader.detail}")


@pytest.fixture
async def watched(oauth_server: OAuthServer, oauth_dovecot: Dovecot, tmp_path: Path) -> AsyncIterator[Watched]:
    made = Watched(oauth_server, oauth_dovecot, tmp_path)
    await made.reader.start()
    yield made
    await made.reader.stop()


async def test_a_token_that_ends_meanwhile_is_refreshed_at_the_next_connection(watched: Watched) -> None:
    deliver(watched.dovecot, watched.server.user, "one")
    await watched.shows("one")
    watched.server.access.clear()
    watched.now += 3600
    watched.cut()
    deliver(watched.dovecot, watched.server.user, "two")
    await watched.shows("one", "two")
    assert watched.server.asked["refresh_token"] == 1


async def test_a_login_that_was_ended_says_what_to_do_and_a_new_one_is_taken_up(watched: Watched) -> None:
    await until(lambda: watched.reader.state == DoorState.WAITING)
    watched.server.revoke()
    watched.now += 3600
    watched.cut()
    await until(lambda: watched.reader.state == DoorState.LOGIN_REFUSED)
    assert watched.reader.detail.endswith("Run `triaged login support`.")
    asked = watched.server.asked["refresh_token"]
    await until(lambda: watched.reader.failures > 4)
    assert watched.server.asked["refresh_token"] == asked == 1
    watched.log_in()
    deliver(watched.dovecot, watched.server.user, "after")
    await watched.shows("after")


async def test_a_token_that_the_mail_server_refuses_is_a_refused_login(watched: Watched) -> None:
    await until(lambda: watched.reader.state == DoorState.WAITING)
    watched.server.access.clear()
    watched.cut()
    await until(lambda: watched.reader.state == DoorState.LOGIN_REFUSED)
    assert "Run `triaged login support`" in watched.reader.detail
    watched.log_in()
    await until(lambda: watched.reader.state == DoorState.WAITING)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_the_end_of_a_login_stands_with_the_door_of_its_mailbox(store: Store) -> None:
    now = datetime.now(UTC)
    told = Doors(store, lambda: now)
    hear = told.listener("support", "live")
    told.login_ends("support", now + timedelta(days=3))
    hear(DoorState.WAITING, "", 0)
    await told.keep()
    kept = store.read_now(lambda session: doors.every(session, store.vault))["support"]
    assert (kept.state, kept.login_ends) == ("waiting for mail", now + timedelta(days=3))
    told.login_ends("support", None)
    await told.keep()
    assert store.read_now(lambda session: doors.every(session, store.vault))["support"].login_ends is None


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_a_mail_is_answered_where_imap_and_smtp_log_in_with_oauth(
    office: Office, oauth_server: OAuthServer, oauth_dovecot: Dovecot, oauth_smtp: MailServer, tmp_path: Path
) -> None:
    user = oauth_server.user = oauth_dovecot.user()
    account = f'host = "127.0.0.1"\nport = {oauth_dovecot.imap}\ntls = "none"\nuser = "{user}"\nsince = "all"'
    house = office.house
    house.change("triaged.toml", 'kind = "lmtp"', f'kind = "imap"\n{account}')
    house.change("triaged.toml", 'listen = "127.0.0.1:0"\n', "")
    house.change("triaged.toml", f"port = {office.sink.port}", f'port = {oauth_smtp.port}\noauth = "support"')
    oauth = f'[mailbox.support.oauth]\nprovider = "oidc"\nclient_id = "{CLIENT}"\nissuer = "{oauth_server.base}"\n'
    (tmp_path / "triaged.toml").write_text((tmp_path / "triaged.toml").read_text() + oauth)
    letter = house.letter("status")
    deliver_raw(oauth_dovecot, user, letter.raw)
    async with office.open():
        config = office.daemon.config
        door = office.daemon.doors["support"]
        assert isinstance(door, Reader)
        await until(lambda: door.state == DoorState.LOGIN_REFUSED)
        granted = config.mailbox["support"].oauth
        assert granted is not None
        file = configured.token_file(config, "support")
        with file.locked():
            # as good as ended: the daemon has to refresh it
            file.write(Tokens.granted(oauth_server.granted(), client=fingerprint(granted), now=time.time() - 3590))
        await until(lambda: bool(oauth_smtp.received), "no reply left")
        for _ in range(100):
            if any(fate.ended for fate in house.fates()):
                break
            await asyncio.sleep(0.05)
    assert b"Your order 1000 is on its way." in oauth_smtp.received[0]
    assert oauth_server.asked["refresh_token"] == 1


def deliver_raw(dovecot: Dovecot, user: str, raw: bytes) -> None:
    with IMAPClient("127.0.0.1", dovecot.imap, ssl=False, timeout=10) as client:
        client.login(user, "pw")
        client.append("INBOX", raw)
