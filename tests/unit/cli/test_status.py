"""What a person reads in `triaged status`, on a terminal of eighty columns."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daemon.cli.status import lines
from daemon.review.counts import FolderStatus, Leaving, MailboxStatus, Off, Status

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def ago(**delta: float) -> datetime:
    return NOW - timedelta(**delta)


MAILBOX = MailboxStatus(
    name="support",
    kind="imap",
    mode="live",
    mode_in_file="live",
    state="waiting for mail",
    since=ago(hours=3),
    failures=0,
    detail="",
    heard_at=ago(seconds=20),
    login_ends=None,
    folders=(FolderStatus(folder="INBOX", last_uid=812, at=ago(minutes=2)),),
)
QUIET = Status(
    running=True,
    last_heard=ago(seconds=20),
    mailboxes=(MAILBOX,),
    messages={"held": 2, "sent": 40},
    held={"rule-hold": 2},
    oldest_held=ago(days=1),
    waiting_to_leave=0,
    leaving=(),
    off=(),
    tokens_today=12,
)


def reply(**changes: Any) -> Leaving:
    values: dict[str, Any] = {"draft": "0123456789abcdef", "mailbox": "support", "state": "approved"}
    return Leaving(**(values | {"why": "now", "next_try": None, "tries": 1} | changes))


def text(found: Status) -> str:
    return "\n".join(lines(found, NOW))


def test_a_quiet_day_fits_a_few_lines() -> None:
    assert text(QUIET).splitlines() == [
        "daemon      running",
        "mailbox     support: waiting for mail for 3 h",
        "            INBOX read up to UID 812, 2 min ago",
        "messages    2 held, 40 sent",
        "held        2, the oldest for 1 d",
        "            2 rule-hold",
        "to leave    0",
        "tokens      12 today",
    ]


def test_a_daemon_that_does_not_run_is_the_first_thing_told_with_what_to_do() -> None:
    stopped = replace(QUIET, running=False, last_heard=ago(hours=3))
    assert "daemon      not running: last heard of 3 h ago. See: systemctl status triaged" in text(stopped)
    assert "mailbox     support: nobody reads it; was waiting for mail" in text(stopped)
    never = replace(QUIET, running=False, last_heard=None, mailboxes=(replace(MAILBOX, state=None, since=None),))
    assert "not running yet. Start it: systemctl start triaged" in text(never)
    assert "support: not heard of yet" in text(never)


def test_a_mailbox_in_trouble_tells_what_is_wrong_for_how_long_and_what_to_do() -> None:
    detail = "The server refuses the login. Check `user` and `password_file` of the mailbox, then restart triaged."
    ill = replace(MAILBOX, state="login refused", since=ago(minutes=12), failures=5, detail=detail)
    told = text(replace(QUIET, mailboxes=(ill,)))
    assert "support: login refused for 12 min" in told
    assert "5 failures in a row" in told
    assert "Check `user`" in told


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (timedelta(days=5, minutes=1), "The login ends in 5 d. Log in again: triaged login support"),
        (timedelta(days=-1), "The login ended 1 d ago. Log in again: triaged login support"),
        (timedelta(days=8), None),
    ],
)
def test_a_login_that_ends_within_a_week_is_told(ends: timedelta, told: str | None) -> None:
    shown = text(replace(QUIET, mailboxes=(replace(MAILBOX, login_ends=NOW + ends),)))
    assert (told or "triaged login") in shown or told is None
    assert told is not None or "login" not in shown


def test_replies_on_their_way_tell_when_and_why_not_yet() -> None:
    soon = NOW + timedelta(minutes=5, seconds=1)
    leaving = (
        reply(why="grace", next_try=soon),
        reply(why="retry", next_try=soon, tries=3),
        reply(why="breaker"),
        reply(),
    )
    told = text(replace(QUIET, leaving=leaving, waiting_to_leave=14)).splitlines()
    start = told.index("to leave    14") + 1
    assert told[start : start + 5] == [
        "            0123456789ab  support  in 5 min, may be taken back until then",
        "            0123456789ab  support  in 5 min, not taken yet, tried 3 times",
        "            0123456789ab  support  waits for breaker",
        "            0123456789ab  support  now",
        "            and 4 more",
    ]


def test_what_is_off_comes_first_with_the_command_that_turns_it_on() -> None:
    off = Off(switch="pause:mailbox:support", by="ana", at=ago(minutes=3), reason="audit")
    assert text(replace(QUIET, off=(off,))).startswith(
        "OFF  pause:mailbox:support, by ana for 3 min: audit. "
        "Nothing of it leaves until `triaged resume --mailbox support`.\n"
    )


def test_shadow_is_never_forgotten() -> None:
    assert "(shadow: nothing leaves)" in text(
        replace(QUIET, mailboxes=(replace(MAILBOX, mode="shadow", mode_in_file="shadow"),))
    )


def test_what_the_daemon_runs_with_is_told_and_not_what_the_file_says_by_now() -> None:
    found = text(replace(QUIET, mailboxes=(replace(MAILBOX, mode="live", mode_in_file="shadow"),)))
    assert "nothing leaves" not in found
    assert "says shadow, but the daemon runs it as live." in " ".join(found.split())
    assert "systemctl restart triaged" in found


def test_no_line_is_wider_than_eighty_columns() -> None:
    detail = "The server's certificate is refused. " * 5
    ill = replace(MAILBOX, detail=detail, failures=3, login_ends=NOW + timedelta(days=2))
    long = {f"reason-number-{number}": number for number in range(20)}
    shown = text(replace(QUIET, mailboxes=(ill,), messages=long, held=long, leaving=(reply(why="grace"),)))
    assert max(map(len, shown.splitlines())) <= 80
