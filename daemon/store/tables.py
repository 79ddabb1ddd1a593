"""The store's tables; sealed columns are bytes and never stand in a WHERE (design: sealed data)."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, text
from sqlmodel import Field

from daemon.store.columns import Table, instant, partial_index, sealed

_PLACED = text("uid IS NOT NULL OR file IS NOT NULL")
"""The mails that lie in a mailbox whose marks and folders we can set."""
_ANSWERED = text("state IN ('ready', 'sending', 'sent', 'uncertain', 'done') AND NOT resend")
"""The states in which an answer to a message is out or may be: one row only (promise P2)."""


class Person(Table, table=True):
    """Somebody who wrote to us: the address only as a keyed look-up value."""

    __tablename__: ClassVar[str] = "persons"
    id: str = Field(primary_key=True)
    address_mac: str = Field(unique=True)
    first_seen: datetime = instant()


class Conversation(Table, table=True):
    """A thread with one party; `inbound_seq` counts its mails, `working_run` is the one run that may work on it."""

    __tablename__: ClassVar[str] = "conversations"
    id: str = Field(primary_key=True)
    person_id: str = Field(index=True)
    mailbox: str
    subject_mac: str = Field(index=True)
    verified: bool
    inbound_seq: int
    enqueued: int
    """Number n of the newest `triage:{conversation}:{n}` that was enqueued."""
    working_run: str | None = Field(default=None)
    human: bool = False
    """A person answered or was asked for: nothing is sent by itself any more."""
    burst_since: datetime | None = instant(nullable=True)
    updated_at: datetime = instant()


class Mail(Table, table=True):
    """One received message; its raw bytes stand in `raw`, once."""

    __tablename__: ClassVar[str] = "messages"
    __table_args__ = (
        Index("uq_messages_digest", "mailbox", "digest_mac", unique=True),
        Index("ix_messages_position", "mailbox", "folder", "uid"),
        partial_index("ix_messages_filed", "mailbox", "filed", "state", "outcome", where=_PLACED),
    )
    id: str = Field(primary_key=True)
    conversation_id: str | None = Field(default=None, index=True)
    """None: ignored, so in no conversation."""
    person_id: str = Field(index=True)
    mailbox: str
    seq: int
    """Its number in the conversation; 0 when it does not count (ignored)."""
    state: str = Field(index=True)
    outcome: str | None = Field(default=None, index=True)
    reason: str | None = Field(default=None)
    rule: str | None = Field(default=None)
    handler: str | None = Field(default=None)
    priority: str = Field(default="normal")
    label: str | None = Field(default=None)
    assignee: str | None = Field(default=None)
    as_human: bool = False
    """A person took up what the screen had ignored."""
    draft_id: str | None = Field(default=None, index=True)
    message_id_mac: str | None = Field(default=None, index=True)
    digest_mac: str
    folder: str | None = Field(default=None)
    """Where it lies on its IMAP server; None: nowhere that we know of."""
    file: str | None = Field(default=None)
    """The unique name of its file in a Maildir (maildir(5))."""
    uidvalidity: int | None = Field(default=None, sa_column=Column(BigInteger(), nullable=True))
    uid: int | None = Field(default=None, sa_column=Column(BigInteger(), nullable=True))
    size: int
    received_at: datetime = instant(index=True)
    decided_at: datetime | None = instant(nullable=True)
    filed: str | None = Field(default=None)
    """What its mailbox shows of it, `daemon.store.filing.Shown`; None: nothing yet, or it has to be done anew."""
    move_to: str | None = Field(default=None)
    """The folder that a rule of the operator names."""
    about_draft_id: str | None = Field(default=None, index=True)
    """The draft whose reply this mail, a delivery status notification, tells about."""
    about_action: str | None = Field(default=None)
    """What it tells, `daemon.store.notification.Action`."""
    content: bytes = sealed()
    """The parsed message as JSON."""
    note: bytes | None = sealed(nullable=True)
    """Why, in words that may quote the mail; the rule's trace."""


class Raw(Table, table=True):
    """The bytes of a message as they came."""

    __tablename__: ClassVar[str] = "raw"
    message_id: str = Field(primary_key=True)
    person_id: str
    content: bytes = sealed()


class Reference(Table, table=True):
    """Message-IDs by which later mail finds its conversation: those we received and those we sent."""

    __tablename__: ClassVar[str] = "thread_references"
    message_id_mac: str = Field(primary_key=True)
    conversation_id: str = Field(primary_key=True)
    ours: bool = False


class HumanAnswer(Table, table=True):
    """A mail that a person answered by hand: no reply of ours may follow, whenever we get to see the mail."""

    __tablename__: ClassVar[str] = "human_answers"
    message_id_mac: str = Field(primary_key=True)
    """Of the mail that was answered."""
    address_mac: str = Field(primary_key=True)
    """To whom the answer went."""
    found_at: datetime = instant(index=True)


