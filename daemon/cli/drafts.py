"""`triaged drafts`: the review of what is held, for people and for scripts."""

import sys
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from daemon.cli import draft_page
from daemon.cli.opened import Opened, open_store
from daemon.cli.output import ConfigOption, JsonOption, emit, naming, say
from daemon.errors import NotPossible, WrongUse
from daemon.review import decide, view

app = typer.Typer(help="Review what is held.")

DraftArgument = Annotated[str, typer.Argument(metavar="ID", help="The draft's id, or its beginning.")]
COLUMNS = {
    "id": "id",
    "created_at": "age",
    "sender": "from",
    "subject": "subject",
    "category": "category",
    "reasons": "why",
    "priority": "priority",
}
CUT = ("sender", "subject", "category", "reasons")


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also what is decided.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 200,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List held drafts, urgent ones first, then the oldest; and below them the replies that are about to leave."""
    states = (*view.OPEN, *view.DECIDED) if every else view.OPEN
    with open_store(config) as opened:
        lines = opened.store.read_now(
            lambda session: view.list_drafts(session, opened.store.vault, states=states, limit=limit)
        )
    leaving = {"leaves_at": "leaves"} if any(line.leaves_at for line in lines) else {}
    columns = {**COLUMNS, "state": "state", **leaving} if any(line.state != "held" for line in lines) else COLUMNS
    emit(lines, as_json=as_json, columns=columns, empty="Nothing is held.", cut=CUT, brief=_brief)


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    """The main reason and the number of others; a priority only where it is not the usual one."""
    main, *others = row["reasons"] or ("",)
    priority = row["priority"] if row["priority"] != "normal" else None
    return {**row, "reasons": f"{main} +{len(others)}" if others else main, "priority": priority}


@app.command()
def show(draft: DraftArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show a draft with its mail, the rows behind it, what it would change, and why it is held."""
    with open_store(config) as opened:
        page = opened.store.read_now(lambda session: view.show_draft(session, opened.store.vault, draft))
    if as_json:
        emit(page, as_json=True)
    else:
        draft_page.show(page, suffix=naming(config))


@app.command()
def approve(
    draft: DraftArgument,
    resend: Annotated[
        str | None, typer.Option("--resend", metavar="WHY", help="Send a reply again that may have left already.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Send a draft as it stands; its staged writes are applied first."""
    with open_store(config) as opened:
        by, now = decide.reviewer(opened.config), opened.now()
        vault, queue = opened.store.vault, opened.queue
        done = opened.store.write_now(
            lambda session: decide.approve(session, vault, queue, opened.config, draft, by=by, now=now, resend=resend)
        )
        say(f"Approved {done}. {_who_sends(opened)}")


@app.command()
def recall(
    draft: DraftArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the draft.")] = "",
    config: ConfigOption = None,
) -> None:
    """Take back a reply that has not begun to leave; it is held again."""
    with open_store(config) as opened:
        by, now, vault = decide.reviewer(opened.config), opened.now(), opened.store.vault
        done = opened.store.write_now(
            lambda session: decide.recall(session, vault, draft, by=by, reason=reason, now=now)
        )
        say(f"Took {done} back. It is held; see: triaged drafts show {done}{naming(config)}")


@app.command()
def edit(
    draft: DraftArgument,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Take the text from a file; - is standard input.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Change the text in $EDITOR; the draft stays held as a new revision."""
    with open_store(config) as opened:
        by = decide.reviewer(opened.config)
        vault = opened.store.vault
        page = opened.store.read_now(lambda session: view.show_draft(session, vault, draft))
        body = _new_text(page.text.body, file)
        if body is None or body == page.text.body:
            say(f"Nothing changed. The draft {page.line.id} is still held.")
            return
        now = opened.now()
        revision = opened.store.write_now(
            lambda session: decide.edit(session, vault, page.line.id, body, by=by, now=now)
        )
        say(f"Saved as revision {revision}. Send it with: triaged drafts approve {page.line.id}{naming(config)}")


def _new_text(old: str, file: Path | None) -> str | None:
    if file is not None:
        try:
            return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WrongUse(f"{file} can't be read as UTF-8 text: {error}. Correct it and try again.") from error
    if not sys.stdin.isatty():
        raise WrongUse(
            "There is no terminal for $EDITOR. Give the text with --file FILE, or --file - for standard input."
        )
    try:
        return click.edit(old, extension=".txt", require_save=True)
    except (click.ClickException, OSError, ValueError) as error:
        raise NotPossible(f"The editor did not give a text: {error}. Set EDITOR, or use --file.") from error


@app.command()
def reject(
    draft: DraftArgument,
    reason: Annotated[str, typer.Option("--reason", prompt="Why", help="Why no reply leaves.")],
    config: ConfigOption = None,
) -> None:
    """Send nothing; the mail is done."""
    if not reason.strip():
        raise WrongUse("A rejection needs a reason. Say why with --reason.")
    with open_store(config) as opened:
        by, now, vault = decide.reviewer(opened.config), opened.now(), opened.store.vault
        done = opened.store.write_now(
            lambda session: decide.reject(session, vault, draft, by=by, reason=reason, now=now)
        )
        say(f"Rejected {done}. Nothing leaves.")


@app.command()
def redraft(
    draft: DraftArgument,
    hint: Annotated[str, typer.Option("--hint", help="What the agent should do differently.")] = "",
    config: ConfigOption = None,
) -> None:
    """Send it back to the agent; a new draft takes its place."""
    with open_store(config) as opened:
        if hint and opened.config.brain.provider == "embedded":
            raise NotPossible(
                "The embedded brain can't follow a hint. Change the text yourself: "
                f"triaged drafts edit {draft}{naming(config)}"
            )
        by, now, vault = decide.reviewer(opened.config), opened.now(), opened.store.vault
        done = opened.store.write_now(
            lambda session: decide.redraft(session, vault, opened.queue, draft, by=by, hint=hint, now=now)
        )
        say(f"Sent {done} back. The daemon writes a new draft; see: triaged drafts list{naming(config)}")


def _who_sends(opened: Opened) -> str:
    from daemon.store.engine import locked

    if locked(opened.config) is not False:
        return "The daemon sends it now."
    return "The daemon is not running: it leaves as soon as `triaged run` starts."
