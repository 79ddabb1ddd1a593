"""The composition root: builds every part of the daemon, starts it, reloads it, stops it."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any, Self

import structlog

from daemon import housekeeping
from daemon import release as releases
from daemon.accounts import MailboxConfig
from daemon.brain.budget import Daily
from daemon.brain.choice import Chosen, choose
from daemon.config import Config, secret
from daemon.consider import Mind
from daemon.gate.case import Past
from daemon.housekeeping import House
from daemon.inbound import settings
from daemon.inbound.arrival import Arrival, Receipt
from daemon.inbound.imap import Reader
from daemon.inbound.lmtp import Listener
from daemon.inbound.maildir import Watcher
from daemon.inbound.resolver import KeyResolver
from daemon.inbound.screen import Screened
from daemon.inbound.screening import Screening
from daemon.inbound.sent import SentFolder
from daemon.oauth import configured as oauth
from daemon.oauth.grant import Grant
from daemon.oauth.watch import watch
from daemon.outbound.copies import SentCopies
from daemon.outbound.drafts_folder import DraftsFolder
from daemon.outbound.filing import Filing, ImapShelf, MaildirShelf, Shelf
from daemon.outbound.idle import Idle
from daemon.outbound.imap_filing import Folders
from daemon.outbound.parts import Outbound
from daemon.outbound.smtp import Submission
from daemon.pipeline import Parts, receive, register
from daemon.release import Release
from daemon.review.counts import tokens_since
from daemon.secrets import Credential
from daemon.store import limits, past, schema, stock, switches, versions
from daemon.store.engine import exclusive, opened
from daemon.store.folders import Cursors
from daemon.store.job import Job
from daemon.store.limits import Charge
from daemon.store.queue import Engine, Queue
from daemon.watch.doors import Doors
from handlers.contract import Message
from tools.apply import Applied, RefusedWrite, apply, refuse
from tools.located import Faults

log = structlog.get_logger()

TOOL_THREADS = 8
DRAIN = 20.0
"""Seconds that what runs is waited for at a stop; systemd's TimeoutStopSec is longer."""
Door = Reader | Listener | Watcher
Reached = Callable[[str, str], Awaitable[None]]


async def _nothing(_: str, __: str) -> None:
    """The usual watcher of durable boundaries: none."""


