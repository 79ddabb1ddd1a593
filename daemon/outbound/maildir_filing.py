"""Shows in a Maildir what became of mails: the letters `S` and `R` behind the name (maildir(5)), by renaming."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from daemon.maildirname import unique
from daemon.store.filing import Done, Lying, Shelved, Shown

LETTERS = {Shown.READ: frozenset("S"), Shown.ANSWERED: frozenset("RS")}
"""As the person's own program would set them; held and ignored mail stays unread."""
_INFO = ":2,"


def show(maildir: Path, mails: Sequence[Lying]) -> Shelved:
    """Rename the files of mails whose letters are not right.

    Raises:
        OSError: the folder can't be read or written.
    """
    done = [Done(mail=mail) for mail in mails if not _concerned(mail)]
    concerned = [mail for mail in mails if _concerned(mail)]
    names = _names(maildir / "cur", {mail.file or "" for mail in concerned})
    lost = len(names) < len(concerned)
    coming = {unique(each.name) for each in (maildir / "new").iterdir()} if lost else set()
    done += [_rename(maildir / "cur", mail, names) for mail in concerned if mail.file not in coming]
    return Shelved(done=tuple(done))


def _concerned(mail: Lying) -> bool:
    """Whether letters have to be there, or to go."""
    return mail.wanted in LETTERS or mail.before in LETTERS


def _names(folder: Path, files: set[str]) -> dict[str, str]:
    """Unique name to name; the folder, which may be large, is listed only if another program has changed one."""
    quick = {file: f"{file}{_INFO}" for file in files if (folder / f"{file}{_INFO}").exists()}
    if len(quick) == len(files):
        return quick
    return {name: each.name for each in folder.iterdir() if (name := unique(each.name)) in files}


def _rename(folder: Path, mail: Lying, names: Mapping[str, str]) -> Done:
    name = names.get(mail.file or "")
    if name is None:
        return Done(mail=mail, missing=True)
    kept, _, letters = name.partition(_INFO)
    right = LETTERS.get(mail.wanted, frozenset())
    ours = LETTERS.get(mail.before, frozenset()) if mail.before else frozenset()
    fresh = f"{kept}{_INFO}{''.join(sorted(set(letters) - (ours - right) | right))}"
    if fresh != name:
        with contextlib.suppress(FileNotFoundError):  # another program was quicker: it is as that one left it
            (folder / name).rename(folder / fresh)
    return Done(mail=mail)
