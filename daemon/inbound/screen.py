"""The screen: one pure function from a mail at the door to what is known of it before any model is called."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from daemon.gate.verdict import Reason
from daemon.inbound import address, authenticate, bounce, by_hand, dkim, forms, language, loops, mime, parse
from daemon.inbound.arrival import Arrival
from daemon.inbound.dkim import KeyRecord
from daemon.inbound.forms import Form
from daemon.inbound.parse import Parsed
from daemon.inbound.subject import base_subject
from daemon.store.human_answer import Answer
from daemon.store.notification import Notification
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
    below: bool = False
    """The trusted servers write their results below their own Received field."""
    dkim: bool = False
    """Signatures are verified here."""
    forms: tuple[Form, ...] = ()
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
    wanted: tuple[str, ...] = ()
    """Names of DKIM keys that could prove who the sender is: look them up, and screen again with the answers."""
    told: Notification | None = None
    """What it tells of a mail of ours."""
    by_hand: Answer | None = None
    """What it answers, when a person of ours provably wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """Who sent a mail, and what is strange about them."""

    sender: Sender
    notes: tuple[Reason, ...] = ()
    wanted: tuple[str, ...] = ()
    form: Form | None = None


def screen(
    arrival: Arrival,
    config: ScreenConfig,
    *,
    id: str,  # noqa: A002 - the field's name
    keys: Mapping[str, KeyRecord] | None = None,
) -> Screened:
    """Parse, authenticate and judge a mail. Pure, picklable, never raises: a fault becomes the note `unparsable`.

    Args:
        arrival: the mail.
        config: of its mailbox.
        id: what the message will be called.
        keys: what the DNS said to `Screened.wanted` of an earlier look at this mail.
    """
    try:
        return _screen(arrival, config, id=id, keys=keys)
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


def _screen(
    arrival: Arrival,
    config: ScreenConfig,
    *,
    id: str,  # noqa: A002 - the field's name
    keys: Mapping[str, KeyRecord] | None = None,
) -> Screened:
    parsed = parse.read(arrival.raw, id=id, mailbox=config.mailbox, received_at=arrival.received_at)
    identity = _identify(arrival, parsed, config, keys)
    own, others = _normal(config.addresses), _normal(config.own_addresses)
    if identity.form is None:
        message = replace(parsed.message, sender=identity.sender)
    else:
        senders = frozenset(form.sender for form in config.forms)
        message = _visitor(parsed, identity, identity.form, own | others | senders)
    notes = [*message.notes, *(note.value for note in identity.notes)]
    if any(each != message.sender.address for each in message.reply_to):
        notes.append(Reason.REPLY_TO_ELSEWHERE)
    if arrival.oversize:
        notes.append(Reason.OVERSIZE)
    message = replace(message, size=arrival.oversize or message.size, notes=tuple(dict.fromkeys(notes)))
    case = loops.Case(
        message=replace(message, sender=identity.sender),
        root=parsed.root,
        envelope=arrival.envelope,
        addresses=own,
        own_addresses=others,
        own_lists=frozenset(name.strip().strip("<>").lower() for name in config.own_lists),
        mark_key=config.mark_key,
        form=identity.form is not None,
    )
    automatic, detail = loops.automatic(case) or (None, "")
    known = bool(message.sender.address)
    proved = automatic is Reason.OWN_MAIL and message.sender.verdict == "verified"
    proof_matters = automatic in {None, Reason.OWN_MAIL} or any(
        form.sender == identity.sender.address for form in config.forms
    )
    return Screened(
        message=message,
        automatic=automatic,
        detail=parse.one_line(detail),
        digest=digest(arrival.raw, parsed),
        party=message.sender.address if known else identity.sender.address,
        # who wrote into a form and can't be told apart from others shares no conversation with them
        base_subject=base_subject(message.subject) if known else "",
        notes=message.notes,
        wanted=identity.wanted if proof_matters else (),
        told=bounce.read(parsed.root, message, automatic, mark_key=config.mark_key),
        by_hand=by_hand.read(parsed.root, message, mark_key=config.mark_key) if proved else None,
    )


def _visitor(parsed: Parsed, identity: _Identity, form: Form, own: frozenset[str]) -> Message:
    """The mail of a contact form as that of who filled it in: their address, never verified, and their words."""
    filled = forms.fill(form, parsed.whole, own=own)
    message, notes = parsed.message, dict.fromkeys(parsed.message.notes)
    for replaced in (Reason.EMPTY, Reason.ATTACHMENT_ONLY):
        notes.pop(replaced.value, None)
    if filled.fault or not form.auto:
        notes[Reason.CONTACT_FORM.value] = None
    if not filled.text.strip():
        notes[Reason.EMPTY.value] = None
    detail = f"written into the contact form {form.sender} ({identity.sender.detail}): anybody may have written it"
    return replace(
        message,
        sender=Sender(address=filled.address, detail=filled.fault or detail),
        text=filled.text,
        quoted="",
        language=language.guess(f"{message.subject}\n{filled.text}"),
        notes=tuple(notes),
        form=True,
    )


def _normal(addresses: frozenset[str]) -> frozenset[str]:
    """Our addresses in the form in which those of a mail are compared."""
    return frozenset(address.normalise(each) or each.lower() for each in addresses)


def _identify(
    arrival: Arrival, parsed: Parsed, config: ScreenConfig, keys: Mapping[str, KeyRecord] | None
) -> _Identity:
    """The sender of the mail itself with a verdict; the visitor of a form comes later."""
    sender, notes, wanted = parsed.message.sender, list[Reason](), tuple[str, ...]()
    fields = parsed.root.fields
    verdict, detail = authenticate.authenticate(fields, sender.address, config.trust, below=config.below)
    if verdict == "unverified" and config.dkim and sender.address:
        signatures = dkim.signatures(fields, sender.address, arrival.received_at)
        if keys is None:
            wanted = dkim.wanted(signatures)
        verdict, told = dkim.verify(arrival.raw, signatures, keys or {})
        detail = told if verdict == "verified" or not config.trust else f"{detail}; {told}"
    if verdict == "failed":
        notes.append(Reason.AUTH_FAILED)
    mailbox = parsed.sender.mailboxes[0] if parsed.sender.mailboxes else address.Mailbox(address="")
    likeness = address.look_alike(mailbox, _imitable(config))
    if likeness:
        notes.append(Reason.LOOKALIKE)
    doubt = _doubt(parsed, likeness)
    if verdict == "verified" and doubt:
        verdict, detail = "unverified", f"{detail}, but {doubt}"
    identified = replace(sender, verdict=verdict, detail=parse.one_line(detail))  # it quotes the mail
    form = forms.of(config.forms, identified.address, verdict)
    return _Identity(sender=identified, notes=tuple(notes), wanted=() if doubt else wanted, form=form)


def _imitable(config: ScreenConfig) -> frozenset[str]:
    """Whose domains are worth imitating: ours, those of the servers that we believe, those of our forms."""
    return frozenset((*config.addresses, *config.own_addresses, *config.trust, *(form.sender for form in config.forms)))


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
