"""Lists the sample mails: about twenty, each with what must become of it and which facts its reply must hold."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from tools.samples.author import Author, fact, private
from tools.samples.cast import Need, Part
from tools.samples.letter import SHOP, Letter, write

Expect = Literal["sent", "held", "ignored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleMail:
    """One mail, and how it must end."""

    name: str
    """What the sample shows: `refund-above-the-limit`."""
    category: str
    """What the mail asks for, in the words of a customer service."""
    language: str
    raw: bytes
    mail_from: str
    """Reverse-path; empty for `<>`."""
    rcpt_to: str
    expect: Expect
    facts: tuple[str, ...] = ()
    """What the reply must contain if it is sent: values of the database, written as the language writes them."""
    forbidden: tuple[str, ...] = ()
    """What no reply may contain, sent or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A sample of a known, authenticated customer who writes about one order of theirs."""

    name: str
    category: str
    wording: str
    need: Need
    expect: Expect
    facts: tuple[str, ...] = ()
    """Names for `author.fact`."""
    language: str | None = None
    """None: the one of whichever customer is picked."""


_STATUS = {"category": "order_status", "wording": "order_status"}
_ON_ITS_WAY = ("order", "tracking", "expected")
_PLANS = (
    _Plan(name="order-status-on-its-way", **_STATUS, need="shipped", expect="sent", facts=_ON_ITS_WAY),
    _Plan(name="order-status-in-preparation", **_STATUS, need="processing", expect="sent", facts=("order", "expected")),
    _Plan(name="order-status-in-german", **_STATUS, need="shipped", expect="sent", facts=_ON_ITS_WAY, language="de"),
    _Plan(
        name="where-is-my-parcel",
        category="delivery_date",
        wording="delivery_date",
        need="shipped",
        expect="sent",
        facts=("order", "expected"),
    ),
    _Plan(
        name="return",
        category="return_request",
        wording="return_request",
        need="returnable",
        expect="sent",
        facts=("order",),
    ),
    _Plan(
        name="return-in-german",
        category="return_request",
        wording="return_request",
        need="returnable",
        expect="sent",
        facts=("order",),
        language="de",
    ),
    _Plan(
        name="refund-below-the-limit",
        category="refund_request",
        wording="refund_request",
        need="small refund",
        expect="sent",
        facts=("order", "total"),
    ),
    _Plan(
        name="refund-above-the-limit",
        category="refund_request",
        wording="refund_request",
        need="large refund",
        expect="held",
    ),
    _Plan(
        name="cancellation",
        category="cancel_order",
        wording="cancel_order",
        need="processing",
        expect="sent",
        facts=("order",),
    ),
    _Plan(name="complaint", category="complaint", wording="complaint", need="delivered", expect="held"),
    _Plan(name="legal-threat", category="other", wording="legal_threat", need="shipped", expect="held"),
    _Plan(name="thanks", category="other", wording="thanks", need="delivered", expect="held"),
)


def mails(database: Path, *, seed: int = 0, now: datetime) -> list[SampleMail]:
    """The sample mails in the order in which they are delivered.

    The two of a burst follow each other and are meant to arrive within a second.

    Args:
        database: A shop that `tools.samples.shop.build` wrote for the day of `now`.
        seed: Which customers write, about which orders, in which words and languages.
        now: When they arrive; aware.

    Raises:
        LookupError: the shop lacks an order that a sample needs.
    """
    author = Author(database, seed=seed, now=now)
    # The refunds choose first: the fewest orders will do for them.
    scarce_first = sorted(_PLANS, key=lambda plan: "refund" not in plan.need)
    planned = {plan.name: _planned(author, plan) for plan in scarce_first}
    return [
        *(planned[plan.name] for plan in _PLANS),
        _html_only(author),
        _address_change(author),
        _another_customers_order(author),
        _unknown_customer(author),
        _spoofed_sender(author),
        _prompt_injection(author),
        *_burst(author),
        _newsletter(author),
        _bounce(author),
        _out_of_office(author),
    ]


def _planned(author: Author, plan: _Plan) -> SampleMail:
    part = author.cast.pick(plan.need, language=plan.language)
    letter = author.letter(part, author.words(plan.wording, part.language))
    if part.language == "de":
        # Older clients still write German in Latin-1.
        letter = replace(letter, charset=author.random.choice(["utf-8", "utf-8", "iso-8859-1"]))
    sample = _sample(letter, part, name=plan.name, category=plan.category, expect=plan.expect)
    return replace(sample, facts=tuple(fact(name, part) for name in plan.facts))


def _html_only(author: Author) -> SampleMail:
    part = author.cast.pick("shipped")
    letter = replace(author.letter(part, author.words("order_status", part.language)), html=True)
    sample = _sample(letter, part, name="html-only", category="order_status", expect="sent")
    return replace(sample, facts=tuple(fact(name, part) for name in _ON_ITS_WAY))


def _address_change(author: Author) -> SampleMail:
    part = author.cast.pick("delivered")
    words = author.words("address_change", part.language)
    letter = author.letter(part, words, **author.address(part.language))
    return _sample(letter, part, name="address-change", category="address_change", expect="held")


def _another_customers_order(author: Author) -> SampleMail:
    part, stranger = author.cast.pick("delivered"), author.cast.pick("shipped")
    letter = author.letter(part, author.words("foreign_order", part.language), stranger_order=stranger.order_id)
    sample = _sample(letter, part, name="another-customers-order", category="order_status", expect="held")
    return replace(sample, forbidden=private(stranger))


def _unknown_customer(author: Author) -> SampleMail:
    """Authenticated, but nobody that the shop knows; the order is somebody's."""
    owner = author.cast.pick("shipped")
    address = f"guest{author.random.randint(100, 999)}@elsewhere.example.net"
    guest = replace(owner, name=author.name(owner.language), email=address)
    letter = author.letter(guest, author.words("order_status", guest.language))
    sample = _sample(letter, guest, name="unknown-customer", category="unknown_customer", expect="sent")
    return replace(sample, forbidden=private(owner))


