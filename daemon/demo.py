"""The whole thing in one process: a sample shop, its mails, the real daemon, a mail server that keeps what leaves."""

import asyncio
import smtplib
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Literal, Self

from sqlmodel import Session, col, select

from daemon import config as configuration
from daemon.errors import Unreachable, WrongUse
from daemon.inbound.lmtp import Listener
from daemon.main import Daemon
from daemon.outbound.sink import Received, Sink
from daemon.scaffold import directory as scaffold
from daemon.store import schema
from daemon.store.engine import prepared
from daemon.store.tables import Draft, Mail
from tools.samples import shop
from tools.samples.mails import SampleMail, mails

HANDLER = "customer_service"
MAILBOX = "support"
LOG = "demo.log"
"""Where a caller may keep the log, from before there is anything else in the directory."""
LOOK = 0.1
"""Seconds between two looks at the store."""

Provider = Literal["embedded", "anthropic"]
Outcome = Literal["waiting", "sent", "held", "ignored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What has become of a sample mail so far."""

    name: str
    category: str
    language: str
    sender: str
    subject: str
    expected: str
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    """Why it is held or ignored."""
    draft: str | None = None
    reply: Path | None = None
    """The mail that left."""
    problems: tuple[str, ...] = ()
    """What is not as it must be; empty once it ended well."""


def begun(directory: Path) -> bool:
    """Whether an earlier demo lies in the directory.

    Raises:
        WrongUse: something else does.
    """
    if (directory / configuration.FILE).exists() and (directory / "sent").is_dir():
        return True
    if directory.exists() and not directory.is_dir():
        raise WrongUse(f"{directory} is not a directory. Choose another one for --dir.")
    if directory.exists() and any(path.name != LOG for path in directory.iterdir()):
        raise WrongUse(f"{directory} is not empty, and no demo. Choose another directory for --dir.")
    return False


class Demo:
    """`async with Demo(directory) as demo:` then `deliver`, then look at `settle`.

    Where an earlier demo lies, it goes on with it: no mail comes in, and what was approved meanwhile leaves.
    """

    def __init__(self, directory: Path, *, seed: int = 0, brain: Provider = "embedded") -> None:
        """Nothing is written yet.

        Args:
            directory: configuration, shop, store and sent mail are kept in it.
            seed: which shop and which mails.
            brain: what plays the model.
        """
        self.directory = directory
        self.sent = directory / "sent"
        self._seed = seed
        self._brain = brain
        self._samples: list[SampleMail] = []
        self._parsed: dict[str, EmailMessage] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Build the shop and the configuration if they are not there; start the mail server and the daemon.

        Raises:
            WrongUse: the directory holds something else.
            Unreachable: the port of an earlier demo is in use.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        again = begun(self.directory)
        self._sink = Sink(self.sent, port=configuration.load(self.directory).smtp.port if again else 0)
        if not again:
            self._invent()
        try:
            await self._sink.start()
        except OSError as error:
            told = f"Can't listen on port {self._sink.port}: {error.strerror}. Stop what uses it, or begin a new demo."
            raise Unreachable(told) from error
        self._stack.push_async_callback(self._sink.stop)
        if not again:
            _configure(self.directory, smtp_port=self._sink.port, brain=self._brain)
        self._daemon = await self._stack.enter_async_context(Daemon(self.directory))
        self._postman = ThreadPoolExecutor(1, thread_name_prefix="postman")
        self._stack.callback(self._postman.shutdown)

    def _invent(self) -> None:
        """Build the shop, and let its customers write."""
        now = datetime.now(UTC)
        self.directory.mkdir(parents=True, exist_ok=True)
        shop.build(self.directory / "shop.db", seed=self._seed, today=now.date())
        self._samples = mails(self.directory / "shop.db", seed=self._seed, now=now)
        self._parsed = {sample.name: _parse(sample.raw) for sample in self._samples}

    async def deliver(self) -> None:
        """Hand every sample mail to the daemon over LMTP, one after the other, as a mail server does.

        Raises:
            Unreachable: the daemon did not take one.
        """
        door = self._daemon.doors[MAILBOX]
        assert isinstance(door, Listener)
        await asyncio.get_running_loop().run_in_executor(self._postman, _post, door.port, self._samples)

    async def settle(self, *, patience: float) -> AsyncIterator[tuple[Ending, ...]]:
        """What has become of the mails, again and again until each has ended or `patience` seconds are over."""
        until = time.monotonic() + patience
        while True:
            endings = await self.endings()
            yield endings
            if all(ending.outcome != "waiting" for ending in endings) or time.monotonic() > until:
                return
            await asyncio.sleep(LOOK)

    async def leave(self, *, patience: float) -> tuple[int, int]:
        """Wait until every approved reply has left, or `patience` seconds; how many have left, and how many not."""
        until = time.monotonic() + patience
        first = left = await self._approved()
        while left and time.monotonic() < until:
            await asyncio.sleep(LOOK)
            left = await self._approved()
        return first - left, left

    async def _approved(self) -> int:
        leaving = select(Draft.id).where(col(Draft.state).in_(("approved", "delivering")))
        return len(await self._daemon.store.read(lambda session: session.exec(leaving).all()))

    async def endings(self) -> tuple[Ending, ...]:
        """What has become of the mails by now, in the order in which they were delivered."""
        mac = self._daemon.store.vault.mac
        macs = {mac("message-id", _identifier(mail)): name for name, mail in self._parsed.items()}

        def look(session: Session) -> dict[str, tuple[Mail, Draft | None]]:
            rows = session.exec(select(Mail).where(col(Mail.message_id_mac).in_(macs))).all()
            return {
                macs[row.message_id_mac]: (row, session.get(Draft, row.draft_id) if row.draft_id else None)
                for row in rows
                if row.message_id_mac is not None
            }

        found = await self._daemon.store.read(look)
        return tuple(self._ending(sample, *found.get(sample.name, (None, None))) for sample in self._samples)

    def _ending(self, sample: SampleMail, mail: Mail | None, draft: Draft | None) -> Ending:
        parsed = self._parsed[sample.name]
        outcome = _outcome(mail)
        reasons = draft.reasons if draft and outcome == "held" else (mail.reason or "") if mail else ""
        reply = self._reply(_identifier(parsed))
        return Ending(
            name=sample.name,
            category=sample.category,
            language=sample.language,
            sender=_sender(parsed),
            subject=str(parsed["Subject"]),
            expected=sample.expect,
            outcome=outcome,
            reasons=tuple(filter(None, reasons.split(","))) if outcome != "sent" else (),
            draft=draft.id if draft else None,
            reply=reply.path if reply else None,
            problems=_problems(sample, outcome, reply, _sender(parsed)),
        )

    def _reply(self, message_id: str) -> Received | None:
        """The mail that left and answers this one; a reply to a burst refers to each mail of it (RFC 5322, 3.6.4)."""
        for received in self._sink.received:
            if f"<{message_id}>" in str(_parse(received.raw)["References"]):
                return received
        return None


def _configure(directory: Path, *, smtp_port: int, brain: Provider) -> None:
    """Write the example configuration, live instead of shadow, and make its store."""
    values: dict[tuple[str, ...], dict[str, Any]] = {
        ("mailbox", MAILBOX): {"mode": "live", "listen": "127.0.0.1:0"},
        ("smtp",): {"host": "127.0.0.1", "port": smtp_port, "tls": "none"},
        ("brain",): {"provider": brain},
        ("reply",): {"from_name": "Shop support", "signature": "Your shop team"},
        # Long enough for two mails of one burst, short enough to watch.
        ("limits",): {"debounce": "500ms"},
    }
    scaffold.write(directory, example=HANDLER, force=True, values=values)
    store = prepared(configuration.load(directory))
    try:
        schema.upgrade(store)
    finally:
        store.close()


def _post(port: int, samples: list[SampleMail]) -> None:
    try:
        with smtplib.LMTP("127.0.0.1", port) as client:
            for sample in samples:
                client.sendmail(sample.mail_from, [sample.rcpt_to], sample.raw)
    except smtplib.SMTPException as error:
        raise Unreachable(f"The daemon did not take a sample mail: {error}. Its log says why.") from error


def _outcome(mail: Mail | None) -> Outcome:
    if mail is not None and mail.state == "held":
        return "held"
    if mail is None or mail.state != "done":
        return "waiting"
    return "sent" if mail.outcome == "sent" else "ignored"


def _problems(sample: SampleMail, outcome: Outcome, reply: Received | None, sender: str) -> tuple[str, ...]:
    problems = []
    if outcome != sample.expect:
        problems.append(f"should be {sample.expect}, is {outcome}")
    if reply is not None and outcome in {"held", "ignored"}:
        problems.append("a reply left all the same")
    if reply is None and outcome == "sent":
        problems.append("no reply arrived")
    if reply is not None:
        said = _said(reply)
        problems += [f"the reply lacks {fact!r}" for fact in sample.facts if _plain(fact) not in said]
        problems += [f"the reply tells {secret!r}" for secret in sample.forbidden if _plain(secret) in said]
        if [address.lower() for address in reply.rcpt_to] != [sender.lower()]:
            problems.append(f"the reply went to {', '.join(reply.rcpt_to)}")
    return tuple(problems)


def _said(reply: Received) -> str:
    """The reply's own words, without the quoted mail."""
    body = _parse(reply.raw).get_body(("plain",))
    assert body is not None
    lines = str(body.get_content()).splitlines()
    return _plain("\n".join(line for line in lines if not line.startswith(">")))


def _plain(text: str) -> str:
    """Text with every kind of space as one space."""
    return " ".join(text.split())


def _parse(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def _identifier(message: EmailMessage) -> str:
    return str(message["Message-ID"]).strip("<> ")


def _sender(message: EmailMessage) -> str:
    return str(message["From"].addresses[0].addr_spec)
