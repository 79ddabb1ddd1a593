"""Where a secret's file is, what keeps it from being used, and what is logged in with."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Credential:
    """What a login is proven with; it is never shown."""

    secret: str = field(repr=False)
    kind: Literal["password", "token"] = "password"
    """`token`: an OAuth 2.0 access token (SASL XOAUTH2, or OAUTHBEARER of RFC 7628)."""


def locate(directory: Path, path: Path) -> Path:
    """A secret's file: systemd's credential of that name if there is one, else the path, relative to `directory`."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / path.name).exists():
        return Path(credentials) / path.name
    return directory / path


def problem(path: Path) -> str | None:
    """What keeps a secret from being used, as a sentence; None when nothing does."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        told = f"The secret {path} can't be read: {error.strerror}."
        return f"{told} Write the secret into that file (mode 0600), or correct the path."
    if stat.S_IMODE(mode) & 0o007:
        return f"The secret {path} is open to every user (mode {stat.S_IMODE(mode):04o}). Run: chmod 0600 {path}"
    return None