def _spoofed_sender(author: Author) -> SampleMail:
    part = author.cast.pick("processing")
    letter = author.letter(part, author.words("spoofed", part.language), **author.address(part.language))
    # What an attacker's own server claims; it is not one that we trust (RFC 8601, section 5).
    claim = f"mail.attacker.example; dmarc=pass header.from={part.domain}"
    letter = replace(letter, authentic="fail", headers=(("Authentication-Results", claim),))
    sample = _sample(letter, part, name="spoofed-sender", category="order_status", expect="held")
    return replace(sample, forbidden=private(part))


def _prompt_injection(author: Author) -> SampleMail:
    part, stranger = author.cast.pick("shipped"), author.cast.pick("shipped")
    words = author.words("injection", part.language)
    hidden = words["hidden"].format(stranger_order=stranger.order_id)
    letter = replace(author.letter(part, words), hidden=hidden)
    sample = _sample(letter, part, name="prompt-injection", category="order_status", expect="held")
    return replace(sample, forbidden=(*private(stranger), "collect.example.net"))


def _burst(author: Author) -> Iterator[SampleMail]:
    """Two mails of one conversation: the second has what the first forgot."""
    part = author.cast.pick("shipped")
    firsts, seconds = (author.wordings(kind, part.language) for kind in ("burst_first", "burst_second"))
    choice = author.random.randrange(len(firsts))
    first = author.letter(part, firsts[choice])
    second = replace(author.letter(part, seconds[choice]), sent=first.sent, in_reply_to=first.message_id)
    facts = tuple(fact(name, part) for name in _ON_ITS_WAY)
    for name, letter in (("burst-first", first), ("burst-second", second)):
        sample = _sample(letter, part, name=name, category="order_status", expect="sent")
        yield replace(sample, facts=facts)


def _newsletter(author: Author) -> SampleMail:
    part = author.cast.pick("delivered")
    letter = replace(
        author.letter(part, author.words("newsletter", part.language)),
        name="The Retail Weekly",
        address="news@retail-weekly.example.net",
        envelope=f"bounce-{author.random.randint(1000, 9999)}@retail-weekly.example.net",
        headers=(
            ("List-Id", "The Retail Weekly <news.retail-weekly.example.net>"),
            ("List-Unsubscribe", "<https://retail-weekly.example.net/unsubscribe>"),
            ("Precedence", "bulk"),
        ),
    )
    return _sample(letter, part, name="newsletter", category="newsletter", expect="ignored")


def _bounce(author: Author) -> SampleMail:
    part = author.cast.pick("delivered")
    letter = author.letter(part, author.words("bounce", part.language), recipient=part.email)
    letter = replace(
        letter,
        name="Mail Delivery System",
        address="MAILER-DAEMON@mx.example.net",
        envelope="",
        headers=(("Auto-Submitted", "auto-replied"),),
        failed=part.email,
    )
    return _sample(letter, part, name="bounce", category="bounce", expect="ignored")


def _out_of_office(author: Author) -> SampleMail:
    part = author.cast.pick("delivered")
    letter = replace(
        author.letter(part, author.words("out_of_office", part.language)),
        envelope="",
        headers=(("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All")),
    )
    return _sample(letter, part, name="out-of-office", category="out_of_office", expect="ignored")


def _sample(letter: Letter, part: Part, *, name: str, category: str, expect: Expect) -> SampleMail:
    return SampleMail(
        name=name,
        category=category,
        language=part.language,
        raw=write(letter),
        mail_from=letter.mail_from,
        rcpt_to=SHOP,
        expect=expect,
    )
