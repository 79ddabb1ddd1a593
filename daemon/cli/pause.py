"""`triaged pause`: no reply leaves until somebody resumes; every worker obeys before its next send."""

from typing import Annotated

import typer

from daemon.cli.opened import open_store
from daemon.cli.output import ConfigOption, naming, say
from daemon.errors import WrongUse
from daemon.review import paused
from daemon.review.decide import reviewer

MailboxOption = Annotated[str | None, typer.Option("--mailbox", metavar="NAME", help="Only this mailbox.")]
HandlerOption = Annotated[str | None, typer.Option("--handler", metavar="NAME", help="Only this handler.")]


def command(
    mailbox: MailboxOption = None,
    handler: HandlerOption = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; shown by `triaged status`.")] = "",
    config: ConfigOption = None,
) -> None:
    """Stop sending and applying, at once and for every worker. Mail still comes in and is drafted."""
    one_of(mailbox, handler)
    with open_store(config) as opened:
        name = paused.switch_name(opened.config, mailbox=mailbox, handler=handler)
        by, now, vault = reviewer(opened.config), opened.now(), opened.store.vault
        fresh = opened.store.write_now(
            lambda session: paused.pause(session, vault, name, by=by, reason=reason, now=now)
        )
    what = paused.told(name)
    again = f"To take it up again: {paused.ended_by(name)}{naming(config)}"
    say(f"Paused {what}. {again}" if fresh else f"Already paused: {what}.")


def one_of(mailbox: str | None, handler: str | None, breaker: str | None = None) -> None:
    """Refuse a command that names two things.

    Raises:
        WrongUse: it does.
    """
    if sum(each is not None for each in (mailbox, handler, breaker)) > 1:
        raise WrongUse("Name one thing, not both: each is turned off for itself.")
