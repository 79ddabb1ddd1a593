"""`triaged messages`: received mail, what became of it and why."""

from typing import Annotated, Any

import typer

from daemon.cli.draft_page import who
from daemon.cli.opened import open_store
from daemon.cli.output import ConfigOption, JsonOption, age, emit, naming, say
from daemon.errors import WrongUse
from daemon.inbound.subject import base_subject
from daemon.review import decide, mails

app = typer.Typer(help="Received mail.")

MessageArgument = Annotated[str, typer.Argument(metavar="ID", help="The message's id, or its beginning.")]
OUTCOMES = ("sent", "ignored", "rejected", "answered-by-human", "superseded")
STATES = ("screened", "working", "held", "approved", "delivering", "done")
COLUMNS = {
    "id": "id",
    "received_at": "age",
    "sender": "from",
    "subject": "subject",
    "state": "state",
    "outcome": "outcome",
    "reason": "why",
    "rule": "rule",
    "label": "label",
    "assignee": "assigned",
}
CUT = ("sender", "subject", "reason", "label", "assignee")


@app.command("list")
def list_(
    outcome: Annotated[str | None, typer.Option(help=f"Only these: {', '.join(OUTCOMES)}.")] = None,
    state: Annotated[str | None, typer.Option(help=f"Only these: {', '.join(STATES)}.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List messages, the newest first; ignored ones too."""
    for name, value, known in (("--outcome", outcome, OUTCOMES), ("--state", state, STATES)):
        if value is not None and value not in known:
            raise WrongUse(f"{name} {value} is unknown. Known: {', '.join(known)}.")
    with open_store(config) as opened:
        lines = opened.store.read_now(
            lambda session: mails.list_messages(session, opened.store.vault, outcome=outcome, state=state, limit=limit)
        )
    emit(lines, as_json=as_json, columns=COLUMNS, empty="No message.", cut=CUT, brief=_brief)


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    """Outcome or state in one column; the rule is told by `explain`."""
    return {**row, "state": row["outcome"] or row["state"], "outcome": None, "rule": None}


@app.command()
def show(
    message: MessageArgument,
    raw: Annotated[bool, typer.Option("--raw", help="The mail as it came.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a message and its text."""
    with open_store(config) as opened:
        vault = opened.store.vault
        if raw:
            say(
                opened.store.read_now(lambda session: mails.raw_of(session, vault, message))[2].decode(
                    "utf-8", "replace"
                )
            )
            return
        found = opened.store.read_now(lambda session: mails.show_message(session, vault, message))
    if as_json:
        emit(found, as_json=True)
        return
    sender = found.message.sender
    say(f"Message {found.line.id}  {found.line.outcome or found.line.state}  {age(found.line.received_at)} old")
    say(f"  from     {who(sender)}")
    say(f"  to       {', '.join(found.message.to)}")
    say(f"  subject  {found.message.subject}")
    if found.line.reason:
        say(f"  why      {found.line.reason}{f': {found.note}' if found.note else ''}")
    if found.line.draft:
        say(f"  draft    {found.line.draft}   (triaged drafts show {found.line.draft}{naming(config)})")
    say("")
    say(found.message.text or "(no text)")


@app.command()
def explain(message: MessageArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Tell what was done with a message, step by step, and why."""
    with open_store(config) as opened:
        found = opened.store.read_now(lambda session: mails.show_message(session, opened.store.vault, message))
    if as_json:
        emit(found, as_json=True)
        return
    why = f" because of {found.line.reason}" if found.line.reason else ""
    say(f"Message {found.line.id} from {found.line.sender}, {found.line.outcome or found.line.state}{why}.")
    for each in found.records:
        rest = ", ".join(
            f"{key} {value}"
            for key, value in each.items()
            if key not in ("at", "what", "who") and value not in ("", None)
        )
        say(f"  {each['at']:%Y-%m-%d %H:%M:%S}  {each['what']} by {each['who']}{f'  ({rest})' if rest else ''}")
    for step in found.route.get("trace", ()):
        value = {True: "took it", False: "no", None: "could not be evaluated"}[step.get("value")]
        say(f"  rule {step.get('rule')}: {value}{_because(step)}")
    for result in found.calls:
        say(f"  looked up {result.call.name}: {result.outcome}, {len(result.rows)} rows")
    for told in found.told:
        say(f"  a mail server told about the reply ({told.message}): {told.detail}")
    if found.note:
        say(f"  {found.note}")


@app.command()
def retry(
    message: MessageArgument,
    as_human_mail: Annotated[
        bool, typer.Option("--as-human-mail", help="A person wrote it, whatever its header says.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Take up a mail that was ignored or rejected; the new draft waits for a person."""
    with open_store(config) as opened:
        by, now, vault = decide.reviewer(opened.config), opened.now(), opened.store.vault
        subject = opened.store.read_now(lambda session: mails.show_message(session, vault, message)).message.subject
        done = opened.store.write_now(
            lambda session: mails.retry(
                session,
                vault,
                opened.queue,
                message,
                base_subject(subject),
                as_human_mail=as_human_mail,
                by=by,
                now=now,
            )
        )
        say(f"Took {done} up again. The daemon writes a draft; see: triaged drafts list{naming(config)}")


def _because(step: dict[str, object]) -> str:
    return f": {step['error']}" if step.get("error") else ""