class Cursor(Table, table=True):
    """How far an IMAP folder was read: every UID up to `last_uid` is committed."""

    __tablename__: ClassVar[str] = "cursors"
    mailbox: str = Field(primary_key=True)
    folder: str = Field(primary_key=True)
    uidvalidity: int = Field(sa_column=Column(BigInteger(), nullable=False))
    last_uid: int = Field(sa_column=Column(BigInteger(), nullable=False))
    modseq: int | None = Field(default=None, sa_column=Column(BigInteger(), nullable=True))
    """HIGHESTMODSEQ when everything was last committed."""
    epoch: int = 0
    updated_at: datetime = instant()
    since: datetime | None = instant(nullable=True)
    """Mail from before this was never ours."""
    caught_up_at: datetime | None = instant(nullable=True)
    """When everything that lay in the folder was committed, to the hour."""


class DoorRow(Table, table=True):
    """What the reader or listener of a mailbox is doing, for `triaged status`."""

    __tablename__: ClassVar[str] = "doors"
    mailbox: str = Field(primary_key=True)
    state: str
    """One of `daemon.inbound.arrival.DoorState`."""
    mode: str
    """`shadow` or `live`, as the daemon runs; the file may say another by now."""
    failures: int = 0
    """Failures in a row."""
    since: datetime = instant()
    seen_at: datetime = instant()
    """When the daemon last said so: long ago, and nobody runs."""
    detail: bytes | None = sealed(nullable=True)
    login_ends: datetime | None = instant(nullable=True)
    """When a person has to log in again, where an OAuth provider says so."""


class Run(Table, table=True):
    """One try to answer the undecided mails of a conversation."""

    __tablename__: ClassVar[str] = "runs"
    id: str = Field(primary_key=True)
    """`{conversation}:{n}`."""
    conversation_id: str = Field(index=True)
    person_id: str
    token: str
    """New at each start: an older process's writes fail on it."""
    state: str
    """working, done, postponed, superseded."""
    release: str
    handler: str | None = Field(default=None)
    brain: str | None = Field(default=None)
    attempts: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    started_at: datetime = instant()
    finished_at: datetime | None = instant(nullable=True)
    hint: bytes | None = sealed(nullable=True)


class TurnRow(Table, table=True):
    """One exchange with the brain, written once."""

    __tablename__: ClassVar[str] = "turns"
    run_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    person_id: str
    model: str
    input_tokens: int
    output_tokens: int
    milliseconds: int
    at: datetime = instant()
    content: bytes = sealed()


class ToolCallRow(Table, table=True):
    """One tool call, refused and failed ones too."""

    __tablename__: ClassVar[str] = "tool_calls"
    id: str = Field(primary_key=True)
    run_id: str = Field(index=True)
    person_id: str
    ordinal: int
    tool: str
    outcome: str
    prefetched: bool
    rows: int
    milliseconds: int
    content: bytes = sealed()


class Draft(Table, table=True):
    """A proposal composed as a mail, and what became of it."""

    __tablename__: ClassVar[str] = "drafts"
    id: str = Field(primary_key=True)
    conversation_id: str = Field(index=True)
    message_id: str = Field(index=True)
    """The newest mail that it answers; its reply's In-Reply-To."""
    person_id: str
    run_id: str = Field(index=True)
    mailbox: str
    handler: str | None = Field(default=None)
    category: str | None = Field(default=None)
    state: str = Field(index=True)
    """held, approved, delivering, done, rejected, superseded, answered-by-human."""
    reasons: str = ""
    """Why it is held: closed reasons, comma-separated, the first is the main one."""
    revision: int = 1
    based_on_seq: int
    approved_by: str | None = Field(default=None)
    """None: the gate sent it; else the reviewer's OS user."""
    claimed_by: str | None = Field(default=None)
    claimed_until: datetime | None = instant(nullable=True)
    priority: str = "normal"
    deadline: datetime | None = instant(nullable=True)
    amount: int | None = Field(default=None, sa_column=Column(BigInteger(), nullable=True))
    currency: str | None = Field(default=None)
    created_at: datetime = instant(index=True)
    decided_at: datetime | None = instant(nullable=True)
    placed: str | None = Field(default=None, index=True)
    """Where it lies in the mailbox's drafts folder: `revision:uidvalidity:uid`."""
    content: bytes = sealed()
    """The proposal without its text, calls and writes."""


class Revision(Table, table=True):
    """The text of a draft at one revision; approvals name the revision that was seen."""

    __tablename__: ClassVar[str] = "revisions"
    draft_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    person_id: str
    author: str
    """`agent`, or the OS user who edited it."""
    at: datetime = instant()
    content: bytes = sealed()


