"""The listener with real clients: 250 only after the commit, and an answer that fits each fault."""

import asyncio
import os
import smtplib
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog

from daemon.accounts import MailboxConfig
from daemon.errors import StoreBusy, StoreUnusable, Unreachable
from daemon.inbound.arrival import Arrival, DoorState, Receipt
from daemon.inbound.condition import Tell, unheard
from daemon.inbound.lmtp import Listener

MAIL = "From: ana@example.com\r\nTo: support@shop.example\r\nSubject: x\r\n\r\nHello\r\n.dot\r\n"
US = "support@shop.example"


@dataclass
class Desk:
    """A store in memory."""

    arrivals: list[Arrival] = field(default_factory=list)
    fails: Exception | None = None
    hold: asyncio.Event | None = None

    async def receive(self, arrival: Arrival) -> Receipt:
        if self.hold is not None:
            await self.hold.wait()
        if self.fails is not None:
            raise self.fails
        self.arrivals.append(arrival)
        return Receipt(message=f"m{len(self.arrivals)}")


@pytest.fixture
def desk() -> Desk:
    return Desk()


Open = Callable[..., Any]


@pytest.fixture
async def listen(desk: Desk) -> AsyncIterator[Open]:
    """Starts listeners, and stops them at the end."""
    opened: list[Listener] = []

    async def start(tell: Tell = unheard, **changes: Any) -> Listener:
        settings = {"kind": "lmtp", "address": US, "aliases": ("help@shop.example",), "listen": "127.0.0.1:0"} | changes
        listener = Listener("support", MailboxConfig.model_validate(settings), desk.receive, tell)
        await listener.start()
        opened.append(listener)
        return listener

    yield start
    await asyncio.gather(*(each.stop() for each in opened))


@pytest.fixture
async def client() -> AsyncIterator[Callable[[Callable[[], Any]], Any]]:
    """Runs a blocking client beside the loop."""
    with ThreadPoolExecutor(4) as threads:

        async def run(work: Callable[[], Any]) -> Any:
            return await asyncio.get_running_loop().run_in_executor(threads, work)

        yield run