class Daemon:
    """The whole product in one process. `async with Daemon(directory):` runs it."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        reached: Reached = _nothing,
        brain: Chosen | None = None,
    ) -> None:
        """Load the configuration; nothing is opened yet.

        Args:
            directory: holds triaged.toml.
            clock: aware, UTC.
            reached: called at each durable boundary.
            brain: used instead of the configured one (benchmarks and tests).

        Raises:
            Faults: everything that is wrong with the configuration.
        """
        self.release: Release = releases.load(directory)
        self._directory = directory
        self._clock = clock
        self._reached = reached
        self._given_brain = brain
        self._stack = AsyncExitStack()
        self._grants: dict[str, Grant] = {}
        self.doors: dict[str, Door] = {}
        self._all_open = asyncio.Event()
        self._sent: dict[str, SentFolder] = {}
        self._filings: list[Filing] = []

    @property
    def config(self) -> Config:
        """The configuration of the active release."""
        return self.release.config

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        """Store first, then what works, then the doors: nothing comes in before it can be kept and worked on."""
        stack = self._stack
        stack.enter_context(exclusive(self.config))
        self.store = opened(self.config)
        stack.callback(self.store.close)
        schema.check(self.store)
        self._refuse_missing_mailboxes()
        self.queue = Queue(self.store)
        stack.callback(self.queue.close)
        await self._remember_release(self.release)
        self._screening = Screening(keys=KeyResolver())
        stack.callback(self._screening.close)
        self.tool_threads = ThreadPoolExecutor(TOOL_THREADS, thread_name_prefix="tools")
        stack.callback(self.tool_threads.shutdown)
        self._chosen = self._given_brain or choose(
            self.config, self.release.handlers.values(), mark_key=self.store.vault.mark_key
        )
        await self._chosen.start()
        stack.push_async_callback(self._chosen.close)
        self._grants = oauth.grants(self.config)
        self._idle = Idle()
        stack.callback(self._idle.close)
        self._daily = Daily(limit=self.config.brain.tokens_per_day, read=self._tokens_of, clock=self._clock)
        engine = Engine(self.store, executor=self._executor(), in_flight=self.config.limits.in_flight)
        self.parts = self._parts(engine)
        if lost := stock.take(self.store, self.queue):
            log.warning("work.taken-up", number=lost)
        self._serve_metrics()
        await engine.launch(register(self.parts))
        stack.push_async_callback(partial(engine.destroy, drain=DRAIN, threads=self.tool_threads))
        house = House(store=self.store, release=lambda: self.release, threads=self.tool_threads, clock=self._clock)
        self._run_beside(housekeeping.keep(house))
        self._told = Doors(self.store, self._clock)
        stack.push_async_callback(self._told.keep)
        for name, mailbox in self.config.mailbox.items():
            await self._open(name, mailbox)
        self._run_beside(self._told.run())
        self._run_beside(watch(self._grants, self._told.login_ends, clock=self._clock))
        for name, door in self.doors.items():
            if isinstance(door, Reader):
                self._watch_people(name, door)
            if shelf := self._shelf(name, door):
                self._filings.append(Filing(name, shelf, self.store))
                self._run_beside(self._filings[-1].run())
        self._all_open.set()

    def _watch_people(self, name: str, door: Reader) -> None:
        """Notice what people answer by hand, and let them do so from their drafts folder."""
        mailbox, store, clock = self.config.mailbox[name], self.store, self._clock
        if mailbox.sent:
            back = mailbox.since != "now"
            sent = SentFolder(name, mailbox.sent, door, store=store, queue=self.queue, clock=clock, back=back)
            self._sent[name] = sent
            self._run_beside(sent.watch(mailbox.poll))
        self._run_beside(DraftsFolder(name, door, store=store, config=lambda: self.config, clock=clock).run())

    async def _account(self, name: str) -> Reader:
        """The IMAP account of a mailbox; work that a start takes up waits until the doors are open."""
        await self._all_open.wait()
        door = self.doors[name]
        assert isinstance(door, Reader)
        return door

    async def _look(self, name: str) -> None:
        """Commit what stands in a mailbox now: new mail, and what people answered."""
        if self.config.mailbox[name].kind != "imap":
            return
        await (await self._account(name)).look()
        if name in self._sent:
            await self._sent[name].look()

    def _serve_metrics(self) -> None:
        """Let Prometheus read, where the operator says so."""
        from daemon.watch.metrics import Collector, Exposition

        if address := self.config.watch.metrics_address:
            loop = asyncio.get_running_loop()
            self.metrics = Exposition(Collector(self.store, self._clock), *address)
            self._stack.push_async_callback(loop.run_in_executor, self.tool_threads, self.metrics.stop)

    def _run_beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Run until the daemon stops, which ends it first."""
        self._stack.callback(asyncio.create_task(work).cancel)

    def _shelf(self, name: str, door: Door) -> Shelf | None:
        """Where people see what becomes of the mails of a mailbox."""
        mailbox = self.config.mailbox[name]
        if isinstance(door, Reader):
            return ImapShelf(door, Folders(home=mailbox.folder, held=mailbox.held_folder, done=mailbox.done))
        return MaildirShelf(door) if isinstance(door, Watcher) else None

    async def _boundary(self, row: str, reached: str) -> None:
        """Something was committed: soon the mailboxes show it."""
        for filing in self._filings:
            filing.wake()
        await self._reached(row, reached)

    def _refuse_missing_mailboxes(self) -> None:
        """Mail that still has to be answered needs its mailbox's configuration."""
        gone = sorted(self.store.read_now(past.open_mailboxes) - set(self.config.mailbox))
        if gone:
            told = f"There is unanswered mail of the mailbox `{gone[0]}`, which is gone from here. Add it again."
            raise Faults([self.release.document.fault(("mailbox",), told)])

    def _parts(self, engine: Engine) -> Parts:
        outbound = Outbound(
            store=self.store,
            queue=self.queue,
            config=lambda: self.config,
            submission=self._submission,
            writes=_Business(self),
            copies=SentCopies(self.config, self._account),
            look=self._look,
            clock=self._clock,
            alone=self.store.sqlite,
            active=set(),
            reached=self._boundary,
        )
        return Parts(
            store=self.store,
            queue=self.queue,
            screen=self._screen,
            mind=self.mind,
            unless_stopped=engine.unless_stopped,
            outbound=outbound,
            clock=self._clock,
            reached=self._boundary,
        )

    def mind(self) -> Mind:
        """What considering a mail needs, with the release that is active now."""
        return Mind(
            release=self.release,
            brain=self._chosen.brain,
            brain_name=self._chosen.brain.name,
            daily=self._daily,
            tools=self.tool_threads,
            past=self._past,
            off=self._off,
            spent=self._spent,
            scope=lambda limit, per, value: limits.scope(self.store.vault, limit, per, value),
            clock=self._clock,
        )

    async def _open(self, name: str, mailbox: MailboxConfig) -> None:
        door = self._door(name, mailbox)
        self.doors[name] = door
        await door.start()
        self._stack.push_async_callback(door.stop)

    def _door(self, name: str, mailbox: MailboxConfig) -> Door:
        take, tell = self._receive, self._told.listener(name, mailbox.mode)
        if mailbox.kind == "maildir":
            assert mailbox.path is not None
            return Watcher(name, mailbox.model_copy(update={"path": self.config.resolve(mailbox.path)}), take, tell)
        if mailbox.kind != "imap":
            return Listener(name, mailbox, take, tell)
        ca_file = self.config.resolve(mailbox.ca_file) if mailbox.ca_file else None
        password = partial(self._password, mailbox.password_file)
        return Reader(
            name,
            mailbox.model_copy(update={"ca_file": ca_file}),
            credential=self._grants[name].credential if mailbox.oauth else password,
            receive=take,
            cursors=Cursors(self.store, name, self._clock),
            tell=tell,
        )

    async def _receive(self, arrival: Arrival) -> Receipt:
        return await receive(self.parts, arrival)

    async def _screen(self, arrival: Arrival, identifier: str) -> Screened:
        config = settings.of(self.config, arrival.mailbox, mark_key=self.store.vault.mark_key)
        return await self._screening.screen(arrival, config, identifier)

    def _password(self, file: Path | None) -> Credential:
        assert file is not None
        return Credential(secret(self.config, file))

    def _submission(self) -> Submission:
        smtp = self.config.submission
        if smtp.oauth:
            return Submission(smtp, self._grants[smtp.oauth].ask, idle=self._idle)
        password = smtp.password_file

        async def proof() -> Credential:
            return self._password(password)

        return Submission(smtp, proof if password else None, idle=self._idle)

    async def _past(self, message: Message) -> Past:
        vault, address = self.store.vault, message.sender.address
        mails, replies, held, rejected = await self.store.read(lambda session: past.counts(session, vault, address))
        return Past(messages=mails, replies=replies, held=held, rejected=rejected)

    async def _off(self, mailbox: str, handler: str | None) -> str | None:
        return await self.store.read(lambda session: switches.off(session, mailbox=mailbox, handler=handler))

    async def _spent(self, charges: Sequence[Charge]) -> list[tuple[int, int]]:
        now = self._clock()
        return await self.store.read(lambda session: [limits.spent(session, charge, now) for charge in charges])

    async def _tokens_of(self, day: date) -> int:
        midnight = datetime.combine(day, time(), UTC)
        return await self.store.read(lambda session: tokens_since(session, midnight))

    async def _remember_release(self, release: Release) -> None:
        now = self._clock()
        if not await self.store.read(lambda session: versions.known(session, release.id)):
            await self.store.write(lambda session: versions.remember(session, release.id, release.manifest, now=now))

    async def reload(self) -> None:
        """Load the configuration again; work that has begun keeps what it began with.

        Raises:
            Faults: the new one has faults, or changes what needs a restart; the old one stays.
        """
        loop = asyncio.get_running_loop()
        fresh = await loop.run_in_executor(self.tool_threads, releases.load, self._directory)
        fixed = ("store", "mailbox", "brain", "watch")
        changed = [name for name in fixed if getattr(fresh.config, name) != getattr(self.config, name)]
        if changed:
            told = f"[{'], ['.join(changed)}] changed, which needs a restart: systemctl restart triaged."
            raise Faults([fresh.document.fault((changed[0],), told)])
        await self._remember_release(fresh)
        self.release = fresh

    def _executor(self) -> str:
        """This process's name in the engine: the same after a restart, so that it takes up what it had begun.

        On SQLite nobody else can be at work, so a machine that comes back under another host name goes on all the same.
        """
        if self.store.sqlite:
            return "triaged"
        return f"{socket.gethostname()}-{os.environ.get('TRIAGED_SLOT', '0')}"


class _Business:
    """`daemon.outbound.parts.Writes` on the databases of the active release."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def apply(self, job: Job) -> str | None:
        """T2."""
        outcome = await self._run(partial(apply, job.writes, self._daemon.release.tools, key=job.key))
        return outcome.detail if isinstance(outcome, RefusedWrite) else None

    async def refuse(self, job: Job, detail: str) -> bool:
        """The end of a write that is no longer wanted."""
        tools = self._daemon.release.tools
        return isinstance(await self._run(partial(refuse, job.writes, tools, key=job.key, detail=detail)), Applied)

    async def _run(self, call: Callable[[], Applied | RefusedWrite]) -> Applied | RefusedWrite:
        return await asyncio.get_running_loop().run_in_executor(self._daemon.tool_threads, call)
