"""A whole house to kill the daemon in: configuration, shop and store, and what became of each mail."""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from daemon.store.tables import Delivery, Draft, Mail
from tests.fixtures.messages_api import Answer, calls
from tests.fixtures.store import open_at
from tools import ledger

Kind = Literal["status", "cancel", "question", "newsletter"]
"""Answered by itself, answered by itself after a write, held, ignored."""
CUSTOMERS = 9000
FIRST = 1000
"""Order 1007 belongs to c7@example.com, and so on."""

_TOML = """
[store]
url = "{store}"
keys_url = "sqlite:///keys.db"
[database.shop]
url = "sqlite:///shop.db"
[mailbox.support]
kind = "lmtp"
address = "support@shop.example"
mode = "live"
trust = ["mx.shop.example"]
listen = "127.0.0.1:{lmtp}"
[smtp]
host = "127.0.0.1"
port = {smtp}
tls = "none"
retry_first = "300ms"
claim = "5s"
[brain]
provider = "anthropic"
base_url = "{model}"
api_key_file = "api.key"
[limits]
debounce = 0
replies_per_hour = 100000
replies_per_mailbox = 100000
in_flight = {in_flight}
[limits.breaker]
replies = 100000
[watch]
log = "json"
"""
_RULES = """
[[rule]]
name = "customers"
when = "sender.verified"
handler = "desk"
"""
_HANDLER = """
description = "Orders."
tools = ["find_order", "cancel_order"]
prefetch = ["find_order"]
[[category]]
name = "status"
auto = "on"
template = "status"
tools = ["find_order"]
[[category]]
name = "cancel"
auto = "on"
template = "cancel"
tools = ["find_order", "cancel_order"]
[[category]]
name = "question"
template = "status"
tools = ["find_order"]
"""
_STATUS = "Your order {{ order.order_id }} is {{ order.status }}.\n"
_CANCEL = "Your order {{ order.order_id }} is cancelled.\n"
_TOOLS = r"""
[[tool]]
name = "find_order"
kind = "read"
description = "One of the sender's orders."
database = "shop"
returns = ["order_id", "status"]
rows = 1
statement = "SELECT order_id, status FROM orders WHERE order_id = :order_id AND email = :sender"
[tool.params.order_id]
type = "string"
pattern = '^\d{4}$'
find = 'order (\d{4})'
[tool.columns]
status = { type = "state", words = { open = { en = "on its way" } } }

[[tool]]
name = "cancel_order"
kind = "write"
description = "Cancel one of the sender's orders."
database = "shop"
reversible = true
[tool.params.order_id]
type = "string"
pattern = '^\d{4}$'
[[tool.guard]]
statement = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM orders WHERE order_id = :order_id AND email = :sender)"
message = "The sender has no such order."
[[tool.step]]
statement = '''
INSERT INTO cancellations (order_id, at)
SELECT order_id, :now FROM orders WHERE order_id = :order_id AND email = :sender
'''
"""
_SHOP = f"""
CREATE TABLE orders (order_id TEXT PRIMARY KEY, email TEXT NOT NULL, status TEXT NOT NULL);
CREATE TABLE cancellations (entry INTEGER PRIMARY KEY, order_id TEXT NOT NULL, at TEXT NOT NULL);
{ledger.DDL};
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail of a customer."""

    number: int
    """Which customer; each has one order."""
    kind: Kind
    raw: bytes
    message_id: str

    @property
    def sender(self) -> str:
        """Whose it is."""
        return f"c{self.number}@example.com"

    @property
    def order(self) -> str:
        """The order that it is about."""
        return str(FIRST + self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a letter, by the store, the mail server and the shop."""

    kind: Kind
    rows: int
    state: str
    outcome: str | None
    reason: str | None
    deliveries: int
    mails: int = 0
    cancellations: int = 0

    @property
    def ended(self) -> bool:
        """It is done, or a person has it."""
        return self.state in ("done", "held")

    @property
    def uncertain(self) -> bool:
        """Nobody can know whether the reply left."""
        return self.reason == "delivery-uncertain"


@dataclass
class House:
    """The directory of a configuration, and the servers around it."""

    directory: Path
    store_url: str
    lmtp: int
    letters: list[Letter] = field(default_factory=list)

    @property
    def engine(self) -> str:
        """What the store is kept in."""
        return self.store_url.partition(":")[0].partition("+")[0]

    def build(self, *, smtp: int, model: str, in_flight: int = 64) -> None:
        """Write configuration and shop; the store is there already."""
        numbers = {"lmtp": self.lmtp, "smtp": smtp, "in_flight": in_flight}
        texts = {
            "triaged.toml": _TOML.format(store=self.store_url, model=model, **numbers),
            "rules.toml": _RULES,
            "handlers/desk/handler.toml": _HANDLER,
            "handlers/desk/prompt.md": "Answer questions about orders.\n",
            "handlers/desk/templates/status.md": _STATUS,
            "handlers/desk/templates/cancel.md": _CANCEL,
            "tools/shop.toml": _TOOLS,
            "api.key": "none\n",
        }
        for name, text in texts.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)
        with closing(sqlite3.connect(self.directory / "shop.db")) as shop, shop:
            shop.executescript(_SHOP)
            rows = [(str(FIRST + number), f"c{number}@example.com", "open") for number in range(CUSTOMERS)]
            shop.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)

    def change(self, name: str, old: str, new: str) -> None:
        """Edit a file of the configuration."""
        path = self.directory / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def letter(self, kind: Kind) -> Letter:
        """A new mail, by a customer who has not written yet."""
        number = len(self.letters)
        message_id = f"{os.getpid()}.{number}@example.com"
        words = {"status": "Where is", "cancel": "Please cancel", "question": "I wonder about", "newsletter": "News of"}
        lines = [
            "Authentication-Results: mx.shop.example; dmarc=pass header.from=example.com",
            f"From: Customer <c{number}@example.com>",
            "To: support@shop.example",
            f"Subject: {words[kind]} order",
            f"Date: {format_datetime(datetime.now(UTC))}",
            f"Message-ID: <{message_id}>",
            *(["List-Id: <news.example.com>", "Precedence: bulk"] if kind == "newsletter" else []),
            "Content-Type: text/plain; charset=utf-8",
            "",
            f"Hello, {words[kind].lower()} order {FIRST + number}?",
            "",
        ]
        letter = Letter(number=number, kind=kind, raw="\r\n".join(lines).encode(), message_id=message_id)
        self.letters.append(letter)
        return letter

    def read_imap(self, *, port: int, user: str, password: str, poll: str = "1s") -> None:
        """Read the mailbox over IMAP from now on, and not over LMTP."""
        account = f'host = "127.0.0.1"\nport = {port}\ntls = "none"\nuser = "{user}"\npoll = "{poll}"\nsince = "all"'
        self.change("triaged.toml", 'kind = "lmtp"', f'kind = "imap"\npassword_file = "imap.password"\n{account}')
        self.change("triaged.toml", f'listen = "127.0.0.1:{self.lmtp}"\n', "")
        (self.directory / "imap.password").write_text(password)
        (self.directory / "imap.password").chmod(0o600)

    def ended(self) -> bool:
        """Whether every letter has come, and each mail is done or a person has it; cheaper than `fates`."""
        store = open_at(self.store_url, self.directory)
        last = col(Mail.state).in_(("done", "held"))
        ended = select(sa.func.count()).select_from(Mail)
        try:
            return store.read_now(
                lambda session: (
                    session.exec(ended.where(last)).one() >= len(self.letters)
                    and not session.exec(ended.where(~last)).one()
                )
            )
        finally:
            store.close()

    def mails(self) -> list[Mail]:
        """The rows of all mails, whoever sent them."""
        store = open_at(self.store_url, self.directory)
        try:
            return store.read_now(lambda session: list(session.exec(select(Mail).order_by(col(Mail.received_at)))))
        finally:
            store.close()

    def fates(self) -> list[Fate]:
        """What has become of every letter by now."""
        store = open_at(self.store_url, self.directory)
        try:
            fates = store.read_now(lambda session: [_fate(session, store.vault.mac, each) for each in self.letters])
        finally:
            store.close()
        # looked at after the store, which says `sent` only when the mail server has it
        replies, cancellations = self._replies(), self._cancellations()
        return [
            replace(fate, mails=replies[letter.message_id], cancellations=cancellations[letter.order])
            for fate, letter in zip(fates, self.letters, strict=True)
        ]

    def _replies(self) -> Counter[str]:
        """Message-ID to the mails at the mail server that answer it."""
        found = (self.directory / "sent" / "new").glob("*")
        return Counter(_answers(path.read_bytes()) for path in found)

    def _cancellations(self) -> Counter[str]:
        with closing(sqlite3.connect(self.directory / "shop.db")) as shop:
            return Counter(row[0] for row in shop.execute("SELECT order_id FROM cancellations"))


def _fate(session: Session, mac: Callable[[str, str], str], letter: Letter) -> Fate:
    macs = col(Mail.message_id_mac) == mac("message-id", letter.message_id)
    rows = session.exec(select(Mail).where(macs)).all()
    mail = rows[0] if rows else None
    deliveries = select(sa.func.count()).select_from(Delivery).join(Draft, col(Draft.id) == col(Delivery.draft_id))
    return Fate(
        kind=letter.kind,
        rows=len(rows),
        state=mail.state if mail else "lost",
        outcome=mail.outcome if mail else None,
        reason=mail.reason if mail else None,
        deliveries=session.exec(deliveries.where(col(Delivery.message_id) == mail.id)).one() if mail else 0,
    )


def _answers(raw: bytes) -> str:
    """Which mail a reply answers."""
    return str(message_from_bytes(raw.partition(b"\r\n\r\n")[0])["In-Reply-To"]).strip("<> ")


def model(body: dict[str, Any]) -> Answer:
    """The model: knows what a letter wants by its first words, and calls what it is told to call."""
    first = str(body["messages"][0]["content"])
    order = first.partition("order ")[2][:4]
    if len(body["messages"]) > 1:
        return calls("cancel_order", order_id=order)
    wants = {"please cancel order": "cancel", "where is order": "status"}
    category = next((name for words, name in wants.items() if words in first), "question")
    given = {"use_template": True, "body": "", "language": "en", "missing": [], "escalate": ""}
    return calls("propose_reply", category=category, **given)
