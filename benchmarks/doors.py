"""How quickly mail gets in: over LMTP, out of a mailbox, and from its delivery there to the start of the agent."""

import asyncio
import contextlib
import imaplib
import smtplib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imapclient import IMAPClient

from benchmarks.pipeline import house, measured
from daemon.accounts import MailboxConfig
from daemon.inbound.imap import Reader
from daemon.secrets import Credential
from tests.e2e.house import House, Letter
from tests.e2e.processes import hand_in
from tests.fixtures.dovecot import PASSWORD, Dovecot
from tests.fixtures.imap_reader import Intake

CLIENTS = 8
CHUNK = 100
APART = 2.0
"""Seconds between two mails of the latency: each comes to a mailbox that is at rest."""


# --- from delivery to the agent -------------------------------------------------------------------------------------


def latency(dovecot: Dovecot, mails: int) -> None:
    """Deliver mails to a mailbox by LMTP: when does a bare client in IDLE hear of each, when does our agent?"""
    with house("sqlite") as (here, _):
        user = dovecot.user()
        here.read_imap(port=dovecot.imap, user=user, password=PASSWORD, poll="5m")
        with measured(here, "stamping"), _idling(dovecot, user) as heard:
            delivered = list(_deliveries(dovecot, user, here, mails))
            _until(lambda: len(_stamps(here)) >= mails and len(heard) >= mails)
            stamps = _stamps(here)
    server = [heard[number] - at for number, (_, at) in enumerate(delivered)]
    agent = [stamps[letter.order] - at for letter, at in delivered]
    ours = [whole - part for whole, part in zip(agent, server, strict=True)]
    print(f"\nfrom delivery (250 of Dovecot's LMTP) to the agent's start, {mails} mails, one at a time: ms p50 / p99")
    print(f"    until the agent starts             {_quantiles(agent)}")
    print(f"    until a bare client in IDLE hears  {_quantiles(server)}   (Dovecot's part)")
    print(f"    the difference: ours               {_quantiles(ours)}")


def _deliveries(dovecot: Dovecot, user: str, here: House, mails: int) -> Iterator[tuple[Letter, float]]:
    for _ in range(mails):
        time.sleep(APART)
        letter = here.letter("status")
        assert hand_in(dovecot.lmtp, letter, to=f"{user}@localhost")
        yield letter, time.monotonic()


@contextlib.contextmanager
def _idling(dovecot: Dovecot, user: str) -> Iterator[list[float]]:
    """When a client that does nothing but IDLE heard of each mail."""
    heard: list[float] = []
    over = threading.Event()

    def listen() -> None:
        with IMAPClient("127.0.0.1", dovecot.imap, ssl=False, timeout=30) as client:
            client._imap.debug = 0  # noqa: SLF001 - as the reader does
            client.login(user, PASSWORD)
            client.select_folder("INBOX", readonly=True)
            client.idle()
            while not over.is_set():
                for answer in client.idle_check(timeout=0.2):
                    if answer[1] == b"EXISTS" and answer[0] > len(heard):
                        heard.append(time.monotonic())
            client.idle_done()

    thread = threading.Thread(target=listen)
    thread.start()
    yield heard
    over.set()
    thread.join()


def _stamps(here: House) -> dict[str, float]:
    """Order to the instant at which the agent was asked about it (`benchmarks.measured.Stamping`)."""
    path = here.directory / "stamps"
    lines = path.read_text().splitlines() if path.exists() else []
    return {order: float(at) for order, at in (line.split() for line in lines)}


def _quantiles(seconds: Sequence[float]) -> str:
    found = statistics.quantiles([1000 * each for each in seconds], n=100, method="inclusive")
    return f"{found[49]:6.0f} / {found[98]:6.0f}"


# --- LMTP -------------------------------------------------------------------------------------------------------------


def lmtp(dovecot: Dovecot, mails: int) -> None:
    """The same mails by the same clients to triaged, to Dovecot, and to a server that throws them away."""
    print(f"\nLMTP, {mails} mails of 4 KB over {CLIENTS} connections: mails a second until the last 250")
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.discard"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as bare:
        assert bare.stdin is not None
        assert bare.stdout is not None
        port = int(bare.stdout.readline())
        _told("a bare aiosmtpd that discards", mails, _flood(port, "support@shop.example", mails))
        bare.stdin.close()
    user = dovecot.user()
    _told("dovecot-lmtp, into a mailbox", mails, _flood(dovecot.lmtp, f"{user}@localhost", mails))
    for engine in ("sqlite", "postgresql"):
        for brain, kind in (("instant", "newsletters, ignored"), ("waiting", "of customers, taken in")):
            with house(engine) as (here, _), measured(here, brain):
                hand_in(here.lmtp, here.letter("newsletter"))
                took = _flood(here.lmtp, "support@shop.example", mails, automatic=brain == "instant")
            _told(f"triaged on {engine}, {kind}", mails, took)


