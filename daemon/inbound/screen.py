"""The screen: one pure function from a mail at the door to what is known of it before any model is called."""

import hashlib
from dataclasses import dataclass, replace

from daemon.gate.verdict import Reason
from daemon.inbound import address, authenticate, loops, mime, parse
from daemon.inbound.arrival import Arrival
from daemon.inbound.parse import Parsed
from daemon.inbound.subject import base_subject
from handlers.contract import Message, Sender

_CONTENT = (
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
)
"""Fields that are the mail itself; all others may differ from one delivery of it to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenConfig:
    """What the screen has to know of the mailbox; plain values, since it runs in another process."""

    mailbox: str
    addresses: frozenset[str]
    """Addresses of this mailbox, lower case."""
    own_addresses: frozenset[str] = frozenset()
    """Addresses of all mailboxes, lower case."""
    trust: tuple[str, ...] = ()
    own_lists: tuple[str, ...] = ()
    mark_key: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What the screen found."""

    message: Message
    automatic: Reason | None
    """Why it must not be answered; None: somebody may be waiting for an answer."""
    detail: str
    """What the rule saw, in words for the operator."""
    digest: str
    """SHA-256 of the content without trace fields: the same for every delivery of one mail."""
    party: str
    """Normalised address of the sender; empty when From holds none."""
    base_subject: str
    notes: tuple[str, ...] = ()
    """`message.notes`, repeated for those who need nothing else."""


def screen(arrival: Arrival, config: ScreenConfig, *, id: str) -> Screened:  # noqa: A002 - the field's name
    """Parse, authenticate and judge a mail. Pure, picklable, never raises: a fault becomes the note `unparsable`."""
    try:
        return _screen(arrival, config, id=id)
    except Exception as error:  # noqa: BLE001 - no mail may stop the daemon; a person looks at it
        notes = [Reason.UNPARSABLE, *([Reason.OVERSIZE] if arrival.oversize else [])]
        message = Message(
            id=id,
            mailbox=config.mailbox,
            sender=Sender(address=""),
            received_at=arrival.received_at,
            size=arrival.oversize or len(arrival.raw),
            notes=tuple(note.value for note in notes),
        )
        detail = f"the screen failed with {type(error).__name__}"
        return Screened(
            message=message,
            automatic=None,
            detail=detail,
            digest=hashlib.sha256(arrival.raw).hexdigest(),
            party="",
            base_subject="",
            notes=message.notes,
        )


def _screen(arrival: Arrival, config: ScreenConfig, *, id: str) -> Screened:  # noqa: A002 - the field's name
    parsed = parse.read(arrival.raw, id=id, mailbox=config.mailbox, received_at=arrival.received_at)
    sender, notes = _identify(parsed, config)
    if arrival.oversize:
        notes.append(Reason.OVERSIZE)
    message = replace(
        parsed.message,
        sender=sender,
        size=arrival.oversize or parsed.message.size,
        notes=tuple(dict.fromkeys((*parsed.message.notes, *(note.value for note in notes)))),
    )
    case = loops.Case(
        message=message,
        root=parsed.root,
        envelope=arrival.envelope,
        addresses=_normal(config.addresses),
        own_addresses=_normal(config.own_addresses),
        own_lists=frozenset(name.strip().strip("<>").lower() for name in config.own_lists),
        mark_key=config.mark_key,
    )
    automatic, detail = loops.automatic(case) or (None, "")
    return Screened(
        message=message,
        automatic=automatic,
        detail=detail,
        digest=digest(arrival.raw, parsed),
        party=sender.address,
        base_subject=base_subject(message.subject),
        notes=message.notes,
    )


def _normal(addresses: frozenset[str]) -> frozenset[str]:
    """Our addresses in the form in which those of a mail are compared."""
    return frozenset(address.normalise(each) or each.lower() for each in addresses)


def _identify(parsed: Parsed, config: ScreenConfig) -> tuple[Sender, list[Reason]]:
    """The sender with a verdict, and what is strange about them."""
    message, notes = parsed.message, list[Reason]()
    sender = message.sender
    verdict, detail = authenticate.authenticate(parsed.root.fields, sender.address, config.trust)
    if verdict == "failed":
        notes.append(Reason.AUTH_FAILED)
    mailbox = parsed.sender.mailboxes[0] if parsed.sender.mailboxes else address.Mailbox(address="")
    likeness = address.look_alike(mailbox, config.addresses | config.own_addresses)
    if likeness:
        notes.append(Reason.LOOKALIKE)
    if any(other != sender.address for other in message.reply_to):
        notes.append(Reason.REPLY_TO_ELSEWHERE)
    doubt = _doubt(parsed, likeness)
    if verdict == "verified" and doubt:
        verdict, detail = "unverified", f"{detail}, but {doubt}"
    return replace(sender, verdict=verdict, detail=detail), notes


def _doubt(parsed: Parsed, likeness: str) -> str:
    """Why From is not one plain mailbox, so that no result can speak for it; empty when it is."""
    if len(parsed.sender.mailboxes) > 1 or Reason.SEVERAL_FROM in parsed.message.notes:
        return "From names several senders"
    if not parsed.sender.clean:
        return "From is not one plain mailbox"
    if Reason.MALFORMED in parsed.message.notes or Reason.UNPARSABLE in parsed.message.notes:
        return "the mail is malformed"
    return likeness


def digest(raw: bytes, parsed: Parsed) -> str:
    """SHA-256, in hex, of the fields and the body that the sender wrote; line ends and folding don't count.

    Of a mail whose header is broken everything counts.
    """
    _, body, defects = mime.header(raw)
    if defects:
        # What is no field would not count, and two such mails would be one: each of them is held, none is lost.
        return hashlib.sha256(raw.replace(b"\r\n", b"\n").rstrip(b"\n")).hexdigest()
    hashed = hashlib.sha256()
    for field in parsed.root.fields:
        if field.name in _CONTENT:
            hashed.update(f"{field.name}:{' '.join(field.value.split())}\n".encode("utf-8", errors="replace"))
    hashed.update(b"\n")
    hashed.update(raw[body:].replace(b"\r\n", b"\n").rstrip(b"\n"))
    return hashed.hexdigest()
