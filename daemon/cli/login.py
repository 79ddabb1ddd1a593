"""`triaged login MAILBOX`: a person logs in at an OAuth provider once, and the mail servers prove it."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from daemon.cli import FINE, PROBLEMS, UNREACHABLE
from daemon.cli.output import ConfigOption, age, naming, note, resolve_config, say
from daemon.config import Config
from daemon.errors import LoginRefused, NotPossible, OAuthRefused, Unreachable
from daemon.oauth.client import Client
from tools.errors import Permanent, Transient
from tools.located import unknown


def command(
    mailbox: Annotated[str, typer.Argument(metavar="MAILBOX", help="Name of a [mailbox.NAME] with `oauth`.")],
    config: ConfigOption = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="Log in by a browser that comes back to this machine, without a code.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where the browser comes back to. 0: any free port.")
    ] = 0,
) -> None:
    """Log in to a mailbox with OAuth, and show that its mail servers take the login.

    Asks for a code at the provider's page, or goes by browser where the provider gives no codes for mail, as Google.
    Run it as the user that the daemon runs as. Exit code 1: nothing was granted, or a mail server refused it.
    """
    from daemon import config as configuration
    from daemon.oauth import configured
    from daemon.oauth.tokens import Tokens, fingerprint

    loaded = configuration.load(resolve_config(config))
    oauth = loaded.mailbox[_known(loaded, mailbox)].oauth
    assert oauth is not None
    file = configured.token_file(loaded, mailbox)
    file.prepare()  # what keeps us from writing is better told before a person is sent to log in
    client = configured.client(loaded, mailbox)
    user = loaded.mailbox[mailbox].user or loaded.submission.user or loaded.mailbox[mailbox].address
    by_browser = browser or client.provider.device_endpoint is None
    try:
        answer = _by_browser(client, user, port) if by_browser else _by_device(client, user)
    except KeyboardInterrupt:
        raise NotPossible("Given up. Nothing was changed.") from None
    except OAuthRefused as error:
        told = (
            f"Check `client_id`, `client_secret_file` and `scopes` of [mailbox.{mailbox}.oauth], and docs/operating.md."
        )
        raise NotPossible(f"{error} {told}") from error
    tokens = Tokens.granted(answer, client=fingerprint(oauth), now=datetime.now(UTC).timestamp())
    with file.locked():
        file.write(tokens)
    say(f"Logged in. The tokens are in {file.path}.")
    if tokens.login_ends is not None:
        ends = datetime.fromtimestamp(tokens.login_ends, UTC)
        say(f"The provider says that it ends on {ends:%Y-%m-%d %H:%M} UTC ({age(ends)}); using it may put that off.")
    if code := _proven(loaded, mailbox):
        raise typer.Exit(code)
    say(f"A daemon that waits for this login goes on within minutes. See: triaged status{naming(config)}")


def _known(config: Config, mailbox: str) -> str:
    """The name of a mailbox that logs in with OAuth.

    Raises:
        typer.BadParameter: it is none.
    """
    if mailbox not in config.mailbox:
        raise typer.BadParameter(unknown(mailbox, config.mailbox, "mailbox"), param_hint="MAILBOX")
    if config.mailbox[mailbox].oauth is None:
        told = (
            f"The mailbox `{mailbox}` does not log in with OAuth. Write [mailbox.{mailbox}.oauth] with `provider` and "
            "`client_id` into triaged.toml, and take its `password_file` out."
        )
        raise typer.BadParameter(told, param_hint="MAILBOX")
    return mailbox


def _by_device(client: Client, user: str) -> dict[str, Any]:
    from daemon.oauth import device

    code = client.device_code()
    say(f"Open this page in any browser:  {code.page}")
    say(f"and enter this code:            {code.user_code}")
    say(f"Log in as {user}. The code is good for {code.lifetime / 60:.0f} min; Ctrl-C gives up.")
    with _waiting("Waiting for you to log in …"):
        return device.wait(code, client.token_for_device)


def _by_browser(client: Client, user: str, port: int) -> dict[str, Any]:
    from daemon.oauth.browser import Return

    with Return(client, user=user, port=port) as way:
        say(f"Open this page in a browser and log in as {user}; Ctrl-C gives up:\n\n{way.page}\n")
        if not sys.stdin.isatty():
            note(f"Waiting for the browser at {way.redirect} …")
            return way.wait(None)
        note(
            f"Where the browser runs on another machine, it ends at an address that begins with {way.redirect} and "
            "can't be opened. Paste that address here:"
        )
        return way.wait(sys.stdin)


@contextmanager
def _waiting(text: str) -> Iterator[None]:
    """A spinner on a terminal, a line elsewhere; both on standard error."""
    if not sys.stderr.isatty():
        note(text)
        yield
        return
    from rich.console import Console

    with Console(stderr=True, no_color="NO_COLOR" in os.environ).status(text):
        yield


def _proven(config: Config, mailbox: str) -> int:
    """The exit code: whether every server that is logged in to with these tokens takes them; tells each."""
    tried = [("IMAP", _imap)] if config.mailbox[mailbox].kind == "imap" else []
    if config.smtp.oauth == mailbox:
        tried.append(("SMTP", _smtp))
    code = FINE
    for name, prove in tried:
        try:
            say(f"{name}: {prove(config, mailbox)} takes the login.")
        except (LoginRefused, Permanent) as error:
            code = PROBLEMS
            note(f"{name}: {error}")
        except Transient as error:
            code = code or UNREACHABLE
            note(f"{name}: {error}")
    return code


def _imap(config: Config, mailbox: str) -> str:
    """Log in to the IMAP server, and say which it is.

    Raises:
        LoginRefused, Unreachable: it was not possible.
    """
    from daemon.inbound.arrival import DoorState
    from daemon.inbound.imap_connection import connect, log_out
    from daemon.inbound.imap_trouble import Timing, diagnose
    from daemon.oauth import configured

    box = config.mailbox[mailbox]
    where = f"{box.host}:{box.port}"
    box = box.model_copy(update={"ca_file": config.resolve(box.ca_file) if box.ca_file else None})
    try:
        log_out(connect(box, configured.grant(config, mailbox).credential, timeout=Timing().timeout))
    except Exception as error:
        trouble = diagnose(error, mailbox, token=True)
        if not trouble.foreseen:
            raise
        if trouble.state is DoorState.LOGIN_REFUSED:
            told = f"Check that you logged in as {box.user}, and that its provider allows IMAP to it."
            raise LoginRefused(f"{where} refuses this login ({error}). {told}") from error
        raise Unreachable(f"{where}: {trouble.detail}") from error
    return where


def _smtp(config: Config, mailbox: str) -> str:
    """Log in to the submission server, and say which it is.

    Raises:
        LoginRefused, Unreachable, Permanent: it was not possible.
    """
    from daemon.oauth import configured
    from daemon.outbound.smtp import Submission

    submission = Submission(config.submission, configured.grant(config, mailbox).ask)
    asyncio.run(submission.prove())
    return submission.name
