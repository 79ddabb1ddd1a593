"""The names of files in a Maildir (https://cr.yp.to/proto/maildir.html): a unique one, and behind a colon its flags."""

import os


def stem(name: str) -> str:
    """The part of a file's name that no program changes."""
    return name.partition(":")[0]


def unique(name: str) -> str:
    """The same as text that every store takes: octets that are no UTF-8 are written in hex."""
    return os.fsencode(stem(name)).decode("utf-8", errors="backslashreplace")
