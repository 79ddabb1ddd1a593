"""`triaged pause`: no reply leaves until somebody resumes; every worker obeys before its next send."""

from typing import Annotated

import typer

from daemon.cli.opened import open_store
from daemon.cli.output import ConfigOption, naming, say
from daemon.errors import NotPossible
from daemon.review.decide import reviewer
from daemon.review.paused import pause, resume, switch_name
from daemon.store import switches

MailboxOption = Annotated[str | None, typer.Option("--mailbox", metavar="NAME", help="Only this mailbox.")]
HandlerOption = Annotated[str | None, typer.Option("--handler", metavar="NAME", help="Only this handler.")]


def command(
    mailbox: MailboxOption = None,
    handler: HandlerOption = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; shown by `triaged status`.")] = "",
    config: ConfigOption = None,
) -> None:
    """Stop sending and applying, at once and for every worker. Mail still comes in and is drafted."""
    _one(mailbox, handler)
    with open_store(config) as opened:
        name = switch_name(opened.config, mailbox=mailbox, handler=handler)
        by, now = reviewer(opened.config), opened.now()
        fresh = opened.store.write_now(
            lambda session: pause(session, opened.store.vault, name, by=by, reason=reason, now=now)
        )
    again = f"triaged resume{_options(mailbox, handler)}{naming(config)}"
    what = _what(mailbox, handler)
    say(f"Paused {what}. To take it up again: {again}" if fresh else f"Already paused: {what}.")


def command_resume(mailbox: MailboxOption = None, handler: HandlerOption = None, config: ConfigOption = None) -> None:
    """Take sending up again: what waited leaves now."""
    _one(mailbox, handler)
    with open_store(config) as opened:
        name = switch_name(opened.config, mailbox=mailbox, handler=handler)
        by, now, vault = reviewer(opened.config), opened.now(), opened.store.vault
        waiting = opened.store.write_now(lambda session: resume(session, opened.queue, name, by=by, now=now))
        still = opened.store.read_now(lambda session: [row.name for row, _ in switches.every(session, vault)])
    what = _what(mailbox, handler)
    say(f"Was not paused: {what}." if waiting is None else f"Resumed {what}. Replies that waited for it: {waiting}.")
    for switch in still:
        name, _, value = switch.removeprefix("pause:").partition(":")
        again = f"triaged resume{f' --{name} {value}' if value else ''}{naming(config)}"
        say(f"Still paused: {f'{name} {value}' if value else 'everything'}. To take it up again: {again}")


def _one(mailbox: str | None, handler: str | None) -> None:
    if mailbox is not None and handler is not None:
        raise NotPossible("Name a mailbox or a handler, not both: each is paused for itself.")


def _what(mailbox: str | None, handler: str | None) -> str:
    return f"mailbox {mailbox}" if mailbox else f"handler {handler}" if handler else "everything"


def _options(mailbox: str | None, handler: str | None) -> str:
    return f" --mailbox {mailbox}" if mailbox else f" --handler {handler}" if handler else ""
