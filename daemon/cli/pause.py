"""`triaged pause`: no reply leaves until somebody resumes; every worker obeys before its next send."""

from pathlib import Path
from typing import Annotated

import typer

from daemon import config as configuration
from daemon.cli.opened import open_store
from daemon.cli.output import ConfigOption, naming, say
from daemon.config import Config
from daemon.errors import WrongUse
from daemon.review import paused
from daemon.review.decide import reviewer
from tools.located import Fault, Faults

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
    with open_store(config, read=configuration.for_command if mailbox or handler else _anyhow) as opened:
        name = paused.switch_name(opened.config, mailbox=mailbox, handler=handler)
        by, now, vault = reviewer(opened.config), opened.now(), opened.store.vault
        fresh = opened.store.write_now(
            lambda session: paused.pause(session, vault, name, by=by, reason=reason, now=now)
        )
    what = paused.told(name)
    again = f"To take it up again: {paused.ended_by(name)}{naming(config)}"
    say(f"Paused {what}. {again}" if fresh else f"Already paused: {what}.")


def _anyhow(directory: Path) -> Config:
    """What can be read of a configuration that may be broken: the daemon goes on with the one that it has read.

    Raises:
        Faults: not even the store can be found.
    """
    try:
        return configuration.for_command(directory)
    except Faults as error:
        try:
            found = configuration.store_alone(directory)
        except Faults:
            told = "Nothing is paused, since the store can't be found. To stop all sending: systemctl stop triaged"
            raise Faults([*error.faults, Fault(path=directory / configuration.FILE, message=told)]) from error
        say("triaged.toml has faults, which a pause does not need mended; `triaged check` tells them.")
        return found


def one_of(mailbox: str | None, handler: str | None, breaker: str | None = None) -> None:
    """Refuse a command that names two things.

    Raises:
        WrongUse: it does.
    """
    if sum(each is not None for each in (mailbox, handler, breaker)) > 1:
        raise WrongUse("Name one thing, not both: each is turned off for itself.")
