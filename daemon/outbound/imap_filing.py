"""Shows on an IMAP server what became of mails: keywords and flags where they are permitted, and folders.

Everything here can be done twice: a mail that is shown as it should be is left alone, and so is one that a person has
moved or deleted. Nothing is ever expunged but by UID (RFC 4315): what somebody else marked as deleted stays.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.recent import by_message_id, first_recent, response_code
from daemon.store.filing import Done, Lying, Shelved, Shown
from daemon.store.position import Position

if TYPE_CHECKING:
    from imapclient import IMAPClient

TAKEN, HELD = b"$Triaged", b"$TriagedHeld"
SEEN, ANSWERED, DELETED = b"\\Seen", b"\\Answered", b"\\Deleted"
FLAGS = {
    Shown.TAKEN: frozenset({TAKEN}),
    Shown.HELD: frozenset({TAKEN, HELD}),
    Shown.IGNORED: frozenset({TAKEN}),
    Shown.READ: frozenset({TAKEN, SEEN}),
    Shown.ANSWERED: frozenset({TAKEN, SEEN, ANSWERED}),
}
"""The flags of a mail as a person would set them who had done what we did; held and ignored mail stays unread."""

Permitted = frozenset[bytes] | None
"""The flags that the folder keeps, lower case; None: it did not say, which means all (RFC 3501 section 7.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The folders of a mailbox's configuration; empty: none is wanted."""

    home: str
    """The one that is read."""
    held: str = ""
    done: str = ""


def target(mail: Lying, folders: Folders) -> str | None:
    """The folder that a mail should lie in; None: where it is.

    What waits for a person lies in the folder for that, if there is one; otherwise the rule's folder comes first. What
    lies in one of our folders and belongs there no longer comes home.
    """
    away = _same(mail.folder, folders.held) or _same(mail.folder, folders.done)
    home = folders.home if away else None
    choice = {
        Shown.TAKEN: mail.move_to,
        Shown.HELD: folders.held or mail.move_to or home,
        Shown.IGNORED: mail.move_to or home,
        Shown.READ: mail.move_to or folders.done or home,
        Shown.ANSWERED: mail.move_to or folders.done or home,
    }[mail.wanted]
    return None if choice is None or _same(choice, mail.folder) else choice


def changes(mail: Lying, has: Iterable[bytes], permitted: Permitted) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The flags to add to a mail, and those to take away: of a person's flags only what we had set ourselves."""
    present = {flag.lower() for flag in has}
    right = FLAGS[mail.wanted]
    ours = FLAGS[mail.before] if mail.before else frozenset()
    add = {flag for flag in right if flag.lower() not in present and _keeps(permitted, flag)}
    remove = {flag for flag in (ours | {HELD}) - right if flag.lower() in present}
    return frozenset(add), frozenset(remove)


def permitted_flags(selected: Mapping[bytes, Any]) -> Permitted:
    """What a folder keeps, by the answer to SELECT."""
    flags = selected.get(b"PERMANENTFLAGS")
    return None if flags is None else frozenset(flag.lower() for flag in flags)


def keeps_keywords(permitted: Permitted) -> bool:
    """Whether our keywords can be set there."""
    return _keeps(permitted, TAKEN) and _keeps(permitted, HELD)


def _keeps(permitted: Permitted, flag: bytes) -> bool:
    if permitted is None or flag.lower() in permitted:
        return True
    return not flag.startswith(b"\\") and b"\\*" in permitted


def _same(one: str, other: str) -> bool:
    """INBOX is one folder however it is written (RFC 3501 section 5.1)."""
    return one == other or one.upper() == other.upper() == "INBOX"


# --- on the connection ------------------------------------------------------------------------------------------------


def show(client: "IMAPClient", mails: Sequence[Lying], folders: Folders) -> Shelved:
    """Bring about what should be shown of mails that lie in one folder.

    Raises:
        OSError, IMAPClientAbortError: the connection is lost; what was done is done again.
        IMAPClientError: the folder can't be opened.
    """
    folder = mails[0].folder
    if not (_same(folder, folders.home) or client.folder_exists(folder)):
        return Shelved(done=tuple(_missing(mail, folders) for mail in mails))
    selected = client.select_folder(folder)
    here = {mail.uid: mail for mail in mails if mail.uidvalidity == selected[b"UIDVALIDITY"]}
    flags = _flags(client, here)
    gone = [_missing(mail, folders) for mail in mails if mail.uid not in flags]
    permitted = permitted_flags(selected)
    if b"READ-ONLY" in selected:
        return Shelved(done=(*gone, *(Done(mail=here[uid]) for uid in flags)), keywords=False)
    _mark(client, here, flags, permitted)
    done, refused = _move_all(client, [here[uid] for uid in flags], folders)
    return Shelved(done=(*gone, *done), refused=refused, keywords=keeps_keywords(permitted) or bool(folders.held))


def _missing(mail: Lying, folders: Folders) -> Done:
    """It is not where it was; if we meant to move it, perhaps we did, and were stopped before that was kept."""
    return Done(mail=mail, missing=True, sought=target(mail, folders))


def _flags(client: "IMAPClient", uids: Iterable[int | None]) -> dict[int | None, tuple[bytes, ...]]:
    wanted = sorted(uid for uid in uids if uid is not None)
    answer = client.fetch(wanted, ["FLAGS"]) if wanted else {}
    return {uid: row[b"FLAGS"] for uid, row in answer.items() if uid in wanted and b"FLAGS" in row}


def _mark(
    client: "IMAPClient",
    mails: Mapping[int | None, Lying],
    flags: Mapping[int | None, tuple[bytes, ...]],
    permitted: Permitted,
) -> None:
    """One command for all mails that need the same change."""
    add: dict[frozenset[bytes], list[int | None]] = {}
    remove: dict[frozenset[bytes], list[int | None]] = {}
    for uid, has in flags.items():
        more, less = changes(mails[uid], has, permitted)
        add.setdefault(more, []).append(uid)
        remove.setdefault(less, []).append(uid)
    for more, uids in add.items():
        if more:
            client.add_flags(uids, sorted(more), silent=True)
    for less, uids in remove.items():
        if less:
            client.remove_flags(uids, sorted(less), silent=True)


def _move_all(
    client: "IMAPClient", mails: Sequence[Lying], folders: Folders
) -> tuple[tuple[Done, ...], tuple[str, ...]]:
    """Move what has to be moved; a folder that the server refuses keeps no other mail from its place."""
    from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

    ways: dict[str | None, list[Lying]] = {}
    for mail in mails:
        ways.setdefault(target(mail, folders), []).append(mail)
    done = [Done(mail=mail) for mail in ways.pop(None, [])]
    refused = []
    for folder, group in ways.items():
        assert folder is not None
        try:
            done += _move(client, group, folder)
        except IMAPClientAbortError:
            raise
        except IMAPClientError as error:
            client.noop()
            left = _flags(client, [mail.uid for mail in group])
            if len(left) == len(group):
                refused.append(f"a move to {folder} is refused{response_code(error)}")
                continue
            # some servers move none when one has been expunged meanwhile (RFC 5530, EXPUNGEISSUED)
            done += [_missing(mail, folders) for mail in group if mail.uid not in left]
            again, why = _move_all(client, [mail for mail in group if mail.uid in left], folders)
            done += again
            refused += why
    return tuple(done), tuple(refused)


def _move(client: "IMAPClient", mails: Sequence[Lying], folder: str) -> list[Done]:
    """MOVE (RFC 6851), or what it stands for; a kill between COPY and STORE leaves a second copy, never none."""
    if not client.folder_exists(folder):
        client.create_folder(folder)
        client.subscribe_folder(folder)
    uids = [mail.uid for mail in mails]
    client._imap.response("COPYUID")  # noqa: SLF001 - forget an older one: imapclient does not hand it out
    if client.has_capability("MOVE"):
        client.move(uids, folder)
    else:
        client.copy(uids, folder)
    arrived = copied(client._imap.response("COPYUID")[1], folder)  # noqa: SLF001 - as above
    if not client.has_capability("MOVE"):
        client.add_flags(uids, [DELETED], silent=True)
        if client.has_capability("UIDPLUS"):
            client.uid_expunge(uids)
    places = [arrived.get(mail.uid or 0) for mail in mails]
    return [
        Done(mail=mail, moved=True, to=to, sought=None if to else folder)
        for mail, to in zip(mails, places, strict=True)
    ]


def copied(codes: Iterable[bytes | None], folder: str) -> dict[int, Position]:
    """Old UID to new place, by the response codes COPYUID (RFC 4315 section 3)."""
    found: dict[int, Position] = {}
    for code in codes:
        words = (code or b"").split()
        if len(words) != 3:  # noqa: PLR2004 - UIDVALIDITY, old UIDs, new UIDs
            continue
        uidvalidity, old, new = int(words[0]), _uids(words[1]), _uids(words[2])
        for before, after in zip(old, new, strict=False):
            found[before] = Position(folder=folder, uidvalidity=uidvalidity, uid=after)
    return found


def _uids(text: bytes) -> list[int]:
    """A set of UIDs as it stands, `4,6:8`."""
    uids: list[int] = []
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        ends = int(first), int(last or first)
        uids += range(min(ends), max(ends) + 1)
    return uids


def find(client: "IMAPClient", folder: str, message_ids: Sequence[str]) -> dict[str, Position]:
    """Where mails with these Message-IDs lie among the newest of a folder.

    Raises:
        OSError, IMAPClientError: the connection is lost, or the server refuses.
    """
    if not client.folder_exists(folder):
        return {}
    uidvalidity = int(client.select_folder(folder, readonly=True)[b"UIDVALIDITY"])
    first = first_recent(client)
    found: dict[str, Position] = {}
    for message_id in message_ids:
        uids = by_message_id(client, first, message_id)
        if uids:
            found[message_id] = Position(folder=folder, uidvalidity=uidvalidity, uid=max(uids))
    return found
