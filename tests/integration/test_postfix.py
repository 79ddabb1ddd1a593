"""Behind a real Postfix: it hands our mail in over LMTP as `virtual_transport`, and is our submission server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from daemon.outbound.sink import Sink
from tests.e2e.house import House
from tests.fixtures import postfix as servers
from tests.fixtures.dovecot import _free_ports
from tests.fixtures.office import Brain, Office
from tests.fixtures.postfix import Postfix
from tests.promises.test_p01_never_lost import full_disk

pytestmark = [
    pytest.mark.long,  # a real MTA waits in whole seconds
    pytest.mark.parametrize("store_url", ["sqlite"], indirect=True),
]
US = "support@shop.example"


@pytest.fixture
async def sink(start_sink: Callable[..., Awaitable[Sink]], tmp_path: Path) -> Sink:
    return await start_sink(maildir=tmp_path / "sent")


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    with servers.unpacked() as root:
        yield root


@pytest.fixture
async def mta(programs: Path, tmp_path: Path, store_url: str, sink: Sink) -> AsyncIterator[tuple[Office, Postfix]]:
    """A daemon that does not run yet, between the two ends of a Postfix."""
    (lmtp,) = _free_ports(1)
    with servers.running(programs, lmtp=lmtp, relay=sink.port) as postfix:
        house = House(directory=tmp_path, store_url=store_url, lmtp=lmtp)
        house.build(smtp=postfix.smtp, model="http://127.0.0.1:9")
        house.change("triaged.toml", f'address = "{US}"', f'address = "{US}"\naliases = ["help@shop.example"]')
        yield Office(house, sink, Brain()), postfix


async def logged(postfix: Postfix, *words: str) -> None:
    """Wait until a line of Postfix's log has all these words."""
    for _ in range(600):
        if any(all(word in line for word in words) for line in postfix.log().splitlines()):
            return
        await asyncio.sleep(0.05)
    pytest.fail(postfix.log())


async def submit(postfix: Postfix, sender: str, recipients: list[str], raw: bytes) -> None:
    await asyncio.get_running_loop().run_in_executor(None, postfix.submit, sender, recipients, raw)


async def test_what_the_store_can_not_take_stays_in_its_queue_and_comes_once(mta: tuple[Office, Postfix]) -> None:
    office, postfix = mta
    letter = office.house.letter("status")
    async with office.open():
        with full_disk(office.daemon.store):
            await submit(postfix, letter.sender, [US], letter.raw + b"x" * 100_000)
            await logged(postfix, "status=deferred", "451 4.3.0 The mail could not be stored now")
            assert office.house.mails() == []
        await logged(postfix, "status=sent (250 2.6.0 Committed")
        (fate,) = await office.fates()
    assert (fate.rows, fate.outcome, fate.mails) == (1, "sent", 1)


async def test_mail_waits_for_a_daemon_that_does_not_run_and_the_reply_leaves_through_it(
    mta: tuple[Office, Postfix], sink: Sink
) -> None:
    office, postfix = mta
    letter = office.house.letter("status")
    await submit(postfix, letter.sender, [US], letter.raw)
    await logged(postfix, "status=deferred", "Connection refused")
    async with office.open():
        await office.fates()
        await office.until(lambda: len(sink.received) == 1)
    reply = sink.received[0]
    assert (reply.mail_from, reply.rcpt_to) == (US, (letter.sender,))
    assert f"In-Reply-To: <{letter.message_id}>".encode() in reply.raw
    assert b"Your order 1000 is on its way." in reply.raw


async def test_a_mail_to_several_of_our_addresses_is_one_and_one_to_nobody_goes_back(
    mta: tuple[Office, Postfix], sink: Sink
) -> None:
    office, postfix = mta
    letter = office.house.letter("question")
    async with office.open():
        await submit(postfix, letter.sender, [US, "help@shop.example", "nobody@shop.example"], letter.raw)
        (fate,) = await office.fates()
        await logged(postfix, "nobody@shop.example", "status=bounced", "550 5.1.1 No such mailbox here")
        await office.until(lambda: len(sink.received) == 1)
    assert (fate.rows, fate.state, fate.mails) == (1, "held", 0)
    assert (sink.received[0].mail_from, sink.received[0].rcpt_to) == ("<>", (letter.sender,))
    assert b"nobody@shop.example" in sink.received[0].raw


async def test_a_mail_over_our_limit_goes_back_to_its_sender(mta: tuple[Office, Postfix], sink: Sink) -> None:
    office, postfix = mta
    office.house.change("triaged.toml", f'address = "{US}"', f'address = "{US}"\nmax_size = 20000')
    letter = office.house.letter("status")
    async with office.open():
        await submit(postfix, letter.sender, [US], letter.raw + b"x" * 70 + (b"\r\n" + b"x" * 70) * 1000)
        await logged(postfix, "status=bounced", "size")
        await office.until(lambda: len(sink.received) == 1)
        assert office.house.mails() == []
    assert (sink.received[0].mail_from, sink.received[0].rcpt_to) == ("<>", (letter.sender,))
