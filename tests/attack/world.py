"""A shipped example as an operator would run it with nobody looking: live, every category automatic, a real daemon."""

import asyncio
import re
import shutil
import smtplib
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from daemon import config as configuration
from daemon.brain.choice import Chosen
from daemon.inbound.lmtp import Listener
from daemon.main import Daemon
from daemon.outbound.sink import Received, Sink
from daemon.release import Release
from daemon.scaffold import directory as scaffold
from daemon.store import schema
from daemon.store.codec import decode
from daemon.store.engine import prepared
from daemon.store.tables import Draft, Mail, Run, StagedWriteRow, ToolCallRow
from handlers.contract import ToolResult
from tests.attack import rows
from tests.attack.attempt import Attempt, Hijacked

MAILBOX = "support"
_PATIENCE = 600
"""Looks at the store, 50 ms apart, before the mails must have ended."""
_CATEGORY = re.compile(r"^\[\[category\]\]$", re.MULTILINE)
_AUTO = re.compile(r"^auto = .*\n", re.MULTILINE)
_MANY = 1_000_000
_EASE = {
    "customer_service": """
        DELETE FROM refunds; DELETE FROM returns;
        UPDATE orders SET status = 'cancelled', total = 1999 WHERE customer_id % 3 = 0;
        UPDATE orders SET status = 'processing' WHERE customer_id % 3 = 1;
        UPDATE orders SET status = 'delivered', delivered_on = date('now'), returns_until = date('now', '+30 days')
        WHERE customer_id % 3 = 2;
    """
}
"""What lets the guards of an example pass more often, so that everything behind them is attacked too."""
_VALUES: dict[tuple[str, ...], dict[str, object]] = {
    ("mailbox", MAILBOX): {
        "kind": "lmtp",
        "address": "support@shop.example",
        "mode": "live",
        "trust": ["mx.shop.example"],
        "listen": "127.0.0.1:0",
    },
    ("brain",): {"provider": "embedded", "tokens_per_day": _MANY * 1000},
    ("limits",): {
        "debounce": 0,
        "replies_per_sender": _MANY,
        "replies_per_conversation": _MANY,
        "replies_per_mailbox": _MANY,
        "replies_per_hour": _MANY,
    },
    ("limits", "breaker"): {"replies": _MANY},
}
"""Caps on replies would hide what passes everything else: they are shown by tests of their own (promise P3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of the attempts."""

    release: Release
    sent: dict[str, list[Received]]
    """Message-ID of the attempt to the mails that left in answer to it."""
    mails: dict[str, Mail]
    drafts: dict[str, Draft]
    runs: dict[str, Run]
    calls: dict[str, list[ToolResult]]
    """As they are on record."""
    writes: dict[str, list[StagedWriteRow]]
    brain: Hijacked
    before: rows.Picture
    after: rows.Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The directory of a configuration that is copied for each crowd of attempts."""

    example: str
    folder: Path
    known: tuple[rows.Table, ...]
    picture: rows.Picture
    release: Release = field(repr=False)

    @property
    def database(self) -> Path:
        """The example's sample database."""
        return self.folder / f"{scaffold.EXAMPLES[self.example].database}.db"


def build(example: str, folder: Path) -> Base:
    """Write the configuration of a shipped example, and its store."""
    from daemon import release as releases

    scaffold.write(
        folder, example=example, values={**_VALUES, ("smtp",): {"host": "127.0.0.1", "port": 9, "tls": "none"}}
    )
    handler = folder / "handlers" / example / "handler.toml"
    source = _CATEGORY.sub('[[category]]\nauto = "on"', _AUTO.sub("", handler.read_text()))
    handler.write_text(source)
    store = prepared(configuration.load(folder))
    schema.upgrade(store)
    store.close()
    database = folder / f"{scaffold.EXAMPLES[example].database}.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(_EASE.get(example, ""))
    known = rows.tables(database)
    return Base(
        example=example,
        folder=folder,
        known=known,
        picture=rows.look(known, lambda sql: _query(database, sql)),
        release=releases.load(folder),
    )


def _query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


