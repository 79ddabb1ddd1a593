"""A connection that carried a mail carries the next; whatever is wrong with it proves nothing about that mail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from daemon.accounts import SmtpConfig
from daemon.errors import Refused4xx, Refused5xx, Uncertain, Unreachable
from daemon.outbound.idle import Idle
from daemon.outbound.sink import Phase, Sink
from daemon.outbound.smtp import Opened, Submission

RAW = b"From: a@shop.example\r\nTo: ana@example.com\r\nSubject: x\r\n\r\nHello\r\n"
Send = Callable[..., Awaitable[str]]


@pytest.fixture
async def idle() -> AsyncIterator[Idle]:
    kept = Idle(mails=3)
    yield kept
    kept.close()


def submission(sink: Sink, idle: Idle, **settings: Any) -> Submission:
    config = SmtpConfig(**{"host": "127.0.0.1", "port": sink.port, "tls": "none", "timeout": 1.0, **settings})
    return Submission(config, final=0.3, idle=idle)


async def opened(sink: Sink, idle: Idle, **settings: Any) -> Opened:
    return await submission(sink, idle, **settings).open("support@shop.example", "ana@example.com", size=len(RAW))


async def send(sink: Sink, idle: Idle, **settings: Any) -> str:
    return await (await opened(sink, idle, **settings)).send(RAW)


def connections(sink: Sink) -> int:
    return sink.phases.count("connect")


def once(phase: Phase, answer: str) -> Callable[[Phase], str | None]:
    """A fault at the next time that a phase is reached, and never again."""
    left = [answer]
    return lambda asked: left.pop() if asked == phase and left else None


async def test_mails_go_over_one_connection_up_to_a_number(smtp_sink: Sink, idle: Idle) -> None:
    for _ in range(5):
        await send(smtp_sink, idle)
    assert len(smtp_sink.received) == 5
    assert connections(smtp_sink) == 2


async def test_a_mail_that_was_given_up_before_its_content_leaves_the_connection_clean(
    smtp_sink: Sink, idle: Idle
) -> None:
    await (await opened(smtp_sink, idle)).abandon()
    await send(smtp_sink, idle)
    assert connections(smtp_sink) == 1
    assert [mail.rcpt_to for mail in smtp_sink.received] == [("ana@example.com",)]


async def test_two_at_the_same_time_have_two_connections(smtp_sink: Sink, idle: Idle) -> None:
    first, second = await opened(smtp_sink, idle), await opened(smtp_sink, idle)
    await asyncio.gather(first.send(RAW), second.send(RAW))
    await send(smtp_sink, idle)
    assert (connections(smtp_sink), len(smtp_sink.received)) == (2, 3)


@pytest.mark.parametrize("phase", ["mail", "rcpt"])
@pytest.mark.parametrize(
    "answer", ["421 4.7.0 Too many mails", "451 4.3.0 Later", "503 5.5.1 EHLO first", "drop", "hang"]
)
async def test_a_fault_before_the_content_is_tried_on_a_new_connection_at_once(
    smtp_sink: Sink, idle: Idle, phase: Phase, answer: str
) -> None:
    await send(smtp_sink, idle)
    smtp_sink.decide = once(phase, answer)
    assert await send(smtp_sink, idle) == "250 2.0.0 Stored"
    assert (connections(smtp_sink), len(smtp_sink.received)) == (2, 2)


@pytest.mark.parametrize(("answer", "error"), [("550 5.1.1 No such user", Refused5xx), ("450 4.2.0 Grey", Refused4xx)])
async def test_what_a_new_connection_answers_counts(
    smtp_sink: Sink, idle: Idle, answer: str, error: type[Exception]
) -> None:
    await send(smtp_sink, idle)
    smtp_sink.decide = lambda asked: answer if asked == "rcpt" else None
    with pytest.raises(error):
        await send(smtp_sink, idle)


async def test_a_server_that_went_away_meanwhile_is_unreachable(smtp_sink: Sink, idle: Idle) -> None:
    await send(smtp_sink, idle)
    await smtp_sink.stop()
    with pytest.raises(Unreachable):
        await send(smtp_sink, idle)


@pytest.mark.parametrize(
    ("phase", "answer", "error"),
    [
        ("data", "451 4.3.0 Later", Refused4xx),
        ("data", "drop", Refused4xx),
        ("content", "554 5.7.1 Spam", Refused5xx),
        ("stored", "drop", Uncertain),
        ("stored", "hang", Uncertain),
    ],
)
async def test_from_the_content_on_certainty_is_the_same_and_the_connection_is_not_kept(
    smtp_sink: Sink, idle: Idle, phase: Phase, answer: str, error: type[Exception]
) -> None:
    await send(smtp_sink, idle)
    smtp_sink.decide = once(phase, answer)
    with pytest.raises(error):
        await send(smtp_sink, idle)
    await send(smtp_sink, idle)
    assert connections(smtp_sink) == 2


async def test_other_settings_have_a_connection_of_their_own(smtp_sink: Sink, idle: Idle) -> None:
    await send(smtp_sink, idle)
    await send(smtp_sink, idle, timeout=2.0)
    assert connections(smtp_sink) == 2


async def test_it_is_left_after_some_seconds(smtp_sink: Sink) -> None:
    idle = Idle(seconds=0.0)
    config = submission(smtp_sink, idle).config
    await send(smtp_sink, idle)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert idle.take(config) is None
    await send(smtp_sink, idle)
    assert connections(smtp_sink) == 2
    idle.close()
