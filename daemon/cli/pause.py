"""`triaged pause`: no reply leaves until somebody resumes; every worker obeys before its next send."""

from typing import Annotated

import typer

from daemon.cli.opened import open_store
from daemon.cli.output import ConfigOption, say
from daemon.review.decide import reviewer
from daemon.review.paused import pause, resume, switch_name

MailboxOption = Annotated[str | None, typer.Option("--mailbox", metavar="NAME", help="Only this mailbox.")]
HandlerOption = Annotated[str | None, typer.Option("--handler", metavar="NAME", help="Only this handler.")]


def command(
    mailbox: MailboxOption = None,
    handler: HandlerOption = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; shown by `triaged status`.")] = "",
    config: ConfigOption = None,
) -> None:
    """Stop sending and applying, at once and for every worker. Mail still comes in and is drafted."""
    with open_store(config) as opened:
        name = switch_name(opened.config, mailbox=mailbox, handler=handler)
        by, now = reviewer(opened.config), opened.now()
        fresh = opened.store.write_now(
            lambda session: pause(session, opened.store.vault, name, by=by, reason=reason, now=now)
        )
    what = f"mailbox {mailbox}" if mailbox else f"handler {handler}" if handler else "everything"
    say(f"Paused {what}. Resume with `triaged resume`." if fresh else f"Already paused: {what}.")


def command_resume(mailbox: MailboxOption = None, handler: HandlerOption = None, config: ConfigOption = None) -> None:
    """Take sending up again: what waited leaves now."""
    with open_store(config) as opened:
        name = switch_name(opened.config, mailbox=mailbox, handler=handler)
        by, now = reviewer(opened.config), opened.now()
        waiting = opened.store.write_now(lambda session: resume(session, opened.queue, name, by=by, now=now))
    what = f"mailbox {mailbox}" if mailbox else f"handler {handler}" if handler else "everything"
    if waiting is None:
        say(f"Was not paused: {what}. See `triaged status`.")
    else:
        say(f"Resumed {what}. Replies that waited and leave now: {waiting}.")
