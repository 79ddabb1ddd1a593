"""Submission against a real server: each failure is either a certain non-delivery or uncertain, and never mixed up."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.accounts import SmtpConfig
from daemon.errors import Refused4xx, Refused5xx, Uncertain, Unreachable
from daemon.outbound.sink import Phase, Sink
from daemon.outbound.smtp import Proof, Submission
from daemon.secrets import Credential
from tests.fixtures.smtp_sink import Certificate
from tools.errors import Permanent, TriagedError

RAW = b"From: a@shop.example\r\nTo: ana@example.com\r\nSubject: x\r\n\r\n.dot\r\n..two\r\nend\r\n"
StartSink = Callable[..., Awaitable[Sink]]


def submission(sink: Sink, password: str | None = None, **settings: Any) -> Submission:
    config = SmtpConfig(**{"host": "127.0.0.1", "port": sink.port, "tls": "none", "timeout": 2.0, **settings})
    return Submission(config, proof(password) if password else None, final=0.3)


def proof(secret: str) -> Proof:
    async def credential() -> Credential:
        return Credential(secret)

    return credential


def at(phase: Phase, decision: str) -> Callable[[Phase], str | None]:
    return lambda asked: decision if asked == phase else None


async def send(sink: Sink, raw: bytes = RAW, **settings: Any) -> str:
    opened = await submission(sink, **settings).open("support@shop.example", "ana@example.com", size=len(raw))
    return await opened.send(raw)


async def test_a_mail_arrives_as_it_was_composed(smtp_sink: Sink) -> None:
    assert await send(smtp_sink) == "250 2.0.0 Stored"
    (received,) = smtp_sink.received
    assert received.mail_from == "support@shop.example"
    assert received.rcpt_to == ("ana@example.com",)
    assert received.raw == received.path.read_bytes() == RAW
    assert received.path.parent.name == "new"


async def test_bare_line_ends_leave_as_crlf_and_a_missing_last_one_is_added(smtp_sink: Sink) -> None:
    await send(smtp_sink, b"Subject: x\n\n.a\rb")
    assert smtp_sink.received[0].raw == b"Subject: x\r\n\r\n.a\r\nb\r\n"


async def test_a_mail_of_a_megabyte_arrives_whole(smtp_sink: Sink) -> None:
    raw = b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 60_000
    await send(smtp_sink, raw)
    assert smtp_sink.received[0].raw == raw


@pytest.mark.parametrize("phase", ["mail", "rcpt"])
async def test_a_refused_envelope_is_a_certain_non_delivery(smtp_sink: Sink, phase: Phase) -> None:
    smtp_sink.decide = at(phase, "451 4.3.0 Later, <ana@example.com>")
    with pytest.raises(Refused4xx) as later:
        await send(smtp_sink)
    assert later.value.code == 451
    assert "ana@example.com" not in str(later.value)
    smtp_sink.decide = at(phase, "550 5.1.1 No")
    with pytest.raises(Refused5xx, match=r"550 5\.1\.1 No") as never:
        await send(smtp_sink)
    assert never.value.code == 550
    for decision in ("drop", "hang"):
        smtp_sink.decide = at(phase, decision)
        with pytest.raises(Unreachable):
            await send(smtp_sink, timeout=0.3)
    assert smtp_sink.received == []


@pytest.mark.parametrize("decision", ["drop", "hang", "421 4.3.2 Busy", "554 5.3.2 Go away"])
async def test_a_server_that_does_not_greet_is_unreachable(smtp_sink: Sink, decision: str) -> None:
    smtp_sink.decide = at("connect", decision)
    with pytest.raises(Unreachable, match=r"See \[smtp\]"):
        await send(smtp_sink, timeout=0.3)


async def test_nothing_listening_is_unreachable() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        config = SmtpConfig(host="127.0.0.1", port=reserved.getsockname()[1], tls="none", timeout=1.0)
        with pytest.raises(Unreachable, match="Connection refused"):
            await Submission(config).open("a@shop.example", "b@example.com")


@pytest.mark.parametrize(
    ("decision", "error", "code"),
    [
        ("451 4.3.0 Later", Refused4xx, 451),
        ("554 5.6.0 No", Refused5xx, 554),
        ("drop", Refused4xx, 421),
        ("hang", Refused4xx, 421),
        ("250 What", Refused4xx, 421),
    ],
)
async def test_data_that_is_refused_before_the_content_is_a_certain_non_delivery(
    smtp_sink: Sink, decision: str, error: type[TriagedError], code: int
) -> None:
    smtp_sink.decide = at("data", decision)
    with pytest.raises(error) as refused:
        await send(smtp_sink, timeout=0.3)
    assert isinstance(refused.value, Refused4xx | Refused5xx)
    assert refused.value.code == code
    assert smtp_sink.received == []


async def test_the_answer_to_the_final_dot_is_believed(smtp_sink: Sink) -> None:
    smtp_sink.decide = at("content", "452 4.2.2 Full")
    with pytest.raises(Refused4xx, match=r"452 4\.2\.2 Full"):
        await send(smtp_sink)
    smtp_sink.decide = at("content", "550 5.7.1 Spam")
    with pytest.raises(Refused5xx, match=r"550 5\.7\.1 Spam"):
        await send(smtp_sink)
    assert smtp_sink.received == []


@pytest.mark.parametrize("phase", ["content", "stored"])
@pytest.mark.parametrize("decision", ["drop", "hang", "299 Maybe", "nonsense"])
async def test_no_answer_after_the_final_dot_is_uncertain_whether_it_was_stored_or_not(
    smtp_sink: Sink, phase: Phase, decision: str
) -> None:
    smtp_sink.decide = at(phase, decision)
    with pytest.raises(Uncertain, match="Nobody can know"):
        await send(smtp_sink, timeout=0.3)
    assert len(smtp_sink.received) == (phase == "stored")


async def test_a_deadline_that_passes_before_the_final_dot_cuts_the_mail_off(smtp_sink: Sink) -> None:
    opened = await submission(smtp_sink).open("support@shop.example", "ana@example.com")
    with pytest.raises(Refused4xx, match="too slow"):
        await opened.send(RAW, timeout=0.0)
    await asyncio.sleep(0.05)
    assert smtp_sink.received == []


async def test_an_abandoned_session_sends_nothing(smtp_sink: Sink) -> None:
    opened = await submission(smtp_sink).open("support@shop.example", "ana@example.com")
    await opened.abandon()
    assert smtp_sink.received == []
    assert "data" not in smtp_sink.phases


async def test_abandoning_a_session_that_the_server_ended_is_quiet(smtp_sink: Sink) -> None:
    opened = await submission(smtp_sink).open("support@shop.example", "ana@example.com")
    await smtp_sink.stop()
    await opened.abandon()


async def test_a_mail_too_large_for_the_server_is_refused_at_mail_from(smtp_sink: Sink) -> None:
    with pytest.raises(Refused5xx, match="552"):
        await submission(smtp_sink).open("support@shop.example", "ana@example.com", size=2**40)


async def test_starttls_and_login(start_sink: StartSink, loopback_certificate: Certificate) -> None:
    sink = await start_sink(tls=loopback_certificate.context, login=("support", "secret"))
    settings = {
        "tls": "starttls",
        "ca_file": loopback_certificate.ca_file,
        "user": "support",
        "password_file": Path("x"),
    }
    opened = await submission(sink, "secret", **settings).open("support@shop.example", "ana@example.com")
    assert (await opened.send(RAW)).startswith("250")
    with pytest.raises(Unreachable, match="535"):
        await submission(sink, "wrong", **settings).open("support@shop.example", "ana@example.com")


async def test_implicit_tls(start_sink: StartSink, loopback_certificate: Certificate) -> None:
    sink = await start_sink(tls=loopback_certificate.context, implicit=True)
    assert await send(sink, tls="implicit", ca_file=loopback_certificate.ca_file) == "250 2.0.0 Stored"
    assert await send(sink, tls="implicit", ca_file=loopback_certificate.ca_file, host="localhost")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    start_sink: StartSink, loopback_certificate: Certificate, tls: str
) -> None:
    sink = await start_sink(tls=loopback_certificate.context, implicit=tls == "implicit")
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        await send(sink, tls=tls)
    assert "mail" not in sink.phases


async def test_a_server_without_starttls_gets_neither_mail_nor_password(smtp_sink: Sink) -> None:
    with pytest.raises(Unreachable, match=r"(?i)starttls"):
        await submission(smtp_sink, "secret", tls="starttls", user="support", password_file=Path("x")).open(
            "a@shop.example", "b@example.com"
        )
    assert smtp_sink.phases == ["connect"]


def test_a_password_never_crosses_the_network_in_clear() -> None:
    config = SmtpConfig(host="127.0.0.1", tls="none", user="support", password_file=Path("x"))
    with pytest.raises(Permanent, match="in clear"):
        Submission(config.model_copy(update={"host": "mx.shop.example"}), proof("secret"))


def test_a_ca_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="ca_file"):
        Submission(SmtpConfig(ca_file=tmp_path / "none.pem"))
