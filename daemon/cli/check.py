"""`triaged check`: every fault of the configuration at once, or a summary of what it configures."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import typer

from daemon import release as releases
from daemon.accounts import MailboxConfig
from daemon.cli.output import ConfigOption, JsonOption, emit, resolve_config, say
from daemon.config import Config
from daemon.release import Release
from tools.located import Faults


def command(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Load the whole configuration and tell every fault at once, with file and line; change nothing.

    Each statement of each tool is prepared on its database. Exit code 1: there are faults.
    """
    try:
        release = releases.load(resolve_config(config))
    except Faults as error:
        if not as_json:
            raise
        emit(
            {"faults": [{"file": each.path, "line": each.line, "message": each.message} for each in error.faults]},
            as_json=True,
        )
        raise typer.Exit(1) from error
    with closing(release.tools):
        if as_json:
            emit({"faults": [], **_summary(release)}, as_json=True)
            return
        for title, text in _lines(release):
            say(f"{title:<10}{text}")
        say("No faults.")


def _summary(release: Release) -> dict[str, Any]:
    config = release.config
    return {
        "directory": config.directory,
        "release": release.id,
        "store": _engine(config.store.url),
        "brain": config.brain.provider,
        "mailboxes": [
            {"name": name, "kind": mailbox.kind, "address": mailbox.address, "mode": mailbox.mode}
            for name, mailbox in config.mailbox.items()
        ],
        "databases": {name: _engine(database.url) for name, database in config.database.items()},
        "rules": [rule.name for rule in release.rules.rules],
        "handlers": list(release.handlers),
        "tools": list(release.tools),
    }


def _lines(release: Release) -> Iterator[tuple[str, str]]:
    config = release.config
    yield "store", _engine(config.store.url)
    for name, mailbox in config.mailbox.items():
        yield "mailbox", f"{name}: {mailbox.address}, {_door(mailbox)}, {mailbox.mode} mode"
    yield "replies", f"by {config.smtp.host}:{config.smtp.port}, TLS {config.smtp.tls}"
    yield "brain", _brain(config)
    for name, database in config.database.items():
        own = sum(tool.database == name for tool in release.tools.values())
        yield "database", f"{name}: {_engine(database.url)}, {own} tools"
    for handler in release.handlers.values():
        automatic = [category.name for category in handler.categories if category.auto != "off"]
        told = f"{len(handler.categories)} categories, automatic: {', '.join(automatic) or 'none'}"
        yield "handler", f"{handler.name}: {told}"
    yield "rules", ", ".join(rule.name for rule in release.rules.rules) or "none: everything is held"
    yield "release", release.id[:12]


def _door(mailbox: MailboxConfig) -> str:
    where = {"imap": f"{mailbox.host}:{mailbox.port}", "maildir": str(mailbox.path)}
    return f"{mailbox.kind} {where.get(mailbox.kind, mailbox.listen)}"


def _brain(config: Config) -> str:
    brain = config.brain
    return brain.provider if brain.provider == "embedded" else f"{brain.provider}, {brain.model}"


def _engine(url: str) -> str:
    """The kind of database; the rest of a URL may hold a password."""
    return url.split(":", 1)[0].split("+", 1)[0]
