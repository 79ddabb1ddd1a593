"""What holds of every mail, whatever it is: it is read, once and the same way, into text that can be kept and shown."""

import pickle
import time
import tracemalloc
from dataclasses import astuple, replace
from datetime import UTC, datetime
from typing import Any

from daemon.accounts import MailboxConfig
from daemon.config import ReplyConfig
from daemon.inbound import mime, parse
from daemon.inbound.arrival import Arrival, Envelope
from daemon.inbound.forms import Form
from daemon.inbound.screen import ScreenConfig, Screened, screen
from daemon.outbound.compose import Unaddressable, compose
from tests.fuzz.grammar import US

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
CONFIG = ScreenConfig(
    mailbox="support",
    addresses=frozenset({US}),
    own_addresses=frozenset({US, "sales@shop.example"}),
    trust=("mx.shop.example",),
    own_lists=("support.shop.example",),
    mark_key=b"k" * 32,
    dkim=True,
)
OTHER = replace(
    CONFIG,
    below=True,
    dkim=False,
    forms=(Form(sender="ana@example.com", address=r"^E-?[Mm]ail: ?(\S+)$", text=r"(?s)Message:(.*)", auto=True),),
)
"""Another mailbox, behind a server such as Gmail's and with a contact form; each mail comes to one of the two."""
SECONDS = 2.0
"""CPU time that a mail may take; a mail of any size."""
TIMES, BESIDES = 10, 6_000_000
"""Memory that reading a mail may take: so many times its size, and octets for the words of a text, which is cut."""
_MAILBOX = MailboxConfig.model_validate({"kind": "lmtp", "address": US, "listen": "127.0.0.1:2424"})
_TRACE = b"Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0000\r\n"


def look(raw: bytes) -> Screened:
    """What the screen says of it."""
    config = OTHER if len(raw) % 2 else CONFIG
    return screen(
        Arrival(mailbox="support", raw=raw, received_at=NOW, envelope=Envelope(mail_from="a@b")), config, id="m1"
    )


def examine(raw: bytes) -> Screened:
    """Look at a mail.

    Raises:
        AssertionError: something does not hold.
    """
    began = time.process_time()
    found = look(raw)
    took = time.process_time() - began
    assert took < SECONDS, f"it took {took:.1f} s"
    assert "the screen failed" not in found.detail, found.detail
    message = found.message
    assert not message.sender.detail.startswith("not read"), message.sender.detail
    assert pickle.loads(pickle.dumps(found)) == found
    assert message.size == len(raw)
    assert len(message.text) + len(message.quoted) <= parse.TEXT_LIMIT + 1
    assert message.notes == found.notes
    _can_be_kept((astuple(message), found.detail, found.party, found.base_subject, found.wanted))
    _digested(raw, found)
    _answered(found)
    return found


def _can_be_kept(value: Any) -> None:
    """Text that every database and terminal takes: no surrogates (UTF-8 has none), no NUL, no control characters."""
    if isinstance(value, str):
        value.encode("utf-8")
        assert not {letter for letter in value if letter < " "} - {"\n", "\t"}, repr(value[:80])
        assert "\x7f" not in value
    elif isinstance(value, dict):
        for key, each in value.items():
            _can_be_kept(key)
            _can_be_kept(each)
    elif isinstance(value, tuple | list):
        for each in value:
            _can_be_kept(each)


def _digested(raw: bytes, found: Screened) -> None:
    """A mail is itself when it comes again, also by another way."""
    assert look(raw).digest == found.digest
    fields, _, defects = mime.header(raw)
    if fields and not defects and not raw.startswith((b" ", b"\t", b"From ", b"\r", b"\n")):
        assert look(_TRACE + raw).digest == found.digest


def _answered(found: Screened) -> None:
    """A reply to it, if it can have one, goes to its sender alone."""
    message = found.message
    try:
        reply = compose(
            message=message,
            raw_quote=message.text,
            body="We have your mail.",
            revision=1,
            mailbox=_MAILBOX,
            reply=ReplyConfig(),
            mark_key=b"k" * 32,
            automatic=True,
            language=message.language,
            now=NOW,
            envelope_from=None,
        )
    except Unaddressable:
        return
    assert reply.rcpt_to == message.sender.address
    fields, _, defects = mime.header(reply.raw)
    assert not defects
    names = [field.name for field in fields]
    assert names.count("to") == 1
    assert not {"cc", "bcc", "reply-to"} & set(names)


def memory(raw: bytes) -> int:
    """Octets that reading it takes beside the mail itself, at the highest."""
    tracemalloc.start()
    try:
        look(raw)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
