"""Shows in a Maildir what became of mails: the letters `S` and `R` behind the name (maildir(5)), by renaming."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from daemon.store.filing import Done, Lying, Shelved, Shown

FOLDER = "cur"
LETTERS = {Shown.READ: frozenset("S"), Shown.ANSWERED: frozenset("RS")}
"""As the person's own program would set them; held and ignored mail stays unread."""
_INFO = ":2,"


def show(maildir: Path, mails: Sequence[Lying]) -> Shelved:
    """Rename the files of mails whose letters are not right.

    Raises:
        OSError: the folder can't be read or written.
    """
    folder = maildir / FOLDER
    names = {mail.file: _find(folder, mail.file or "") for mail in mails}
    if None in names.values():
        present = {each.name.partition(_INFO)[0]: each.name for each in folder.iterdir()}
        names = {file: name or present.get(file or "") for file, name in names.items()}
    return Shelved(done=tuple(_rename(folder, mail, names[mail.file]) for mail in mails))


def _find(folder: Path, file: str) -> str | None:
    """The name as we gave it, if no other program has changed it: a large folder is not listed for it."""
    name = f"{file}{_INFO}"
    return name if (folder / name).exists() else None


def _rename(folder: Path, mail: Lying, name: str | None) -> Done:
    if name is None:
        return Done(mail=mail, missing=True)
    unique, _, letters = name.partition(_INFO)
    right = LETTERS.get(mail.wanted, frozenset())
    ours = LETTERS.get(mail.before, frozenset()) if mail.before else frozenset()
    fresh = f"{unique}{_INFO}{''.join(sorted(set(letters) - (ours - right) | right))}"
    if fresh != name:
        with contextlib.suppress(FileNotFoundError):  # another program was quicker: it is as that one left it
            (folder / name).rename(folder / fresh)
    return Done(mail=mail)
