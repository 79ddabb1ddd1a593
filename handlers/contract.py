"""What a kind of work gets and gives: the words of the product as types, and the Protocols of what is passed in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from tools.errors import Permanent, Transient
from tools.staged import StagedWrite

Verdict = Literal["verified", "unverified", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """An address and what is known of who stands behind it (RFC 8601)."""

    address: str
    """Normalised addr-spec (IDNA A-labels, lower case); empty when From holds none."""
    name: str = ""
    verdict: Verdict = "unverified"
    detail: str = ""
    """Why, in words for the operator: `dmarc=pass by mx.shop.example`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A part of a mail that is not its text."""

    name: str
    content_type: str
    size: int
    """Octets after decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One received mail, parsed. Everything in it is the sender's word, except `sender.verdict`."""

    id: str = ""
    mailbox: str = ""
    message_id: str = ""
    """Message-ID without angle brackets; empty when there is none."""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    sender: Sender
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    subject: str = ""
    date: datetime | None = None
    """The Date field; None when it is absent or broken."""
    received_at: datetime | None = None
    text: str = ""
    """What the sender wrote anew: quoted text and signature stripped."""
    quoted: str = ""
    """The quoted or forwarded text that was stripped."""
    language: str = ""
    """ISO 639-1, guessed from the text; empty when unsure."""
    attachments: tuple[Attachment, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case name to the topmost value, unfolded and decoded; our own control fields are stripped."""
    size: int = 0
    """Octets as received."""
    notes: tuple[str, ...] = ()
    """Reasons from the closed list in `daemon/gate/verdict.py` why a person should look, found while parsing."""
    form: bool = False
    """A contact form sent it: `sender` is who the visitor says to be, never verified, and `text` what they wrote."""


# --- what the model sees and says ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as a model sees it."""

    name: str
    description: str
    kind: Literal["read", "write", "final"]
    schema: Mapping[str, Any]
    """Strict JSON Schema of the arguments; bound names never appear in it."""
    find: Mapping[str, str] = field(default_factory=dict)
    """Argument to the declared pattern, with one group, that finds it in a mail's text; never shown to a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """What the model asks for."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row that a declared read returned, known in replies under a reference."""

    reference: str
    """The name that slots use: `order`, then `order2`, `order3` … in the order of their return."""
    tool: str
    values: Mapping[str, Any]
    """Column to JSON value, columns of the tool's `returns` only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool call came to."""

    call: ToolCall
    outcome: Literal["ok", "refused", "failed"]
    """refused: wrong arguments, a guard, nothing found for this sender; failed: the database or the deadline."""
    content: str
    """What the model is told. Refusals are one uniform sentence."""
    detail: str = ""
    """What the operator is told; never shown to a model."""
    rows: tuple[Row, ...] = ()
    staged: StagedWrite | None = None
    milliseconds: int = 0
    prefetched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a turn cost."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of the brain, checked for shape: prose, calls, or both."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    stop: str = "tool_use"
    """Stop reason as the provider named it."""
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    fallback: bool = False
    """A model other than the configured one answered."""
    confidence: float | None = None
    """0 to 1, where the brain has a calibrated one; becomes `Proposal.confidence`."""
    opaque: Mapping[str, Any] = field(default_factory=dict)
    """What the brain wants back unchanged with the next turn (thinking with its signature), as JSON; nobody else reads
    it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One exchange with the brain: the results that it was shown, and what it answered."""

    number: int
    """From 1."""
    results: tuple[ToolResult, ...]
    """Results since the turn before; for turn 1 the prefetched reads."""
    reply: Reply
    milliseconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that a brain needs for the next turn; a pure value, so that it can be hashed and replayed."""

    handler: "Handler"
    message: Message
    history: tuple["Exchange", ...] = ()
    """Earlier mails of the conversation, oldest first, short."""
    tools: tuple[ToolSpec, ...]
    prefetched: tuple[ToolResult, ...] = ()
    turns: tuple[Turn, ...] = ()
    """Turns so far; their results answer the calls of the turn before."""
    results: tuple[ToolResult, ...] = ()
    """Results of the last turn's calls, not yet shown to the brain (those of turn 1 are `prefetched`)."""
    hint: str = ""
    """What a reviewer asked for when sending a draft back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One earlier mail of the conversation, ours or theirs."""

    ours: bool
    text: str


# --- what an operator declares ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One thing that a mail can ask of a handler."""

    name: str
    description: str
    auto: Literal["off", "sampled", "on"] = "off"
    template: str | None = None
    """Name of the template that answers it (`templates/NAME.md`, `templates/NAME.de.md`)."""
    tools: tuple[str, ...] = ()
    """Tools that must have succeeded before a mail of this category can be answered."""
    examples: tuple[str, ...] = ()
    """Sentences as customers write them; the embedded brain learns from them, and they stand in the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A kind of work, as its folder declares it."""

    name: str
    pattern: str = "agent"
    description: str = ""
    prompt: str = ""
    """The text of prompt.md."""
    tools: tuple[str, ...] = ()
    prefetch: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    templates: Mapping[str, str] = field(default_factory=dict)
    """`NAME` or `NAME.LANGUAGE` to the template's source."""
    languages: tuple[str, ...] = ("en",)
    hold_when: tuple[str, ...] = ()
    """CEL; any that is true, or fails, holds."""
    deadline: int = 4 * 3600
    """Seconds until a mail that no model could answer goes to people, undrafted."""
    limits: tuple["Limit", ...] = ()
    path: Path = Path()

    def category(self, name: str) -> Category | None:
        """The category of that name."""
        return next((category for category in self.categories if category.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much may happen without a person (promise P7)."""

    name: str
    per: Literal["action", "sender", "conversation", "handler", "mailbox", "total"]
    window: int
    """Seconds, sliding."""
    count: int | None = None
    amount: int | None = None
    """Minor units of `currency`."""
    currency: str | None = None
    tool: str | None = None
    """Only writes of this tool; None: every automatic reply counts."""


# --- what a handler returns ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One value that code put into a reply, and the row that it came from (promise P8)."""

    slot: str
    """`order.total`."""
    tool: str
    column: str
    value: Any
    shown: str
    """As it stands in the reply, formatted for the language."""
    start: int
    """Offset into `Proposal.body`, so that a reviewer sees which words are facts."""
    untrusted: bool = False
    """Somebody else than the operator wrote the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a handler wants to answer; the gate decides what becomes of it."""

    category: str = ""
    body: str = ""
    """The reply's text with every slot filled, without greeting line by code, signature or quotation; may be empty."""
    facts: tuple[Fact, ...] = ()
    template: str | None = None
    """The operator's template that made the body; None: the model wrote it."""
    language: str = "en"
    missing: tuple[str, ...] = ()
    """What the sender would have to tell first."""
    escalation: str = ""
    """Why the agent itself wants a person; empty: it does not."""
    confidence: float | None = None
    """0 to 1, where the brain has a calibrated one."""
    writes: tuple[StagedWrite, ...] = ()
    results: tuple[ToolResult, ...] = ()
    """Every tool call of the run, refused and failed ones too."""
    turns: tuple[Turn, ...] = ()
    faults: tuple[str, ...] = ()
    """Reasons from the closed list in `daemon/gate/verdict.py`: model-failed, budget, tool-failed, …"""
    fault_details: tuple[str, ...] = ()
    """One sentence for each of `faults`, for the operator."""
    fallback: bool = False


# --- what is passed in -----------------------------------------------------------------------------------------------


class BrainBusy(Transient):
    """The model can't answer now (429, 529, 5xx, timeout, lost connection): the run ends and starts again later."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that the server asked for."""


class BrainFailed(Permanent):
    """The model can't answer this: wrong key, unknown model, refused request. A person has to look."""


class Brain(Protocol):
    """The thing that plays the model."""

    name: str

    async def answer(self, request: Request) -> Reply:
        """One turn.

        Raises:
            BrainBusy: try again later.
            BrainFailed: trying again is of no use.
        """
        ...


class Tools(Protocol):
    """The tools of the matched handler, bound to this sender and conversation."""

    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model may call; without a verified sender, sender-scoped tools are absent."""
        ...

    async def prefetch(self, message: Message) -> tuple[ToolResult, ...]:
        """Run the handler's `prefetch` reads whose parameters the mail itself supplies."""
        ...

    async def call(self, call: ToolCall) -> ToolResult:
        """Run a read, or stage a write. Never raises for what a model did wrong."""
        ...

    def restore(self, results: Sequence[ToolResult]) -> None:
        """Take up results that an earlier attempt of this run recorded, so that references go on where they stopped."""
        ...


class Journal(Protocol):
    """Where turns are kept, so that a restart does not pay for them again."""

    def turns(self) -> Sequence[Turn]:
        """The turns that earlier attempts of this run recorded, in order."""
        ...

    async def record(self, turn: Turn) -> None:
        """Commit a turn whose calls are still to be run. The last turn is committed with the draft instead."""
        ...


class Budget(Protocol):
    """How much a message may cost."""

    max_turns: int

    def spend(self, usage: Usage) -> str | None:
        """Account for a turn; a sentence when the budget is gone, else None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the daemon passes to a handler's run."""

    brain: Brain
    tools: Tools
    journal: Journal
    budget: Budget
    now: datetime
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Tool to column to its declaration (`tools.tool.Column`): how a value is written in a reply."""
    history: tuple[Exchange, ...] = ()
    hint: str = ""


class Work(Protocol):
    """A kind of work: `handlers/agent.py` and its siblings."""

    async def run(self, handler: Handler, message: Message, context: Context) -> Proposal:
        """Answer a mail as far as possible. Raises only `BrainBusy`; everything else is a proposal with faults."""
        ...
