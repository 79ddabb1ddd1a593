"""In charge of the sentences that no handler answers, shipped as data for the embedded brain to learn from."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("background.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What mails also say."""

    courtesy: tuple[str, ...] = ()
    """Greetings, thanks, circumstances: they surround a request and ask for nothing."""
    requests: tuple[str, ...] = ()
    """What people want of other addresses: applications, offers, dunning, small talk."""


@cache
def shipped() -> Background:
    """The background that comes with triaged."""
    return parse(FILE.read_text(encoding="utf-8"))


def parse(text: str) -> Background:
    """Read lines under `[courtesy]` and `[requests]`; empty lines and those with # in front are skipped.

    Raises:
        KeyError: a line stands under another heading, or under none.
    """
    sections: dict[str, list[str]] = {"courtesy": [], "requests": []}
    heading = ""
    for line in text.splitlines():
        if line.startswith("["):
            heading = line.strip("[] ")
        elif line.strip() and not line.startswith("#"):
            sections[heading].append(line.strip())
    return Background(courtesy=tuple(sections["courtesy"]), requests=tuple(sections["requests"]))