def _flood(port: int, to: str, mails: int, *, automatic: bool = False) -> float:
    """Seconds until the last mail was taken."""

    def session(numbers: Sequence[int]) -> None:
        with smtplib.LMTP("127.0.0.1", port, timeout=300) as client:
            for number in numbers:
                client.sendmail(f"c{number}@example.com", [to], mail(number, 4000, automatic=automatic))

    started = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(session, [range(first, mails, CLIENTS) for first in range(CLIENTS)]))
    return time.monotonic() - started


def mail(number: int, size: int, *, automatic: bool = False) -> bytes:
    """A mail of about that size; each is another."""
    fields = [
        "Authentication-Results: mx.shop.example; dmarc=pass header.from=example.com",
        *(["List-Id: <news.example.com>"] if automatic else []),
        f"From: c{number}@example.com",
        "To: support@shop.example",
        "Subject: Where is my order?",
        f"Message-ID: <{number}.{size}.{time.time_ns()}@example.com>",
        "Date: Mon, 23 Nov 2026 10:00:00 +0100",
        "Content-Type: text/plain; charset=utf-8",
    ]
    line = "I ordered a lamp three weeks ago and it has not arrived; could you tell me where it is?\r\n"
    head = "\r\n".join(fields) + f"\r\n\r\nHello, where is order {1000 + number}?\r\n"
    return (head + line * ((size - len(head)) // len(line))).encode()


# --- IMAP -------------------------------------------------------------------------------------------------------------


def fetching(dovecot: Dovecot) -> None:
    """Our reader takes a mailbox in, into a store that keeps nothing; beside it imaplib, which only fetches."""
    print(f"\nIMAP, a mailbox that is read from its beginning: mails a second (chunks of {CHUNK} for imaplib)")
    for size, mails in ((4000, 4000), (50_000, 1000)):
        user = dovecot.user()
        _fill(dovecot, user, mails, size)
        _imaplib(dovecot, user, mails, CHUNK)  # the server's caches are warm then for all
        for chunk in (CHUNK, 1):
            took = _imaplib(dovecot, user, mails, chunk)
            _told(f"{size // 1000} KB: raw imaplib, {chunk} a command", mails, took)
        _told(f"{size // 1000} KB: our reader", mails, asyncio.run(_read(dovecot, user, mails)))


def _fill(dovecot: Dovecot, user: str, mails: int, size: int) -> None:
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp) as client:
        for number in range(mails):
            client.sendmail("a@example.com", [f"{user}@localhost"], mail(number, size))


def _imaplib(dovecot: Dovecot, user: str, mails: int, chunk: int) -> float:
    with imaplib.IMAP4("127.0.0.1", dovecot.imap) as client:
        client.login(user, PASSWORD)
        client.select("INBOX", readonly=True)
        started = time.monotonic()
        found = 0
        for first in range(1, mails + 1, chunk):
            _, answer = client.uid("FETCH", f"{first}:{first + chunk - 1}", "(BODY.PEEK[])")
            found += sum(isinstance(part, tuple) for part in answer)
        took = time.monotonic() - started
    assert found == mails
    return took


async def _read(dovecot: Dovecot, user: str, mails: int) -> float:
    taken = asyncio.Event()
    intake = Intake()
    settings = {"kind": "imap", "address": "support@shop.example", "host": "127.0.0.1", "port": dovecot.imap}
    rest = {"tls": "none", "user": user, "password_file": Path("unused"), "since": "all"}
    receive = intake.receive

    async def counting(arrival: object) -> object:
        receipt = await receive(arrival)  # type: ignore[arg-type]
        if len(intake.arrivals) == mails:
            taken.set()
        return receipt

    reader = Reader(
        "support",
        MailboxConfig.model_validate(settings | rest),
        credential=lambda: Credential(PASSWORD),
        receive=counting,  # type: ignore[arg-type]
        cursors=intake,
    )
    started = time.monotonic()
    await reader.start()
    await taken.wait()
    took = time.monotonic() - started
    await reader.stop()
    return took


def _told(what: str, mails: int, seconds: float) -> None:
    print(f"    {what:<46} {mails / seconds:8.0f}")


def _until(condition: Callable[[], bool], *, patience: float = 120) -> None:
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("It does not come to an end. Look at the daemon's log.")
        time.sleep(0.1)
