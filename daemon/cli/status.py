"""`triaged status`: what the daemon is doing."""

import textwrap
from collections.abc import Iterator
from datetime import datetime, timedelta

from daemon.cli.opened import open_store
from daemon.cli.output import ConfigOption, JsonOption, age, emit, naming, say
from daemon.inbound.arrival import DoorState
from daemon.review.counts import Leaving, MailboxStatus, Status, status
from daemon.review.paused import ended_by
from daemon.store.engine import locked

_WIDTH = 80
_HEAD = 12
_SOON = timedelta(days=7)
"""A login that ends is told so long before."""
_LINES = 10


def command(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show whether the daemon runs, what its mailboxes do, how much is where, and what is turned off."""
    with open_store(config) as opened:
        now, vault, mailboxes = opened.now(), opened.store.vault, opened.config.mailbox
        running = locked(opened.config)
        found = opened.store.read_now(lambda session: status(session, vault, mailboxes, running=running, now=now))
    if as_json:
        emit(found, as_json=True)
        return
    for line in lines(found, now, suffix=naming(config)):
        say(line)


def lines(found: Status, now: datetime, *, suffix: str = "") -> Iterator[str]:
    """The status as a person reads it; `suffix` ends the commands that it names."""
    for off in found.off:
        why = f": {off.reason}" if off.reason else ""
        ends = f"`{ended_by(off.switch)}{suffix}`"
        yield f"OFF  {off.switch}, by {off.by} for {age(off.at, now)}{why}. Nothing of it leaves until {ends}."
    yield from _entry("daemon", _daemon(found, now))
    for mailbox in found.mailboxes:
        yield from _mailbox(mailbox, now, running=found.running, suffix=suffix)
    yield from _entry(
        "messages", ", ".join(f"{number} {name}" for name, number in found.messages.items()) or "none yet"
    )
    oldest = f", the oldest for {age(found.oldest_held, now)}" if found.oldest_held else ""
    yield from _entry("held", f"{sum(found.held.values())}{oldest}")
    for reason, number in found.held.items():
        yield from _entry("", f"{number} {reason}")
    yield from _entry("to leave", str(found.waiting_to_leave))
    for reply in found.leaving[:_LINES]:
        yield from _entry("", _leaving(reply, now))
    if found.waiting_to_leave > _LINES:
        yield from _entry("", f"and {found.waiting_to_leave - _LINES} more")
    yield from _entry("tokens", f"{found.tokens_today} today")


def _daemon(found: Status, now: datetime) -> str:
    if found.running:
        return "running"
    if found.last_heard is None:
        return "not running yet. Start it: systemctl start triaged"
    return f"not running: last heard of {age(found.last_heard, now)} ago. See: systemctl status triaged"


def _mailbox(mailbox: MailboxStatus, now: datetime, *, running: bool, suffix: str) -> Iterator[str]:
    mode = mailbox.mode if running else mailbox.mode_in_file
    shadow = " (shadow: nothing leaves)" if mode == "shadow" else ""
    if mailbox.state is None or mailbox.since is None:
        doing = "not heard of yet"
    elif not running and mailbox.state == DoorState.STOPPED:
        doing = "nobody reads it"
    elif running:
        doing = f"{mailbox.state} for {age(mailbox.since, now)}"
    else:
        doing = f"nobody reads it; was {mailbox.state}"
    yield from _entry("mailbox", f"{mailbox.name}: {doing}{shadow}")
    if mode != mailbox.mode_in_file:
        said = f"triaged.toml says {mailbox.mode_in_file}, but the daemon runs it as {mode}"
        yield from _entry("", f"{said}. That needs a restart: systemctl restart triaged")
    if mailbox.failures:
        yield from _entry("", f"{mailbox.failures} failures in a row" if mailbox.failures > 1 else "failed once")
    if mailbox.detail:
        yield from _entry("", mailbox.detail)
    for each in mailbox.folders:
        yield from _entry("", f"{each.folder} read up to UID {each.last_uid}, {age(each.at, now)} ago")
    if mailbox.login_ends is not None and mailbox.login_ends - now < _SOON:
        when = age(mailbox.login_ends, now)
        ends = f"ends {when}" if mailbox.login_ends > now else f"ended {when} ago"
        yield from _entry("", f"The login {ends}. Log in again: triaged login {mailbox.name}{suffix}")


def _leaving(reply: Leaving, now: datetime) -> str:
    waits = {
        "now": "now",
        "grace": "may be taken back until then",
        "retry": f"not taken yet, tried {reply.tries} times",
    }.get(reply.why, f"waits for {reply.why}")
    when = (
        age(reply.next_try, now) if reply.next_try and reply.next_try > now and reply.why in ("grace", "retry") else ""
    )
    return f"{reply.draft[:12]}  {reply.mailbox}  {f'{when}, ' if when else ''}{waits}"


def _entry(head: str, text: str) -> Iterator[str]:
    """A line, or several where it is too long."""
    indent = " " * _HEAD
    yield from textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{head:<{_HEAD}}",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
