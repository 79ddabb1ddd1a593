"""Knows the mail that must not be answered: automatic, bounces, lists, our own (RFC 3834, RFC 5230; promise P3)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from daemon import marks
from daemon.gate.verdict import Reason
from daemon.inbound import address, phrases
from daemon.inbound.arrival import Envelope
from daemon.inbound.mime import Part, parameterised, uncomment
from daemon.inbound.parse import CONTROL_FIELDS
from handlers.contract import Message

MAX_HOPS = 30

Found = tuple[Reason, str]
_REPORTED = frozenset(
    {
        "multipart/report",
        "message/delivery-status",
        "message/disposition-notification",
        "message/feedback-report",
        "message/global-delivery-status",
        "message/global-disposition-notification",
        "text/rfc822-headers",
    }
)
"""What only machines write (RFC 3464, RFC 8098, RFC 5965, RFC 6533)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that the rules below look at."""

    message: Message
    root: Part
    envelope: Envelope
    addresses: frozenset[str]
    """Addresses of this mailbox."""
    own_addresses: frozenset[str]
    """Addresses of all our mailboxes."""
    own_lists: frozenset[str]
    mark_key: bytes
    form: bool = False
    """A contact form of ours sent it: what says that a machine did so does not count."""

    def all(self, name: str) -> list[str]:
        """Every value of a field, from the top."""
        return self.root.all(name)

    @property
    def through_own_list(self) -> bool:
        """Every list that the mail came through is a group address of ours."""
        lists = [list_id(value) for value in self.all("list-id")]
        return bool(lists) and all(name in self.own_lists for name in lists)


MACHINES = frozenset({"mailer-daemon", "mailerdaemon", "postmaster", "mail-daemon", "mdaemon"})
_NO_REPLY = re.compile(
    r"(?:.*[._+-])?(?:no|not|dont|do-not|do_not|do\.not|donot|never)[._-]?(?:reply|answer|respond|antworten)(?:[._+-].*)?|nicht[._-]?antworten|ne-?pas-?repondre|noreply.*"
)
_LIST_MACHINE = re.compile(
    r"owner-.*|.*-owner|.*-request|.*-bounces?|bounces?(?:[._+=-].*)?|.*-bounces?[+=].*|listserv|majordomo|mailman"
)
_LIST_ADDRESS = "the sender is a list or bounce address"
_REWRITTEN = ("srs0", "srs1", "prvs=", "btv1=", "msprvs1=")
"""Envelope senders that stand for a person's address: forwarding (SRS) and bounce tags (BATV)."""

_METHOD = re.compile(rb"^METHOD[^:\r\n]{0,200}:([A-Za-z]{1,20})\s*$", re.IGNORECASE | re.MULTILINE)
_YES = re.compile(r"yes\b|true\b", re.IGNORECASE)
_SPAM = {
    "x-spam-flag": _YES,
    "x-spam": _YES,
    "x-spam-status": _YES,
    "x-barracuda-spam-flag": _YES,
    "x-bogosity": re.compile(r"spam\b|yes\b", re.IGNORECASE),
    "x-dspam-result": re.compile(r"spam\b", re.IGNORECASE),
    "x-crm114-status": re.compile(r"spam\b", re.IGNORECASE),
    "x-rspamd-action": re.compile(r"(?:reject|add header|rewrite subject)\b", re.IGNORECASE),
    "x-spamd-result": re.compile(r"[\w.-]{1,60}:\s*true\b", re.IGNORECASE),
    "x-ms-exchange-organization-scl": re.compile(r"[5-9]\b"),
    "x-forefront-antispam-report": re.compile(r"(?:[^;]*;)*?\s*SFV:SPM\b", re.IGNORECASE),
    "x-vr-spamstate": re.compile(r"spam\b", re.IGNORECASE),
    "x-proofpoint-spam-details": re.compile(r"rule=spam\b", re.IGNORECASE),
}
"""How filters say that a mail is spam; who writes that into their own mail goes unanswered."""

_DMARC_SUBJECT = re.compile(r"^\[?(?:preview\] )?report domain: \S+ submitter: ", re.IGNORECASE)


