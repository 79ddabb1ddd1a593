"""`triaged resume`: what was paused, or what the breaker turned off, goes on."""

from typing import Annotated, Literal

import typer

from daemon.cli.opened import open_store
from daemon.cli.output import ConfigOption, naming, say
from daemon.cli.pause import HandlerOption, MailboxOption, one_of
from daemon.review import paused
from daemon.review.decide import reviewer
from daemon.store import switches

WhatArgument = Annotated[
    Literal["breaker"] | None,
    typer.Argument(help="`breaker`: sending had turned itself off. Without: everything that was paused at once."),
]


def command(
    what: WhatArgument = None, mailbox: MailboxOption = None, handler: HandlerOption = None, config: ConfigOption = None
) -> None:
    """Take sending up again: replies that waited leave now, mail that came meanwhile stays held.

    Each switch is turned on by its name, and those left are told.
    """
    one_of(mailbox, handler, what)
    with open_store(config) as opened:
        name = switches.BREAKER if what else paused.switch_name(opened.config, mailbox=mailbox, handler=handler)
        by, now, vault = reviewer(opened.config), opened.now(), opened.store.vault
        waiting = opened.store.write_now(lambda session: paused.resume(session, opened.queue, name, by=by, now=now))
        held = opened.store.read_now(lambda session: paused.still_held(session, name))
        still = opened.store.read_now(lambda session: [row.name for row, _ in switches.every(session, vault)])
    told = paused.told(name)
    if waiting is None:
        say(f"Was not {paused.state(name)}: {told}.")
    else:
        say(f"Resumed {told}. Replies that waited for it: {waiting}.")
        if held:
            say(f"Drafts held because of it, which people decide on: {held}. See: triaged drafts list{naming(config)}")
    for switch in still:
        again = f"To take it up again: {paused.ended_by(switch)}{naming(config)}"
        say(f"Still {paused.state(switch)}: {paused.told(switch)}. {again}")
