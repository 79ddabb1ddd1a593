"""`triaged status`: what the daemon is doing."""

from pathlib import Path

from daemon.cli.opened import open_store
from daemon.cli.output import ConfigOption, JsonOption, age, emit, naming, say
from daemon.review.counts import Status, status
from daemon.review.paused import ended_by


def command(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how much is where, what waits, and what is turned off."""
    with open_store(config) as opened:
        now = opened.now()
        found = opened.store.read_now(lambda session: status(session, opened.store.vault, now))
    if as_json:
        emit(found, as_json=True)
        return
    _print(found, config)


def _print(found: Status, config: Path | None) -> None:
    for switch, by, why in found.off:
        ends = f"`{ended_by(switch)}{naming(config)}`"
        say(f"OFF  {switch}, by {by}{f': {why}' if why else ''}. Nothing of it leaves until {ends}.")
    say("messages    " + (", ".join(f"{number} {name}" for name, number in found.messages.items()) or "none yet"))
    held = sum(found.held.values())
    say(f"held        {held}" + (f", the oldest for {age(found.oldest_held)}" if found.oldest_held else ""))
    for reason, number in found.held.items():
        say(f"            {number} {reason}")
    say(f"to leave    {found.waiting_to_leave}")
    say(f"tokens      {found.tokens_today} today")
    for mailbox, folder, uid, at in found.cursors:
        say(f"mailbox     {mailbox}: {folder} read up to UID {uid}, {age(at)} ago")