def talk(port: int, *lines: str) -> list[str]:
    """The last line of each answer to these commands; `.` ends a mail."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, connection.makefile("rwb") as stream:
        answers = [stream.readline().decode().strip()]
        for line in lines:
            stream.write(line.encode() + b"\r\n")
            stream.flush()
            answer = stream.readline().decode()
            while answer[3:4] == "-":
                answer = stream.readline().decode()
            answers.append(answer.strip())
        return answers


async def test_a_mail_over_lmtp_is_taken_as_it_is(listen: Open, desk: Desk, client: Any) -> None:
    listener = await listen()

    def send() -> None:
        with smtplib.LMTP("127.0.0.1", listener.port) as lmtp:
            assert lmtp.sendmail("ana@example.com", [US], MAIL) == {}

    await client(send)
    (arrival,) = desk.arrivals
    assert arrival.raw == MAIL.encode()
    assert arrival.mailbox == "support"
    assert arrival.envelope.mail_from == "ana@example.com"
    assert arrival.envelope.rcpt_to == (US,)
    assert arrival.received_at.tzinfo is not None
    assert arrival.position is None


async def test_a_mail_over_smtp_is_taken(listen: Open, desk: Desk, client: Any) -> None:
    listener = await listen(kind="smtp")

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", listener.port) as smtp:
            smtp.sendmail("ana@example.com", [US, "help@shop.example"], MAIL)

    await client(send)
    assert len(desk.arrivals) == 1
    assert desk.arrivals[0].envelope.rcpt_to == (US, "help@shop.example")


async def test_the_null_reverse_path_is_told_apart_from_an_unknown_one(listen: Open, desk: Desk, client: Any) -> None:
    listener = await listen()
    lines = ("LHLO x", "MAIL FROM:<>", f"RCPT TO:<{US}>", "DATA", "A: b\r\n\r\nc\r\n.")
    assert (await client(lambda: talk(listener.port, *lines)))[-1].startswith("250")
    assert desk.arrivals[0].envelope.mail_from == ""


async def test_the_answer_waits_for_the_commit(listen: Open, desk: Desk, client: Any) -> None:
    listener = await listen()
    desk.hold = asyncio.Event()
    lines = ("LHLO x", "MAIL FROM:<a@example.com>", f"RCPT TO:<{US}>", "DATA", "A: b\r\n\r\nc\r\n.")
    answers = asyncio.ensure_future(client(lambda: talk(listener.port, *lines)))
    await asyncio.sleep(0.2)
    assert not answers.done()
    desk.hold.set()
    assert (await answers)[-1] == "250 2.6.0 Committed m1"


@pytest.mark.parametrize(
    "error", [StoreBusy("busy"), StoreUnusable("disk full"), OSError("disk"), ValueError("a fault of ours")]
)
@pytest.mark.parametrize("kind", ["lmtp", "smtp"])
async def test_a_mail_that_can_not_be_committed_stays_with_the_client(
    listen: Open, desk: Desk, client: Any, error: Exception, kind: str
) -> None:
    listener = await listen(kind=kind)
    desk.fails = error
    hello = "LHLO x" if kind == "lmtp" else "EHLO x"
    lines = (hello, "MAIL FROM:<a@example.com>", f"RCPT TO:<{US}>", "DATA", "A: b\r\n\r\nc\r\n.", "NOOP")
    answers = await client(lambda: talk(listener.port, *lines))
    assert answers[-2].startswith("451 4.3.0 The mail could not be stored")
    assert answers[-1].startswith("250")
    desk.fails = None
    assert (await client(lambda: talk(listener.port, *lines)))[-2].startswith("250 2.6.0")


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        (f"<{US}>", "250"),
        ("<Support@SHOP.example>", "250"),
        ("<help@shop.example>", "250"),
        ("<support+orders@shop.example>", "250"),
        ("<other@shop.example>", "550 5.1.1"),
        ("<support@evil.example>", "550 5.1.1"),
        ("<support>", "550 5.1.1"),
    ],
)
async def test_only_our_addresses_are_taken(listen: Open, client: Any, recipient: str, code: str) -> None:
    listener = await listen()
    lines = ("LHLO x", "MAIL FROM:<a@example.com>", f"RCPT TO:{recipient}")
    assert (await client(lambda: talk(listener.port, *lines)))[-1].startswith(code)


async def test_lmtp_answers_for_each_recipient_and_takes_the_mail_once(listen: Open, desk: Desk, client: Any) -> None:
    listener = await listen()
    refused: dict[str, Any] = {}

    def send() -> None:
        with smtplib.LMTP("127.0.0.1", listener.port) as lmtp:
            refused.update(lmtp.sendmail("a@example.com", [US, "other@shop.example", "help@shop.example"], MAIL))
            assert lmtp.getreply()[0] == 250  # smtplib reads one answer; ours sends one a recipient
            assert lmtp.noop()[0] == 250

    await client(send)
    assert list(refused) == ["other@shop.example"]
    assert len(desk.arrivals) == 1


@pytest.mark.parametrize(("kind", "answers"), [("lmtp", 2), ("smtp", 1)])
async def test_a_mail_over_the_limit_is_refused_once_for_each_recipient_where_lmtp_asks_for_it(
    listen: Open, desk: Desk, client: Any, kind: str, answers: int
) -> None:
    listener = await listen(kind=kind, max_size=10_000)

    def send() -> list[bytes]:
        with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as sock, sock.makefile("rwb") as stream:
            stream.write(b"%s x\r\nMAIL FROM:<a@example.com>\r\n" % (b"LHLO" if kind == "lmtp" else b"EHLO"))
            stream.write(f"RCPT TO:<{US}>\r\nRCPT TO:<help@shop.example>\r\nDATA\r\n".encode())
            stream.write(b"A: b\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 1000 + b".\r\nQUIT\r\n")
            stream.flush()
            return [line for line in stream.readlines() if line[:1] in b"235" and line[3:4] == b" "]

    lines = await client(send)
    told = [line for line in lines if line.startswith(b"552 5.3.4")]
    assert len(told) == answers
    assert b"10000 octets" in told[0]
    assert lines[-1].startswith(b"221")
    assert not desk.arrivals


async def test_the_limit_is_announced_and_a_declared_size_over_it_is_refused_at_once(listen: Open, client: Any) -> None:
    listener = await listen(kind="smtp", max_size=10_000)

    def send() -> tuple[bool, int]:
        with smtplib.SMTP("127.0.0.1", listener.port) as smtp:
            smtp.ehlo()
            return smtp.esmtp_features.get("size") == "10000", smtp.mail("a@example.com", ["SIZE=60000000"])[0]

    assert await client(send) == (True, 552)


async def test_a_long_line_and_8_bit_text_are_taken(listen: Open, desk: Desk, client: Any) -> None:
    listener = await listen()
    mail = "Subject: x\r\n\r\n" + "ü" * 50_000 + "\r\n"

    def send() -> None:
        with smtplib.LMTP("127.0.0.1", listener.port) as lmtp:
            lmtp.sendmail("a@example.com", [US], mail.encode())

    await client(send)
    assert desk.arrivals[0].raw == mail.encode()


async def test_a_bare_line_feed_before_the_dot_does_not_end_a_mail(listen: Open, desk: Desk, client: Any) -> None:
    listener = await listen()
    smuggled = "A: b\r\n\r\none\n.\nMAIL FROM:<eve@evil.example>\r\nmore\n.\r\ntwo\r\n."
    lines = ("LHLO x", "MAIL FROM:<a@example.com>", f"RCPT TO:<{US}>", "DATA", smuggled)
    assert (await client(lambda: talk(listener.port, *lines)))[-1].startswith("250")
    assert len(desk.arrivals) == 1
    assert desk.arrivals[0].raw.endswith(b"two\r\n")


async def test_a_client_that_leaves_does_not_tear_the_commit(listen: Open, desk: Desk, client: Any) -> None:
    listener = await listen()
    desk.hold = asyncio.Event()

    def send_and_leave() -> None:
        with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as sock:
            sock.sendall(f"LHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<{US}>\r\nDATA\r\n".encode())
            sock.sendall(b"A: b\r\n\r\nc\r\n.\r\n")
            while b"354" not in sock.recv(4096):
                pass

    await client(send_and_leave)
    await asyncio.sleep(0.1)
    desk.hold.set()
    await asyncio.sleep(0.1)
    assert len(desk.arrivals) == 1


async def test_stop_answers_what_is_being_committed(listen: Open, desk: Desk, client: Any) -> None:
    listener = await listen()
    desk.hold = asyncio.Event()
    lines = ("LHLO x", "MAIL FROM:<a@example.com>", f"RCPT TO:<{US}>", "DATA", "A: b\r\n\r\nc\r\n.")
    answers = asyncio.ensure_future(client(lambda: talk(listener.port, *lines)))
    await asyncio.sleep(0.2)
    stopping = asyncio.ensure_future(listener.stop())
    await asyncio.sleep(0.05)
    desk.hold.set()
    await stopping
    assert (await answers)[-1].startswith("250")
    assert listener.condition.state is DoorState.STOPPED


async def test_a_port_in_use_is_told_with_what_to_do(listen: Open) -> None:
    first = await listen()
    with pytest.raises(Unreachable, match=r"can't listen on 127\.0\.0\.1:\d+: .*in use\. Stop the program"):
        await listen(listen=f"127.0.0.1:{first.port}")


@pytest.mark.parametrize("address", ["192.0.2.1:2424", "unix:/nowhere/at/all"])
async def test_an_address_that_is_not_ours_is_told(listen: Open, address: str) -> None:
    with pytest.raises(Unreachable, match="change `listen`"):
        await listen(listen=address)


async def test_a_unix_socket_is_for_user_and_group_and_a_stale_one_is_replaced(
    listen: Open, desk: Desk, client: Any, tmp_path: Path
) -> None:
    path = tmp_path / "lmtp"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    listener = await listen(listen=f"unix:{path}")
    assert listener.port == 0
    assert path.stat().st_mode & 0o777 == 0o660

    def send() -> None:
        with smtplib.LMTP(str(path)) as lmtp:
            lmtp.sendmail("a@example.com", [US], MAIL)

    await client(send)
    assert len(desk.arrivals) == 1
    with pytest.raises(Unreachable, match="in use"):
        await listen(listen=f"unix:{path}")
    await listener.stop()
    assert not path.exists()


async def test_a_unix_socket_is_never_open_to_others_whatever_the_umask(
    listen: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lmtp"
    seen: list[int] = []
    bind = socket.socket.bind

    def watched(self: socket.socket, address: Any) -> None:
        bind(self, address)
        seen.append(path.stat().st_mode & 0o777)

    monkeypatch.setattr(socket.socket, "bind", watched)
    umask = os.umask(0o000)
    try:
        await listen(listen=f"unix:{path}")
    finally:
        os.umask(umask)
    assert seen == [0o660]


async def test_something_else_in_the_place_of_the_socket_is_left_there(listen: Open, tmp_path: Path) -> None:
    (tmp_path / "lmtp").write_text("a file of somebody")
    with pytest.raises(Unreachable, match="in use"):
        await listen(listen=f"unix:{tmp_path / 'lmtp'}")
    assert (tmp_path / "lmtp").read_text() == "a file of somebody"


async def test_what_is_refused_is_logged_without_what_the_client_said(listen: Open, desk: Desk, client: Any) -> None:
    listener = await listen(kind="smtp", max_size=10_000)
    with structlog.testing.capture_logs() as logs:
        await client(
            lambda: talk(
                listener.port,
                "EHLO x",
                "MAIL FROM:<secret@example.com> SIZE=60000000",
                "MAIL FROM:<secret@example.com>",
                "RCPT TO:<nobody-secret@shop.example>",
                f"RCPT TO:<{US}>",
                "DATA",
                "A: b\r\n\r\n" + ("y" * 70 + "\r\n") * 1000 + ".",
            )
        )
    refused = [(each["log_level"], each["code"]) for each in logs if each["event"] == "lmtp.refused"]
    assert refused == [("warning", 552), ("info", 550), ("warning", 552)]
    assert "secret" not in str(logs)


async def test_the_door_tells_when_the_store_is_away_and_when_it_is_back(listen: Open, desk: Desk, client: Any) -> None:
    told: list[tuple[DoorState, int]] = []
    listener = await listen(tell=lambda state, _, failures: told.append((state, failures)))
    lines = ("LHLO x", "MAIL FROM:<a@example.com>", f"RCPT TO:<{US}>", "DATA", "A: b\r\n\r\nc\r\n.")
    for fails in (StoreBusy("busy"), StoreBusy("busy"), None, None):
        desk.fails = fails
        await client(lambda: talk(listener.port, *lines))
    await listener.stop()
    states = (DoorState.WAITING, 0), (DoorState.STORE_AWAY, 1), (DoorState.STORE_AWAY, 2)
    assert told == [*states, (DoorState.WAITING, 0), (DoorState.STOPPED, 0)]
