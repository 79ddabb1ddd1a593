"""What the last mails of a mailbox say about its configuration: too much ignored for one reason, nobody verified."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daemon.doctor.finding import Finding, ok, warn

LAST = 200
"""Mails that are looked at."""
FEWEST = 20
"""With fewer nothing can be said."""
SHARE = 0.3
"""So much ignored for one reason is hardly what the operator wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of one received mail."""

    ignored: str = ""
    """What the screen saw: `it carries list-id (RFC 2369, RFC 2919)`; empty: it was not ignored."""
    verified: bool = False
    list: str = ""
    """Its List-Id."""
    server: str = ""
    """authserv-id of its topmost Authentication-Results."""


def judge(mailbox: str, mails: Sequence[Seen], *, trust: Sequence[str], dkim: bool) -> Iterator[Finding]:
    """What to think of a mailbox whose newest mails are these."""
    area = f"mail {mailbox}"
    if len(mails) < FEWEST:
        yield ok(area, f"{len(mails)} mails so far: too few to say anything about them.")
        return
    found = [*_ignored(area, mails), *_nobody(area, mails, trust, dkim=dkim)]
    yield from found or [ok(area, f"The last {len(mails)} mails show nothing strange.")]


def _ignored(area: str, mails: Sequence[Seen]) -> Iterator[Finding]:
    for why, number in Counter(mail.ignored for mail in mails if mail.ignored).most_common():
        if number <= SHARE * len(mails):
            return
        told = f"{number} of the last {len(mails)} mails were ignored because {_because(why)}."
        lists = Counter(mail.list for mail in mails if mail.ignored == why and mail.list)
        if lists:
            names = ", ".join(f'"{name}"' for name, _ in lists.most_common(3))
            yield warn(area, told, f"If that is a group address of yours, write own_lists = [{names}].")
        else:
            yield warn(area, told, "See: triaged messages list --outcome ignored.")


def _because(why: str) -> str:
    return why if why.startswith(("it ", "the ", "From ", "none ")) else f"of {why}"


def _nobody(area: str, mails: Sequence[Seen], trust: Sequence[str], *, dkim: bool) -> Iterator[Finding]:
    if not (trust or dkim) or any(mail.verified for mail in mails):
        return
    told = f"None of the last {len(mails)} senders could be verified."
    seen = Counter(mail.server for mail in mails if mail.server)
    known = {name.lower() for name in trust}
    others = [name for name, _ in seen.most_common(5) if name not in known]
    if others:
        names = ", ".join(others)
        yield warn(area, told, f"Their topmost results are by {names}. Put yours among them into `trust`.")
    elif seen:
        do = 'The server that you trust writes results, and not where they count. Gmail needs results = "below".'
        yield warn(area, told, do)
    else:
        do = 'Let your server do so, or write dkim = "local".'
        yield warn(area, f"{told} No Authentication-Results say who wrote them; Microsoft 365's don't.", do)
