"""Keeps what a mailbox was granted in a file of its own, which only the daemon's user can read."""

import contextlib
import fcntl
import json
import os
import pwd
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from daemon.accounts import OAuthConfig
from daemon.errors import LoginRefused, NotPossible, Unreachable

PATIENCE: Final = 60.0
"""Seconds to wait for another process that refreshes the same tokens."""
_LIFETIME = 1800.0
"""Of an access token, in seconds, where the provider does not say."""
_LOOK = 0.05
_STRETCH = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a provider granted. Times are seconds since 1970."""

    client: str
    """Whom it was granted to: `fingerprint` of the configuration."""
    access: str = field(repr=False)
    refresh: str = field(repr=False)
    begun: float
    """When the access token was granted."""
    expires: float
    """When the access token ends."""
    login_ends: float | None = None
    """When the refresh token ends, after which a person has to log in again; None: the provider does not say."""
    renewed: bool = False
    """Using the refresh token puts that end off, so that it does not come while the daemon runs."""

    @classmethod
    def granted(cls, answer: Mapping[str, Any], *, client: str, now: float, before: "Tokens | None" = None) -> Self:
        """What an answer of the token endpoint grants (RFC 6749 section 5.1).

        Args:
            answer: its JSON.
            client: whom it was granted to.
            now: seconds since 1970.
            before: what was refreshed; its refresh token goes on where the answer has none.

        Raises:
            NotPossible: there is no refresh token, so that the login would end within the hour.
        """
        refresh = answer.get("refresh_token") or (before.refresh if before else None)
        if not refresh:
            raise NotPossible(
                "The provider gave no refresh token, so this login would end within the hour. "
                "Ask for one in `scopes` (mostly `offline_access`), or allow it to the client at the provider."
            )
        lasts = _seconds(answer.get("refresh_token_expires_in")) or _seconds(answer.get("refresh_expires_in"))
        known, renewed = (before.login_ends, before.renewed) if before else (None, False)
        ends = now + lasts if lasts else known
        return cls(
            client=client,
            access=str(answer["access_token"]),
            refresh=str(refresh),
            begun=now,
            expires=now + (_seconds(answer.get("expires_in")) or _LIFETIME),
            login_ends=ends,
            renewed=ends > known + _STRETCH if lasts and ends and known else renewed,
        )


def _seconds(value: Any) -> float | None:
    """A lifetime; Keycloak writes 0 for one without an end."""
    try:
        return float(value) or None
    except (TypeError, ValueError):
        return None


def fingerprint(config: OAuthConfig) -> str:
    """What a login belongs to: another provider or client can't use it."""
    return f"{config.provider}|{config.tenant}|{config.issuer}|{config.client_id}"


class TokenFile:
    """The file of one mailbox. Writers hold `locked`, over processes too; readers need not."""

    def __init__(self, folder: Path, mailbox: str) -> None:
        """Name the file.

        Args:
            folder: `oauth` in the state directory.
            mailbox: name of the `[mailbox.NAME]`.
        """
        name = quote(mailbox, safe="")
        self.path = folder / f"{name}.json"
        self.mailbox = mailbox
        self._lock = folder / f"{name}.lock"

    def read(self) -> Tokens:
        """What was granted.

        Raises:
            LoginRefused: nobody has logged in, or the file can't be used.
        """
        again = f"Run `triaged login {self.mailbox}`."
        try:
            with self.path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                raw = file.read()
        except FileNotFoundError:
            raise LoginRefused(f"Nobody has logged in for the mailbox {self.mailbox} yet. {again}") from None
        except OSError as error:
            raise LoginRefused(
                f"The tokens {self.path} can't be read: {error.strerror}. They must belong to the daemon's user."
            ) from error
        if mode & 0o077:
            raise LoginRefused(
                f"The tokens {self.path} are open to others (mode {mode:04o}), so they are not used. "
                f"Run: chmod 0600 {self.path}"
            )
        try:
            return Tokens(**json.loads(raw))
        except (TypeError, ValueError) as error:
            raise LoginRefused(f"The tokens {self.path} are damaged. {again}") from error

    def write(self, tokens: Tokens) -> None:
        """Replace the file at once and durably: a crash leaves the old one or the new one.

        Raises:
            NotPossible: it can't be written.
        """
        fresh = self.path.with_suffix(".new")
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                self._own(file.fileno())
                file.write(json.dumps(asdict(tokens)).encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise NotPossible(
                f"The tokens {self.path} can't be written: {error.strerror}. Check the owner and space of its folder."
            ) from error

    def prepare(self) -> None:
        """Make the folder, as a user whose files the daemon can read.

        Raises:
            NotPossible: it can't be made, or we are somebody else than the daemon.
        """
        state = self.path.parent.parent
        owner = state.stat().st_uid if state.exists() else os.geteuid()
        if os.geteuid() not in {0, owner}:
            raise NotPossible(
                f"{state} belongs to another user, who could not read what you write. Log in as that one: "
                f"runuser -u {_user(owner)} -- triaged login {self.mailbox}"
            )
        with self.locked():
            pass

    @contextlib.contextmanager
    def locked(self, patience: float = PATIENCE) -> Iterator[None]:
        """Keep every other writer out, in this process and others.

        Raises:
            Unreachable: somebody holds the lock for longer than `patience` seconds.
            NotPossible: the folder can't be used.
        """
        try:
            self._make_folder()
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            told = "It must belong to the daemon's user; `triaged db upgrade` makes the state directory"
            raise NotPossible(f"{self.path.parent} can't be used: {error.strerror}. {told}.") from error
        try:
            self._own(handle)
            _wait(handle, patience, self.mailbox)
            yield
        finally:
            os.close(handle)

    def _make_folder(self) -> None:
        folder = self.path.parent
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fchmod(handle, 0o700)  # a setgid bit of the state directory gives the group nothing here
                self._own(handle)
            finally:
                os.close(handle)

    def _own(self, handle: int) -> None:
        """What root makes belongs to the owner of the state directory, as whom the daemon runs."""
        if os.geteuid() == 0:
            state = self.path.parent.parent.stat()
            os.fchown(handle, state.st_uid, state.st_gid)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _wait(handle: int, patience: float, mailbox: str) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise Unreachable(
                    f"Another process has held the tokens of {mailbox} for {patience:.0f} s. Try again later."
                ) from None
            time.sleep(_LOOK)
        else:
            return
