"""`triaged rules`: which rule takes a mail, why, and a rule written from a mail."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon import config as configuration
from daemon.cli.output import ConfigOption, JsonOption, emit, note, progress, resolve_config, say
from daemon.config import Config
from daemon.errors import NotFound, WrongUse
from daemon.inbound.arrival import Arrival
from daemon.route import rules as routing
from daemon.route import written
from daemon.route.facts import facts
from daemon.route.rules import Route, Rules, Step
from daemon.route.written import By
from handlers.contract import Message
from tools import located
from tools.located import Faults, unknown

if TYPE_CHECKING:
    from daemon.review.mails import MailView

app = typer.Typer(help="The rules.")

COLUMNS = {
    "mail": "mail",
    "outcome": "outcome",
    "rule": "rule",
    "handler": "handler",
    "reason": "why",
    "priority": "priority",
    "move": "folder",
    "label": "label",
}
CUT = ("mail", "rule", "handler", "reason", "move", "label")
_SAID = {True: "yes", False: "no", None: "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The configuration and its rules."""

    config: Config
    rules: Rules
    path: Path
    handlers: frozenset[str]
    people: frozenset[str]


@app.command("test")
def try_mails(
    file: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Mail files, or folders of them.", show_default=False)
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", metavar="N", help="The newest stored mails instead.", min=1)
    ] = None,
    mailbox: Annotated[str | None, typer.Option(help="Mailbox that the files came to. Default: the first.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which rule takes each mail; nothing is changed."""
    if bool(file) == bool(last):
        raise WrongUse("Name mail files, or give --last N: one of the two.")
    loaded = _load(config)
    mails = _stored(config, last) if last else _files(loaded.config, _mailbox(loaded.config, mailbox), file or [])
    emit([_row(loaded.rules, *each) for each in mails], as_json=as_json, columns=COLUMNS, empty="No mail.", cut=CUT)


@app.command()
def explain(
    message: Annotated[str, typer.Argument(metavar="ID", help="The message's id, or its beginning.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every rule in order, with the values that make it true or false of a stored mail, as the rules are today."""
    loaded = _load(config)
    view = _one(config, message)
    mail, ignored = view.message, _ignored_by_screen(view)
    known = facts(mail, now=mail.received_at or datetime.now(UTC))
    route, steps = loaded.rules.route(known), loaded.rules.explain(known)
    if as_json:
        rules = [_step(loaded.rules, step) for step in steps]
        emit({**_decision(mail.id, route), "ignored_before": ignored, "rules": rules}, as_json=True)
        return
    if ignored is not None:
        say(f"{mail.id} was ignored before any rule was asked: {ignored}. If it had not been:")
    say(f"{mail.id}: {_told(route)}")
    for step in steps:
        say(f"\n{_SAID[step.value]:<7}{step.rule}{'  ← decides' if step.rule == route.rule else ''}")
        say(f"       when {_step(loaded.rules, step)['when']}")
        for name, value in step.values.items():
            say(f"       {name} = {value!r}")
        if step.error:
            say(f"       {step.error}")


@app.command()
def add(
    *,
    source: Annotated[str, typer.Option("--from", metavar="ID", help="The stored mail, by id or its beginning.")],
    by: Annotated[str, typer.Option(help="What such mail has in common: sender, domain, list or subject.")] = "sender",
    name: Annotated[str | None, typer.Option(help="The rule's name.")] = None,
    handler: Annotated[str | None, typer.Option(help="Handler that works on it.")] = None,
    hold: Annotated[str | None, typer.Option(help="Why a person should look.")] = None,
    ignore: Annotated[bool, typer.Option("--ignore", help="Never answer it.")] = False,
    priority: Annotated[str | None, typer.Option(help="high, normal or low.")] = None,
    move: Annotated[str | None, typer.Option(help="Folder to move it to.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Keyword to put on it; may be repeated.")] = None,
    assign: Annotated[str | None, typer.Option(help="Reviewer who gets it.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    config: ConfigOption = None,
) -> None:
    """Write a rule from a mail: it is shown first, then put before the rule that takes such mail today."""
    loaded = _load(config)
    kind = _by(by)
    mail = _one(config, source).message
    actions = {
        "handler": handler,
        "hold": hold,
        "ignore": ignore,
        "priority": priority,
        "move": move,
        "label": label,
        "assign": assign,
    }
    taken = {rule.name for rule in loaded.rules.rules}
    block = written.rule(name or written.name_for(mail, kind, taken), written.condition(mail, kind), actions)
    decider = loaded.rules.route(facts(mail, now=datetime.now(UTC))).rule
    text = written.insert(loaded.path.read_text(encoding="utf-8"), block, loaded.rules, decider)
    try:
        routing.read(located.parse(text, loaded.path), handlers=loaded.handlers, people=loaded.people)
    except Faults as error:  # the file had none: they are of the options
        raise WrongUse("\n".join(fault.message for fault in error.faults)) from error
    say(block)
    if not yes and not typer.confirm(f"Write it to {loaded.path}?", err=True):
        raise typer.Exit(1)
    _replace(loaded.path, text)
    note(f"Written to {loaded.path}. A running daemon takes it up with: systemctl reload triaged")


def _load(directory: Path | None) -> Loaded:
    """Rules need no database: a broken tool must not keep anybody from testing them."""
    config = configuration.load(resolve_config(directory))
    folder = config.directory / "handlers"
    handlers = frozenset(each.parent.name for each in folder.glob("*/handler.toml"))
    people = frozenset(config.review.people)
    path = config.directory / routing.FILE
    rules = routing.load(path, handlers=handlers, people=people)
    return Loaded(config=config, rules=rules, path=path, handlers=handlers, people=people)


def _mailbox(config: Config, name: str | None) -> str:
    if name is None:
        return next(iter(config.mailbox))
    if name not in config.mailbox:
        raise NotFound(unknown(name, config.mailbox, "mailbox"))
    return name


def _by(text: str) -> By:
    known: dict[str, By] = {"sender": "sender", "domain": "domain", "list": "list", "subject": "subject"}
    if text not in known:
        raise WrongUse(unknown(text, known, "value of --by"))
    return known[text]


def _files(config: Config, mailbox: str, paths: list[Path]) -> Iterator[tuple[str, Message, str | None]]:
    """Each file as a message, and the reason for which the screen would ignore it before any rule."""
    from daemon.inbound import settings
    from daemon.inbound.screen import screen

    # our own marks are recognised by the daemon only: its key is no business of this command
    screening = settings.of(config, mailbox, mark_key=b"")
    found = [each for path in paths for each in (sorted(path.iterdir()) if path.is_dir() else [path])]
    with progress(found, "mails") as files:
        for path in files:
            arrival = Arrival(mailbox=mailbox, raw=_read(path), received_at=datetime.now(UTC))
            screened = screen(arrival, screening, id="0")
            yield str(path), screened.message, screened.automatic.value if screened.automatic else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} can't be read: {error.strerror}. Name a file with one mail in it.") from error


def _stored(directory: Path | None, count: int) -> Iterator[tuple[str, Message, str | None]]:
    """The newest stored mails, without those that the screen ignored."""
    from daemon.cli.opened import open_store
    from daemon.review import mails

    with open_store(directory) as opened:
        vault = opened.store.vault
        lines = opened.store.read_now(
            lambda session: mails.list_messages(session, vault, outcome=None, state=None, limit=count)
        )
        for line in lines:
            view = opened.store.read_now(lambda session, key=line.id: mails.show_message(session, vault, key))  # type: ignore[misc]
            yield line.id, view.message, _ignored_by_screen(view)


def _one(directory: Path | None, prefix: str) -> "MailView":
    from daemon.cli.opened import open_store
    from daemon.review import mails

    with open_store(directory) as opened:
        return opened.store.read_now(lambda session: mails.show_message(session, opened.store.vault, prefix))


def _ignored_by_screen(view: "MailView") -> str | None:
    """Why no rule was asked; None: one was, or a person took the mail up."""
    line = view.line
    return line.reason if line.outcome == "ignored" and line.rule is None and not view.runs else None


def _row(rules: Rules, mail: str, message: Message, ignored: str | None) -> dict[str, Any]:
    if ignored is not None:
        return {**_decision(mail, Route(outcome="ignore")), "reason": ignored}
    return _decision(mail, rules.route(facts(message, now=message.received_at or datetime.now(UTC))))


def _decision(mail: str, route: Route) -> dict[str, Any]:
    return {
        "mail": mail,
        "outcome": route.outcome,
        "rule": route.rule,
        "handler": route.handler,
        "reason": route.reason.value if route.reason else None,
        "detail": route.detail,
        "priority": route.priority,
        "move": route.move,
        "label": list(route.label),
        "assign": route.assign,
        "language": route.language,
    }


def _step(rules: Rules, step: Step) -> dict[str, Any]:
    when = next(rule.when.source for rule in rules.rules if rule.name == step.rule)
    return {
        "rule": step.rule,
        "when": when,
        "value": step.value,
        "error": step.error or None,
        "values": dict(step.values),
    }


def _told(route: Route) -> str:
    said = {"handle": f"goes to {route.handler}", "hold": "is held", "ignore": "is ignored"}[route.outcome]
    by = f" by rule {route.rule}" if route.rule else ""
    return f"{said}{by}{f' ({route.reason.value})' if route.reason else ''}. {route.detail}".strip()


def _replace(path: Path, text: str) -> None:
    """Write the file anew at once, with the owner and mode that it had."""
    before = path.stat()
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".rules-", delete=False, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        Path(file.name).chmod(before.st_mode & 0o7777)
        if os.geteuid() == 0:
            os.chown(file.name, before.st_uid, before.st_gid)
    Path(file.name).replace(path)
