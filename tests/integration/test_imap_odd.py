"""IMAP servers that are not Dovecot: what they may do by the RFCs, and what they do all the same."""

from dataclasses import replace

import pytest

from daemon.inbound.arrival import DoorState
from daemon.secrets import Credential
from tests.fixtures.dovecot import Dovecot
from tests.fixtures.imap_odd import context, odd_server
from tests.fixtures.imap_reader import QUICK, Intake, Open, until

NEVER = replace(QUICK, round=3600.0)
"""No round ends within a test: what is noticed was told."""


@pytest.mark.parametrize("tls", ["none", "implicit"])
async def test_mail_that_is_told_in_one_segment_with_the_continuation_is_noticed_at_once(
    dovecot: Dovecot, intake: Intake, reader: Open, tls: str
) -> None:
    """It lies in imaplib's buffer, or in TLS, and the socket has nothing left to poll for."""
    with odd_server(with_continuation="glued", tls=context(dovecot.base) if tls == "implicit" else None) as server:
        await reader(port=server.port, tls=tls, ca_file=dovecot.ca_file, poll="1h", timing=NEVER).start()
        await until(lambda: intake.subjects == ["glued"])
        assert server.connections == 1


async def test_mail_that_is_told_before_the_continuation_costs_a_connection_and_nothing_else(
    intake: Intake, reader: Open
) -> None:
    with odd_server(before_continuation="early") as server:
        await reader(port=server.port, poll="1h", timing=NEVER).start()
        await until(lambda: intake.subjects == ["early"])


async def test_a_server_without_idle_is_polled_and_still_interrupted(intake: Intake, reader: Open) -> None:
    with odd_server(capabilities=b"IMAP4rev1 AUTH=PLAIN") as server:
        door = reader(port=server.port, poll="50ms")
        await door.start()
        await until(lambda: door.state is DoorState.WAITING)
        server.put("polled")
        await until(lambda: intake.subjects == ["polled"])
        assert not any("IDLE" in command.split()[1:2] for command in server.commands)
        slow = reader(port=server.port, poll="1h", timing=NEVER)
        await slow.start()
        await until(lambda: slow.state is DoorState.WAITING)
        assert await slow.ask(lambda client: client.noop()[0]) == b"done"


async def test_a_server_that_offers_idle_and_refuses_it_is_polled_after_three_tries(
    intake: Intake, reader: Open
) -> None:
    with odd_server(idle=b"BAD not today") as server:
        door = reader(port=server.port, poll="50ms", timing=replace(QUICK, first=0.01))
        await door.start()
        await until(lambda: server.connections == 4)
        server.put("polled")
        await until(lambda: intake.subjects == ["polled"])
        assert server.connections == 4


@pytest.mark.parametrize(
    ("habits", "state"),
    [
        ({"capabilities": b"IMAP4rev1 AUTH=PLAIN"}, DoorState.TLS_REFUSED),
        ({"greeting": b"* PREAUTH welcome", "capabilities": b"IMAP4rev1 STARTTLS AUTH=PLAIN"}, DoorState.FAILING),
    ],
    ids=["STARTTLS taken out of the capabilities", "PREAUTH, after which STARTTLS is forbidden"],
)
async def test_a_server_that_keeps_us_from_starttls_gets_no_password_and_no_mail(
    reader: Open, habits: dict[str, bytes], state: DoorState
) -> None:
    with odd_server(**habits) as server:
        door = reader(port=server.port, tls="starttls")
        await door.start()
        await until(lambda: door.failures > 0)
        assert door.state is state
        assert not server.proofs
        assert not any(word in " ".join(server.commands) for word in ("LOGIN", "AUTHENTICATE", "SELECT"))


async def test_a_password_of_any_letters_reaches_the_server_as_it_is(reader: Open) -> None:
    with odd_server() as server:
        await reader(port=server.port, user="Jörg Öz", credential=lambda: Credential('p"ä\\ß €')).start()
        await until(lambda: bool(server.proofs))
        assert server.proofs == ['\0Jörg Öz\0p"ä\\ß €'.encode()]


async def test_a_server_that_takes_only_login_gets_that(reader: Open) -> None:
    with odd_server(capabilities=b"IMAP4rev1 IDLE") as server:
        door = reader(port=server.port, user="support")
        await door.start()
        await until(lambda: door.state is DoorState.WAITING)
        assert any(command.endswith('LOGIN support "pw"') for command in server.commands)


@pytest.mark.parametrize(
    ("offered", "first", "second"),
    [
        (b"AUTH=XOAUTH2 AUTH=OAUTHBEARER", b"user=support\1auth=Bearer t0ken\1\1", b""),
        (b"AUTH=OAUTHBEARER", b"n,a=support,\1auth=Bearer t0ken\1\1", b"\1"),
    ],
)
async def test_a_refused_token_is_sent_once_and_its_challenge_answered_as_the_rfc_wants(
    reader: Open, offered: bytes, first: bytes, second: bytes
) -> None:
    """RFC 7628 section 3.2.3; the error is a challenge, and the refusal comes after the answer to it."""
    with odd_server(
        capabilities=b"IMAP4rev1 IDLE " + offered, challenge=b'{"status":"401"}', login=b"NO refused"
    ) as server:
        door = reader(port=server.port, user="support", credential=lambda: Credential("t0ken", "token"))
        await door.start()
        await until(lambda: door.state is DoorState.LOGIN_REFUSED)
        assert server.proofs == [first, second]
        assert server.connections == 1


async def test_a_login_that_is_refused_for_now_is_tried_again_soon(reader: Open) -> None:
    with odd_server(login=b"NO [UNAVAILABLE] Temporary authentication failure") as server:
        door = reader(port=server.port)
        await door.start()
        await until(lambda: server.connections > 1)
        assert door.state is DoorState.UNREACHABLE
        server.login = b"OK done"
        await until(lambda: door.state is DoorState.WAITING)
        assert (door.failures, door.detail) == (0, "")