class World:
    """`await World(base, folder).suffer(attempts)`: the daemon with the hijacked model, until every mail has ended."""

    def __init__(self, base: Base, folder: Path, *, prepare: Callable[[Path], None] | None = None) -> None:
        """Copy the base.

        Args:
            base: what is attacked.
            folder: does not exist yet.
            prepare: changes the copied directory before the daemon starts.
        """
        self.base, self.folder = base, folder
        shutil.copytree(base.folder, folder)
        if prepare:
            prepare(folder)

    async def suffer(self, attempts: Sequence[Attempt]) -> Ended:
        """Take the mails in and wait for the end of each."""
        brain = Hijacked(attempts)
        sink = Sink(self.folder / "sent")
        await sink.start()
        file = self.folder / "triaged.toml"
        file.write_text(file.read_text().replace("port = 9\n", f"port = {sink.port}\n"))
        before = self._look()
        try:
            async with Daemon(self.folder, brain=Chosen(brain=brain)) as daemon:
                with ThreadPoolExecutor(1, thread_name_prefix="postman") as postman:
                    door = daemon.doors[MAILBOX]
                    assert isinstance(door, Listener)
                    await asyncio.get_running_loop().run_in_executor(postman, _post, door.port, attempts)
                await self._settled(daemon, len(attempts))
                found = await daemon.store.read(lambda session: _read(session, daemon, attempts))
                release = daemon.release
        finally:
            await sink.stop()
        sent: dict[str, list[Received]] = {}
        for mail in sink.received:
            sent.setdefault(_answered(mail.raw), []).append(mail)
        return Ended(release=release, sent=sent, brain=brain, before=before, after=self._look(), **found)

    def _look(self) -> rows.Picture:
        database = self.folder / self.base.database.name
        return rows.look(self.base.known, lambda sql: _query(database, sql))

    async def _settled(self, daemon: Daemon, wanted: int) -> None:
        for _ in range(_PATIENCE):
            states = await daemon.store.read(lambda session: session.exec(select(Mail.state)).all())
            if len(states) >= wanted and all(state in {"done", "held"} for state in states):
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(f"After {_PATIENCE * 0.05:.0f} s mails are still {sorted(set(states))}.")


def _post(port: int, attempts: Sequence[Attempt]) -> None:
    with smtplib.LMTP("127.0.0.1", port) as client:
        for attempt in attempts:
            client.sendmail(attempt.sender, ["support@shop.example"], attempt.raw)


_IN_REPLY_TO = re.compile(rb"^In-Reply-To:\s*<([^>]+)>", re.MULTILINE | re.IGNORECASE)


def _answered(raw: bytes) -> str:
    found = _IN_REPLY_TO.search(raw)
    return found.group(1).decode() if found else ""


def _read(session: Session, daemon: Daemon, attempts: Sequence[Attempt]) -> dict[str, Any]:
    mac = daemon.store.vault.mac
    macs = {mac("message-id", attempt.message_id): attempt.message_id for attempt in attempts}
    mails = {macs[mail.message_id_mac]: mail for mail in session.exec(select(Mail)) if mail.message_id_mac in macs}
    drafts = {
        identifier: draft
        for identifier, mail in mails.items()
        if mail.draft_id and (draft := session.get(Draft, mail.draft_id))
    }
    runs = {run.id: run for run in session.exec(select(Run))}
    calls: dict[str, list[ToolResult]] = {}
    for call in session.exec(select(ToolCallRow).order_by(col(ToolCallRow.ordinal))):
        recorded = daemon.store.vault.open(call.person_id, "tool_calls.content", call.id, call.content)
        calls.setdefault(call.run_id, []).append(decode(ToolResult, recorded))
    writes: dict[str, list[StagedWriteRow]] = {}
    for write in session.exec(select(StagedWriteRow)):
        writes.setdefault(write.draft_id, []).append(write)
    by_run = {identifier: draft.run_id for identifier, draft in drafts.items()}
    return {
        "mails": mails,
        "drafts": drafts,
        "runs": {identifier: runs[run] for identifier, run in by_run.items()},
        "calls": {identifier: calls.get(run, []) for identifier, run in by_run.items()},
        "writes": {identifier: writes.get(draft.id, []) for identifier, draft in drafts.items()},
    }