def automatic(case: Case) -> Found | None:
    """The first rule by which this mail must not be answered, and what it saw; None: a person may have written it."""
    rules = _FORM_RULES if case.form else _RULES
    return next((found for rule in rules if (found := rule(case))), None)


def _own_mail(case: Case) -> Found | None:
    if case.mark_key and marks.ours(case.mark_key, case.message.message_id):
        return Reason.OWN_MAIL, "the Message-ID is one of ours"
    if case.mark_key and any(marks.our_token(case.mark_key, token) for token in case.all(marks.LOOP_HEADER.lower())):
        return Reason.LOOP, "it carries our loop token: a mail of ours came back"
    sender = untagged(case.message.sender.address)
    if sender and sender in case.own_addresses | case.addresses:
        return Reason.OWN_MAIL, "From is an address of ours"
    return None


def _report(case: Case) -> Found | None:
    """Reports have a type of their own, whoever sends them (RFC 6522)."""
    root = case.root
    kinds = {part.content_type for part in root.children}
    if root.content_type == "multipart/report" or kinds & _REPORTED:
        kind = root.parameters.get("report-type", "").lower()
        if kind == "delivery-status" or kinds & {"message/delivery-status", "message/global-delivery-status"}:
            return Reason.BOUNCE, "a delivery status notification (RFC 3464)"
        return Reason.AUTOMATIC, f"a report of type {kind[:40] or 'unknown'} (RFC 6522)"
    if case.all("tls-report-domain") or any(
        kind.startswith("application/tlsrpt") for kind in (root.content_type, *kinds)
    ):
        return Reason.AUTOMATIC, "a TLS report (RFC 8460)"
    if _DMARC_SUBJECT.match(case.message.subject):
        return Reason.AUTOMATIC, "a DMARC report (RFC 7489 section 7.2.1.1)"
    if case.all("x-failed-recipients"):
        return Reason.BOUNCE, "X-Failed-Recipients names whom it did not reach"
    return None


def _says_so(case: Case) -> Found | None:
    """Fields by which automatic mail says that it is."""
    for value in case.all("auto-submitted"):
        keyword = parameterised(value)[0]
        if keyword != "no":
            return Reason.AUTOMATIC, f"Auto-Submitted: {keyword[:40]} (RFC 3834)"
    for value in case.all("x-auto-response-suppress"):
        told = {token.strip().lower() for token in uncomment(value).split(",")}
        if told & {"all", "oof", "autoreply"}:
            return Reason.AUTOMATIC, "X-Auto-Response-Suppress asks for no automatic answer"
    for name in (
        "x-autoreply",
        "x-autorespond",
        "x-autoreply-from",
        "x-mail-autoreply",
        "x-autogenerated",
        "x-fc-machinegenerated",
        "x-ms-exchange-inbox-rules-loop",
    ):
        for value in case.all(name):
            if value.strip().lower() not in {"no", "false", "0"}:
                return Reason.AUTOMATIC, f"it carries {name}"
    return None


def _loop(case: Case) -> Found | None:
    if any(not value.strip().lower().startswith(CONTROL_FIELDS) for value in case.all("x-loop")):
        return Reason.LOOP, "it carries X-Loop"
    return None


def _null_path(case: Case) -> Found | None:
    """What has no return path wants no answer (RFC 5321 section 4.5.5)."""
    if case.envelope.mail_from == "":
        return Reason.BOUNCE, "MAIL FROM was the null reverse-path"
    if any("".join(uncomment(value).split()) == "<>" for value in case.all("return-path")):
        return Reason.BOUNCE, "Return-Path is <>"
    return None


def machine(sender: str, *, lists: bool = True) -> Found | None:
    """Whether an address is one that nobody reads: servers, lists, and who wants no reply.

    Args:
        sender: normalised address.
        lists: also those of lists and of bounces.
    """
    local = sender.rpartition("@")[0]
    if local.startswith(_REWRITTEN):
        return None
    if local in MACHINES:
        return Reason.BOUNCE, f"the sender is {local}"
    if _NO_REPLY.fullmatch(local):
        return Reason.AUTOMATIC, "the sender wants no reply"
    return (Reason.BULK, _LIST_ADDRESS) if lists and _LIST_MACHINE.fullmatch(local) else None


