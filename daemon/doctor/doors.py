"""Tries the doors that mail comes in by: IMAP with its folders, a listener's address, a Maildir."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.accounts import MailboxConfig
from daemon.doctor.finding import Finding, away, fault, ok, untried, warn
from daemon.inbound import activation
from daemon.inbound.arrival import DoorState
from daemon.outbound.imap_filing import keeps_keywords, permitted_flags
from daemon.secrets import Credential

if TYPE_CHECKING:
    from imapclient import IMAPClient

SECONDS = 10.0
"""A server may be silent."""
_GREETING = 2.0
"""A listener on this machine speaks at once."""
_WANTED = {
    "IDLE": "new mail is seen at the next `poll` only",
    "MOVE": "mail is moved by copying",
    "UIDPLUS": "what was moved or put aside is searched for",
    "CONDSTORE": "a folder that did not change is searched all the same",
}
_UNIX = "unix:"


def imap(name: str, config: MailboxConfig, credential: Callable[[], Credential], *, drafts: bool) -> list[Finding]:
    """Log in and look at the folders; sets no flag and reads no mail.

    Args:
        name: of the mailbox.
        config: its settings, with an absolute `ca_file`.
        credential: what to log in with.
        drafts: drafts are put into its folder for them.
    """
    from daemon.inbound.imap_connection import connect, log_out
    from daemon.inbound.imap_trouble import diagnose

    area = f"mailbox {name}"
    try:
        client = connect(config, credential, timeout=SECONDS)
    except Exception as error:
        trouble = diagnose(error, name, token=config.oauth is not None)
        if not trouble.foreseen:
            raise
        return [(away if trouble.state is DoorState.UNREACHABLE else fault)(area, trouble.detail)]
    try:
        found = [ok(area, f"Logged in to {config.host}:{config.port} as {config.user}.")]
        found += _abilities(area, client)
        found += _folders(area, client, config, drafts=drafts)
    finally:
        log_out(client)
    return found


def _abilities(area: str, client: "IMAPClient") -> Iterator[Finding]:
    lacking = {word: so for word, so in _WANTED.items() if not client.has_capability(word)}
    if not lacking:
        yield ok(area, f"The server offers {', '.join(_WANTED)}.")
    for word, so in lacking.items():
        yield ok(area, f"The server does not offer {word}: {so}.")


def _folders(area: str, client: "IMAPClient", config: MailboxConfig, *, drafts: bool) -> Iterator[Finding]:
    from imapclient.exceptions import IMAPClientError

    try:
        selected: Mapping[bytes, Any] = client.select_folder(config.folder)
    except IMAPClientError as error:
        yield fault(area, f"The folder {config.folder} can't be opened: {error}.", "Correct `folder`.")
        return
    yield ok(area, f"The folder {config.folder} holds {int(selected.get(b'EXISTS', 0))} mails.")
    keywords = keeps_keywords(permitted_flags(selected))
    if not keywords and not config.held_folder:
        do = "Set `held_folder` (and `done`), so that people see in the mailbox what waits for them."
        yield warn(area, "The server keeps no keywords, so the mailbox does not show what is held.", do)
    wanted = [(config.sent, "sent", config.sent_copy == "append"), (config.drafts, "drafts", drafts)]
    for folder, key, used in wanted:
        if used and not client.folder_exists(folder):
            yield warn(area, f"There is no folder {folder}.", f"Make it, or write its name into `{key}`.")


def listener(name: str, config: MailboxConfig) -> list[Finding]:
    """See whether the address is free, or ours already."""
    area, listen = f"mailbox {name}", config.listen or ""
    if activation.asked(listen):
        return [untried(area, "systemd opens its socket when the daemon is started.")]
    try:
        said = _greeting(listen)
    except OSError:
        return [_free(area, listen)]
    if b"triaged" in said.lower():
        return [ok(area, f"The daemon listens on {listen}.")]
    return [fault(area, f"Another program listens on {listen}.", "Stop it, or change `listen`.")]


def _greeting(listen: str) -> bytes:
    """What whoever listens there says first."""
    with _socket(listen) as client:
        client.settimeout(_GREETING)
        client.connect(_address(listen))
        try:
            return client.recv(200)
        except TimeoutError:
            return b""


def _free(area: str, listen: str) -> Finding:
    if listen.startswith(_UNIX):
        folder = Path(listen.removeprefix(_UNIX)).parent
        if os.access(folder, os.W_OK | os.X_OK):
            return ok(area, f"{listen} is free.")
        return fault(area, f"No socket can be made in {folder}.", "Make the folder, or change its owner or mode.")
    with _socket(listen) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(_address(listen))
        except OSError as error:
            told = f"{listen} can't be listened on: {error.strerror or error}."
            return fault(area, told, "Change `listen` to an address of this machine.")
    return ok(area, f"{listen} is free.")


def _socket(listen: str) -> socket.socket:
    if listen.startswith(_UNIX):
        return socket.socket(socket.AF_UNIX)
    return socket.socket(socket.AF_INET6 if listen.startswith("[") else socket.AF_INET)


def _address(listen: str) -> Any:
    if listen.startswith(_UNIX):
        return listen.removeprefix(_UNIX)
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def maildir(name: str, path: Path) -> list[Finding]:
    """See whether its three folders are there, and whether this user may move mail in them."""
    area = f"mailbox {name}"
    for folder in (path / "new", path / "cur", path / "tmp"):
        if not folder.is_dir():
            return [fault(area, f"{folder} is not there.", "Correct `path`, or make the Maildir.")]
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            return [fault(area, f"This user may not move mail in {folder}.", "Change its owner or mode.")]
    waiting = sum(1 for _ in (path / "new").iterdir())
    return [ok(area, f"{path} can be read; {waiting} mails wait in new/.")]