class StagedWriteRow(Table, table=True):
    """A write that happens when its draft is delivered, or never."""

    __tablename__: ClassVar[str] = "staged_writes"
    draft_id: str = Field(primary_key=True)
    ordinal: int = Field(primary_key=True)
    person_id: str
    tool: str
    database: str
    amount: int | None = Field(default=None, sa_column=Column(BigInteger(), nullable=True))
    currency: str | None = Field(default=None)
    content: bytes = sealed()


class VerdictRow(Table, table=True):
    """What the gate decided about a draft's revision, with every check."""

    __tablename__: ClassVar[str] = "verdicts"
    draft_id: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    person_id: str
    outcome: str
    reasons: str
    at: datetime = instant()
    checks: bytes = sealed()


class Review(Table, table=True):
    """What a person did with a draft."""

    __tablename__: ClassVar[str] = "reviews"
    id: int | None = Field(default=None, primary_key=True)
    draft_id: str = Field(index=True)
    revision: int
    person_id: str
    reviewer: str
    action: str
    at: datetime = instant()
    note: bytes | None = sealed(nullable=True)


class Delivery(Table, table=True):
    """One attempt to bring a reply out: the protocol of the design's section 2, state by state."""

    __tablename__: ClassVar[str] = "deliveries"
    __table_args__ = (
        partial_index("uq_deliveries_answered", "message_id", where=_ANSWERED, unique=True),
        Index("uq_deliveries_attempt", "draft_id", "revision", "attempt", unique=True),
    )
    id: str = Field(primary_key=True)
    draft_id: str = Field(index=True)
    revision: int
    message_id: str
    """The mail that is answered."""
    person_id: str
    state: str = Field(index=True)
    """approved, applying, ready, sending, sent, uncertain, done, refused."""
    token: str
    attempt: int
    tries: int = 0
    resend: bool = False
    applied: bool = False
    """Its staged writes stand in the business database: from here on nothing supersedes it."""
    automatic: bool
    reserved: str = "[]"
    """What it spends of which limit, as JSON of `daemon.store.limits.Charge`; scopes are look-up values."""
    reserved_at: datetime | None = instant(nullable=True)
    """When that was spent; None: not, or given back."""
    sent_message_id_mac: str
    claimed_until: datetime | None = instant(nullable=True)
    failing_since: datetime | None = instant(nullable=True)
    """When it was first refused for now; the operator's patience counts from there."""
    next_try: datetime | None = instant(nullable=True)
    sent_at: datetime | None = instant(nullable=True)
    created_at: datetime = instant()
    answer: bytes | None = sealed(nullable=True)
    """What the mail server said last."""
    composed: bytes | None = sealed(nullable=True)
    """The mail as it was given to the server, from the moment that nobody can know whether it left."""
    bounced: bool = False
    """A server told that it did not arrive."""


class LimitRow(Table, table=True):
    """What was spent of a limit in one bucket of time."""

    __tablename__: ClassVar[str] = "limits"
    name: str = Field(primary_key=True)
    scope_mac: str = Field(primary_key=True)
    bucket: int = Field(sa_column=Column(BigInteger(), primary_key=True))
    """End of the bucket, seconds since 1970; 0: no bucket but the row that is locked."""
    count: int = 0
    amount: int = Field(default=0, sa_column=Column(BigInteger(), nullable=False))


class Release(Table, table=True):
    """A version of the whole configuration, stored whole (promise P13)."""

    __tablename__: ClassVar[str] = "releases"
    id: str = Field(primary_key=True)
    created_at: datetime = instant()
    manifest: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))


class Switch(Table, table=True):
    """What is turned off: by a person `pause:*`, `pause:mailbox:support`, by itself `breaker`; and who, and when."""

    __tablename__: ClassVar[str] = "switches"
    name: str = Field(primary_key=True)
    by: str
    at: datetime = instant()
    note: bytes | None = sealed(nullable=True)


class Record(Table, table=True):
    """An audit entry, in the transaction that it tells about; the sealer links it to the one before."""

    __tablename__: ClassVar[str] = "records"
    id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    )
    at: datetime = instant()
    kind: str
    message_id: str | None = Field(default=None, index=True)
    draft_id: str | None = Field(default=None, index=True)
    person_id: str | None = Field(default=None)
    actor: str
    facts: str = "{}"
    """JSON of the closed list of clear values: states, reasons, counts, ids."""
    content: bytes | None = sealed(nullable=True)
    previous: bytes | None = Field(default=None, sa_column=Column(LargeBinary(), nullable=True))
    hash: bytes | None = Field(default=None, sa_column=Column(LargeBinary(), nullable=True))
