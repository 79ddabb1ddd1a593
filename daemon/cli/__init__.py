"""The command line: a command a module, imported when it is asked for, so that `triaged --help` is there at once."""

import inspect
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.main import get_command

from daemon.errors import SchemaMismatch, WrongUse
from tools.errors import Transient, TriagedError

FINE, PROBLEMS, WRONG_USE, UNREACHABLE = 0, 1, 2, 3
"""Exit codes of every command; the command line parser gives `WRONG_USE` too."""
UNEXPECTED = 70
"""EX_SOFTWARE of sysexits.h: an error that we did not foresee."""
CONFIGURATION = 78
"""EX_CONFIG of sysexits.h: `triaged run` can't start before a person changed something; systemd must not try again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One word of the command line: the function `command` of its module, or a group, the module's `app`."""

    module: str
    help: str
    group: bool = False


COMMANDS = {
    "demo": Entry("demo", "Show the whole thing in one process, with nothing to configure."),
    "init": Entry("init", "Write a configuration."),
    "check": Entry("check", "Tell every fault of the configuration at once."),
    "doctor": Entry("doctor", "Try everything live: mailboxes, mail server, store, model."),
    "run": Entry("run", "Run the daemon."),
    "login": Entry("login", "Log in to a mailbox with OAuth, once; the daemon keeps the login fresh."),
    "try": Entry("trial", "Show what would happen to a mail; nothing is stored or sent."),
    "status": Entry("status", "Show what the daemon is doing."),
    "pause": Entry("pause", "Stop sending and applying, at once and for every worker."),
    "resume": Entry("resume", "Take sending up again."),
    "drafts": Entry("drafts", "Review what is held: list, show, approve, edit, reject, redraft.", group=True),
    "messages": Entry("messages", "Received mail: list, show, explain, retry.", group=True),
    "rules": Entry("rules", "The rules: test them, explain what they decided, add one.", group=True),
    "tools": Entry("tools", "The declared reads and writes: list, show, call, prove, grant.", group=True),
    "handlers": Entry("handlers", "The kinds of work: list, show.", group=True),
    "db": Entry("db", "The store: bring its schema up to date.", group=True),
}


def main() -> None:
    """The console script `triaged`."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        The exit code: 0 fine, 1 found problems, 2 wrong use, 3 can't reach something, 70 an error that we did not
        foresee, and for `triaged run` 78 where a person has to change something first.
    """
    words = [word for word in _completing() or arguments if not word.startswith("-")]
    try:
        get_command(build(words[0] if words else "")).main(args=list(arguments), prog_name="triaged")
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else FINE
    except TriagedError as error:
        _tell(error)
        return _exit_code(error, daemon=words[:1] == ["run"])
    except Exception as error:  # noqa: BLE001 - the last place where it can be told to a person instead of dumped on one
        _tell_unexpected(error, whole="--debug" in arguments or words[:1] == ["run"])
        return UNEXPECTED
    return FINE


def build(word: str) -> typer.Typer:
    """The command line with the command `word` imported; every other command is a name and its line of help."""
    app = typer.Typer(name="triaged", no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(_root)
    for name, entry in COMMANDS.items():
        if name != word:
            app.command(name, help=entry.help)(_elsewhere)
        elif entry.group:
            app.add_typer(_module(entry).app, name=name, help=entry.help, no_args_is_help=True)
        else:
            command = _module(entry).command
            app.command(name, help=inspect.getdoc(command) or entry.help)(command)
    return app


def _module(entry: Entry) -> Any:
    return import_module(f"daemon.cli.{entry.module}")


def _elsewhere() -> None:
    """Stand for a command that this invocation does not use."""


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"triaged {version('triaged')}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    """Triages a mailbox: answers routine mail itself, holds the rest for a person, and can explain every decision."""
    del version, debug  # read by `_show_version` and `invoke`


def _completing() -> list[str]:
    """The words before the cursor while a shell asks for completions; typer passes them in these variables."""
    if "_TRIAGED_COMPLETE" not in os.environ:
        return []
    return (os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS") or "").split()[1:]


def _tell(error: TriagedError) -> None:
    typer.echo(str(error), err=True)
    count = len(getattr(error, "faults", ()))
    if count:
        one = count == 1
        typer.echo(f"{count} fault{'' if one else 's'}. Correct {'it' if one else 'them'} and try again.", err=True)


def _exit_code(error: TriagedError, *, daemon: bool) -> int:
    if isinstance(error, Transient):
        return UNREACHABLE
    if isinstance(error, WrongUse):
        return WRONG_USE
    from tools.located import Faults  # brings pydantic, which `triaged --help` can do without

    return CONFIGURATION if daemon and isinstance(error, Faults | SchemaMismatch) else PROBLEMS


def _tell_unexpected(error: Exception, *, whole: bool) -> None:
    told = "".join(traceback.format_exception(error))
    if whole:
        typer.echo(told, err=True, nl=False)
        return
    with tempfile.NamedTemporaryFile("w", prefix="triaged-", suffix=".traceback", delete=False) as file:
        file.write(told)
    typer.echo(
        f"An unexpected error: {type(error).__name__}. The traceback is in {file.name}; report it, or run again as "
        "`triaged --debug …` to see it here.",
        err=True,
    )
