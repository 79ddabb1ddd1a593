"""Tries everything at once: what each part finds, in the order in which the parts depend on each other."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlmodel import Session, col, select

from daemon import release as releases
from daemon.accounts import MailboxConfig
from daemon.config import Config, secret
from daemon.doctor import doors, habits, host, past
from daemon.doctor.finding import Finding, away, fault, ok, untried
from daemon.errors import LoginRefused
from daemon.inbound.resolver import KeyResolver
from daemon.oauth import configured
from daemon.outbound.smtp import Submission
from daemon.release import Release
from daemon.secrets import Credential
from daemon.store import schema
from daemon.store.engine import Store, locked, opened, state_directory
from daemon.store.tables import Record
from handlers.contract import BrainBusy
from tools.errors import Transient, TriagedError
from tools.located import Faults

THREADS = 16
_RUNS = {True: ", and a daemon runs on it", False: ", and no daemon runs on it", None: ""}
"""By whether its lock is held; on PostgreSQL nobody can say."""
Probe = Callable[[], Iterable[Finding]]


async def examine(directory: Path) -> list[Finding]:
    """Try everything that the configuration in `directory` names; changes nothing and sends nothing."""
    try:
        release = releases.load(directory)
    except Faults as error:
        return [fault("configuration", str(each)) for each in error.faults]
    with closing(release.tools):
        return await _examine(release)


async def _examine(release: Release) -> list[Finding]:
    config = release.config
    proven = f"The configuration has no fault; {len(release.tools)} tools are proven on their databases."
    with ThreadPoolExecutor(THREADS, thread_name_prefix="doctor") as threads:
        parts: list[Awaitable[list[Finding]]] = [_in_thread(threads, partial(_store, config))]
        parts += [_in_thread(threads, partial(_door, config, name)) for name in config.mailbox]
        parts += [_submission(config), _model(config), *_names(config)]
        found = await asyncio.gather(*parts)
    return [ok("configuration", proven), *(finding for each in found for finding in each)]


async def _in_thread(threads: Executor, probe: Probe) -> list[Finding]:
    return await asyncio.get_running_loop().run_in_executor(threads, lambda: list(probe()))


def _store(config: Config) -> Iterable[Finding]:
    """The store, and what it tells about the clock and the mail so far."""
    now = datetime.now(UTC)
    try:
        store = opened(config)
    except TriagedError as error:
        yield _failed("store", error)
        yield host.clock(now, None)
        return
    with closing(store):
        try:
            schema.check(store)
        except TriagedError as error:
            yield _failed("store", error)
            yield host.clock(now, None)
            return
        yield ok("store", f"The store has the schema {schema.needed()}{_RUNS[locked(config)]}.")
        yield host.disk(state_directory(config))
        yield host.clock(now, store.read_now(_last_written))
        for name, mailbox in config.mailbox.items():
            yield from _mail(store, name, mailbox)


def _last_written(session: Session) -> datetime | None:
    return session.exec(select(Record.at).order_by(col(Record.id).desc()).limit(1)).first()


def _mail(store: Store, name: str, mailbox: MailboxConfig) -> Iterable[Finding]:
    mails = store.read_now(lambda session: past.seen(session, store.vault, name))
    return habits.judge(name, mails, trust=mailbox.trust, dkim=mailbox.dkim == "local")


def _door(config: Config, name: str) -> Iterable[Finding]:
    mailbox = config.mailbox[name]
    if mailbox.kind == "maildir":
        assert mailbox.path is not None
        return doors.maildir(name, config.resolve(mailbox.path))
    if mailbox.kind != "imap":
        return doors.listener(name, mailbox)
    ca_file = config.resolve(mailbox.ca_file) if mailbox.ca_file else None
    settings = mailbox.model_copy(update={"ca_file": ca_file})
    return doors.imap(name, settings, _credential(config, name), drafts=config.review.drafts_folder)


def _credential(config: Config, name: str) -> Callable[[], Credential]:
    mailbox = config.mailbox[name]
    if mailbox.oauth is not None:
        return configured.grant(config, name).credential
    file = mailbox.password_file
    assert file is not None
    return lambda: Credential(secret(config, file))


async def _submission(config: Config) -> list[Finding]:
    smtp = config.submission

    async def proof() -> Credential:
        assert smtp.password_file is not None
        return Credential(secret(config, smtp.password_file))

    try:
        asked = configured.grant(config, smtp.oauth).ask if smtp.oauth else (proof if smtp.password_file else None)
        submission = Submission(smtp, asked)
        await submission.prove()
    except TriagedError as error:
        return [_failed("smtp", error)]
    login = f" as {smtp.user}" if smtp.user else ", without a login"
    return [ok("smtp", f"Connected to {submission.name}{login}; no mail was sent.")]


async def _model(config: Config) -> list[Finding]:
    brain = config.brain
    if brain.provider == "embedded":
        return [ok("brain", "The embedded brain needs no server.")]
    from daemon.brain.wiring import connect

    try:
        connection = connect(config, os.environ)
    except TriagedError as error:
        return [_failed("brain", error)]
    try:
        await connection.ask(brain.model)
    except BrainBusy as error:
        return [away("brain", str(error))]
    except TriagedError as error:
        if brain.base_url:
            return [untried("brain", f"{brain.base_url} answers, and does not say what it knows: {error}")]
        return [fault("brain", str(error))]
    finally:
        await connection.close()
    return [ok("brain", f"The server knows {brain.model}; asking costs nothing.")]


def _names(config: Config) -> Iterable[Awaitable[list[Finding]]]:
    """The DNS, where signatures are verified here."""
    local = next((mailbox for mailbox in config.mailbox.values() if mailbox.dkim == "local"), None)
    if local is not None:
        yield _dns(local.address.rpartition("@")[2])


async def _dns(domain: str) -> list[Finding]:
    return [await host.dns(domain, KeyResolver())]


def _failed(area: str, error: TriagedError) -> Finding:
    """An error of ours, whose message says what to do."""
    later = isinstance(error, Transient) and not isinstance(error, LoginRefused)
    return away(area, str(error)) if later else fault(area, str(error))