def _machine_sender(case: Case) -> Found | None:
    own = [] if case.through_own_list else [each.replace("@", "=") for each in case.addresses]
    for each in _senders(case):
        if found := machine(each, lists=not case.through_own_list):
            return found
        if not each.startswith(_REWRITTEN) and any(tag in each.rpartition("@")[0] for tag in own):
            return Reason.BULK, _LIST_ADDRESS  # a variable envelope return path names whom the mail went to
    return None


def _senders(case: Case) -> Iterator[str]:
    """From, Sender and the envelope's sender, lower case."""
    yield case.message.sender.address
    for value in (*case.all("sender"), *case.all("return-path"), case.envelope.mail_from or ""):
        yield uncomment(value).rpartition("<")[2].partition(">")[0].strip().lower()[:320]


def _subject(case: Case) -> Found | None:
    """Answering machines and bounces that say so in the subject only."""
    if phrases.is_bounce(case.message.subject):
        return Reason.BOUNCE, "the subject is that of a bounce"
    if phrases.is_automatic(case.message.subject):
        return Reason.AUTOMATIC, "the subject is that of an automatic answer"
    return None


def _bulk(case: Case) -> Found | None:
    if case.through_own_list:
        return None
    for value in case.all("precedence"):
        if (told := uncomment(value).strip().lower()) in {"bulk", "list", "junk", "auto_reply"}:
            return (Reason.AUTOMATIC if told == "auto_reply" else Reason.BULK), f"Precedence: {told}"
    name = next((field.name for field in case.root.fields if field.name.startswith("list-")), None)
    return (Reason.BULK, f"it carries {name} (RFC 2369, RFC 2919)") if name else None


def _calendar(case: Case) -> Found | None:
    """Somebody accepted or declined; an invitation is a person's mail (RFC 5546)."""
    for part in case.root.walk():
        if part.content_type not in {"text/calendar", "application/ics"}:
            continue
        told = part.parameters.get("method", "") or _in_calendar(part)
        if told.lower() in {"reply", "refresh", "declinecounter"}:
            return Reason.AUTOMATIC, "an answer to a calendar invitation"
    return None


def _in_calendar(part: Part) -> str:
    found = _METHOD.search(part.content()[:4096])
    return found.group(1).decode("ascii") if found else ""


def _hops(case: Case) -> Found | None:
    hops = len(case.all("received"))
    return (Reason.LOOP, f"it came over {hops} hops") if hops > MAX_HOPS else None


def _spam(case: Case) -> Found | None:
    for name, flag in _SPAM.items():
        if any(flag.match(value.strip()) for value in case.all(name)):
            return Reason.SPAM, f"the filter says so in {name}"
    return None


def _not_addressed(case: Case) -> Found | None:
    """Blind copies and lists that hide what they are (RFC 5230 section 4.5)."""
    if case.through_own_list or Reason.UNPARSABLE in case.message.notes:
        return None  # nobody knows what stands in the fields of what can't be read: a person looks
    named: set[str] = {*case.message.to, *case.message.cc}
    for name in ("resent-to", "resent-cc"):
        named |= {mailbox.address for value in case.all(name) for mailbox in address.read(value).mailboxes}
    if case.addresses & {untagged(each) for each in named} or case.addresses & named:
        return None
    return Reason.NOT_ADDRESSED, "none of our addresses stands in To, Cc or Resent-To"


def untagged(address: str) -> str:
    """An address without its `+tag` (RFC 5233)."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}" if domain else address


def list_id(value: str) -> str:
    """The identifier of a List-Id field, in lower case (RFC 2919 section 3)."""
    text = uncomment(value).strip().lower()
    return text.rpartition("<")[2].partition(">")[0].strip() if "<" in text else text


_RULES: tuple[Callable[[Case], Found | None], ...] = (
    _own_mail,
    _report,
    _says_so,
    _loop,
    _null_path,
    _machine_sender,
    _subject,
    _bulk,
    _calendar,
    _hops,
    _spam,
    _not_addressed,
)
"""In the order of how much they say."""
_FORM_RULES: tuple[Callable[[Case], Found | None], ...] = (
    _own_mail,
    _report,
    _loop,
    _null_path,
    _hops,
    _spam,
    _not_addressed,
)
"""For the mail of a contact form, which a program sends for a person."""
