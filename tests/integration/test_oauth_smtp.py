"""AUTH with a token against a real SMTP server: XOAUTH2, OAUTHBEARER, and how a refusal is ended and told."""

import asyncio
from collections.abc import Callable

import pytest

from daemon.accounts import SmtpConfig
from daemon.errors import LoginRefused, Unreachable
from daemon.outbound.smtp import Submission
from daemon.secrets import Credential
from tests.fixtures.oauth_server import MailServer, OAuthServer

RAW = b"From: a@shop.example\r\nTo: ana@example.com\r\nSubject: x\r\n\r\nend\r\n"


def submission(mail: MailServer, token: Callable[[], str], *, port: int | None = None) -> Submission:
    async def proof() -> Credential:
        return Credential(token(), "token")

    config = SmtpConfig(host="127.0.0.1", port=port or mail.port, tls="none", user="support", oauth="support")
    return Submission(config, proof)


@pytest.mark.parametrize("without", ["OAUTHBEARER", "XOAUTH2"])
async def test_a_mail_leaves_after_a_login_with_a_token(
    oauth_server: OAuthServer, oauth_smtp: MailServer, without: str
) -> None:
    oauth_smtp.without = [without]
    token = oauth_server.granted()["access_token"]
    opened = await submission(oauth_smtp, lambda: token).open("a@shop.example", "ana@example.com")
    assert (await opened.send(RAW)).startswith("250")
    assert oauth_smtp.received == [RAW]


@pytest.mark.parametrize(("without", "said"), [("OAUTHBEARER", b""), ("XOAUTH2", b"\1")])
async def test_a_refused_token_is_a_login_that_a_person_has_to_renew(
    oauth_smtp: MailServer, without: str, said: bytes
) -> None:
    """The server tells why in a challenge, which wants an empty answer, or ^A for OAUTHBEARER, before it says 535."""
    oauth_smtp.without = [without]
    with pytest.raises(LoginRefused, match=r"535.*Run `triaged login support`") as refused:
        await submission(oauth_smtp, lambda: "secret-token").open("a@shop.example", "ana@example.com")
    assert oauth_smtp.answers == [said]
    assert "secret-token" not in str(refused.value)


async def test_each_login_asks_for_a_token_of_its_own(oauth_server: OAuthServer, oauth_smtp: MailServer) -> None:
    asked: list[str] = []

    def token() -> str:
        asked.append(oauth_server.granted()["access_token"])
        return asked[-1]

    out = submission(oauth_smtp, token)
    await out.prove()
    oauth_server.access.pop(asked[0])
    await out.prove()
    assert len(asked) == 2


async def test_a_token_that_can_not_be_had_costs_no_connection(oauth_smtp: MailServer) -> None:
    def token() -> str:
        raise LoginRefused("Run `triaged login support`.")

    oauth_smtp.connection = lambda: pytest.fail("the server was asked")  # type: ignore[method-assign]
    with pytest.raises(LoginRefused, match="triaged login"):
        await submission(oauth_smtp, token).open("a@shop.example", "ana@example.com")
    await asyncio.sleep(0)


async def test_a_server_without_any_login_by_oauth_is_told(oauth_smtp: MailServer) -> None:
    oauth_smtp.without = ["XOAUTH2", "OAUTHBEARER"]
    with pytest.raises(Unreachable, match="offers no login with OAuth"):
        await submission(oauth_smtp, lambda: "x").prove()
