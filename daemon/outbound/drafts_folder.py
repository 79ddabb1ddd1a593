"""Lays held drafts into the mailbox's drafts folder, so that a person may send them from their own mail program.

A reconciler: the store says what should lie there, and what lies there is remembered once it does. A draft that a
person deletes from the folder stays deleted, and stays held. One that they send is noticed in Sent
(`daemon.inbound.sent`).
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog

from daemon.config import Config
from daemon.outbound.compose import Unaddressable, draft
from daemon.recent import first_recent
from daemon.store import placing
from daemon.store.engine import Store
from daemon.store.placing import NOWHERE, Placed, Wanted
from tools.errors import TriagedError

if TYPE_CHECKING:
    from imapclient import IMAPClient

log = structlog.get_logger()
T = TypeVar("T")
HEADER = "X-Triaged-Draft"
EVERY = 3.0
"""Seconds between two looks into the store; the mailbox is asked only when something is to be done."""
_UNWANTED = 60.0
"""The same while `review.drafts_folder` is off."""
_LONGEST = 300.0
_AT_ONCE = 50
_FIELD = f"BODY.PEEK[HEADER.FIELDS ({HEADER})]"


class Account(Protocol):
    """An IMAP account (`daemon.inbound.imap.Reader`)."""

    async def ask(self, work: "Callable[[IMAPClient], T]", *, folder: str | None = None, readonly: bool = True) -> T:
        """Run work on the connection."""
        ...

    async def append(self, folder: str, raw: bytes, flags: tuple[str, ...] = ()) -> tuple[int, int] | None:
        """Put a mail into a folder: UIDVALIDITY and UID, if they are told."""
        ...


class DraftsFolder:
    """The drafts folder of one mailbox."""

    def __init__(
        self,
        mailbox: str,
        account: Account,
        *,
        store: Store,
        config: Callable[[], Config],
        clock: Callable[[], datetime],
    ) -> None:
        self._mailbox = mailbox
        self._account = account
        self._store = store
        self._config = config
        self._clock = clock

    async def run(self) -> None:
        """Look for ever; a mailbox that is away is waited for, longer each time."""
        wait = EVERY
        while True:
            try:
                await self.sweep()
                wait = EVERY if self._config().review.drafts_folder else _UNWANTED
            except TriagedError as error:
                wait = min(_LONGEST, wait * 2)
                log.info("drafts.not-placed", mailbox=self._mailbox, why=type(error).__name__)
            except Exception as error:
                wait = _LONGEST
                log.exception("drafts.not-placed", mailbox=self._mailbox, error=type(error).__name__)
            await asyncio.sleep(wait)

    async def sweep(self) -> None:
        """Take away what was decided, then lay down what is missing.

        Raises:
            Unreachable: the mailbox is away, or refuses.
            StoreBusy: the store is; what was done and not kept is found there the next time.
        """
        wanted = self._config().review.drafts_folder
        mailbox, vault = self._mailbox, self._store.vault
        unwanted = partial(placing.superfluous, mailbox=mailbox, every=not wanted, limit=_AT_ONCE)
        while places := await self._store.read(unwanted):
            await self._remove(places)
            await self._store.write(partial(placing.forget, drafts=[each.draft for each in places]))
        if not wanted:
            return
        look = partial(placing.missing, vault=vault, mailbox=mailbox, limit=_AT_ONCE)
        while drafts := await self._store.read(look):
            for each in drafts:
                await self._place(each)

    async def _place(self, wanted: Wanted) -> None:
        """Lay a revision down in place of the one before."""
        if wanted.old is not None:
            await self._remove([wanted.old])
        raw = self._composed(wanted)
        uidvalidity, uid = NOWHERE if raw is None else await self._append(raw, wanted.token)
        place = Placed(draft=wanted.draft, revision=wanted.revision, uidvalidity=uidvalidity, uid=uid)
        await self._store.write(partial(placing.keep, places=[place]))

    def _composed(self, wanted: Wanted) -> bytes | None:
        config = self._config()
        if not wanted.text.body.strip():
            return None
        try:
            return draft(
                message=wanted.message,
                body=wanted.text.body,
                mailbox=config.mailbox[self._mailbox],
                reply=config.reply,
                language=wanted.text.language,
                now=self._clock(),
                mark=(HEADER, wanted.token),
            )
        except Unaddressable:
            return None

    async def _append(self, raw: bytes, token: str) -> tuple[int, int]:
        """Put it there, unless it lies there from a time when we were killed; where it lies."""
        folder = self._folder
        look = partial(find, folder=folder, token=token)
        return (
            await self._account.ask(look)
            or await self._account.append(folder, raw, ("\\Draft", "\\Seen"))
            or await self._account.ask(look)
            or NOWHERE
        )

    async def _remove(self, places: Sequence[Placed]) -> None:
        if places := [each for each in places if (each.uidvalidity, each.uid) != NOWHERE]:
            await self._account.ask(partial(remove, folder=self._folder, places=places))

    @property
    def _folder(self) -> str:
        return self._config().mailbox[self._mailbox].drafts


def find(client: "IMAPClient", folder: str, token: str) -> tuple[int, int] | None:
    """UIDVALIDITY and UID of the draft with that mark, among the newest; makes the folder when there is none."""
    from imapclient.exceptions import IMAPClientError

    try:
        selected = client.select_folder(folder, readonly=True)
    except IMAPClientError:
        if client.folder_exists(folder):
            raise
        client.create_folder(folder)
        client.subscribe_folder(folder)
        return None
    found = client.search(["UID", f"{first_recent(client)}:*", "HEADER", HEADER, token])
    for uid, answer in client.fetch(found, [_FIELD]).items() if found else ():
        value = next((text for key, text in answer.items() if key.upper().startswith(b"BODY[HEADER")), None) or b""
        if value.partition(b":")[2].strip() == token.encode():  # SEARCH finds parts of a field too
            return int(selected[b"UIDVALIDITY"]), uid
    return None


def remove(client: "IMAPClient", folder: str, places: Sequence[Placed]) -> None:
    """Take drafts of ours away, by UID alone: what somebody else marked as deleted stays (RFC 4315)."""
    from imapclient.exceptions import IMAPClientError

    try:
        uidvalidity = int(client.select_folder(folder)[b"UIDVALIDITY"])
    except IMAPClientError:
        if client.folder_exists(folder):
            raise
        return
    uids = [each.uid for each in places if each.uidvalidity == uidvalidity]
    # the folder was made anew: its UIDs mean other mails now, but the marks stand in the drafts
    moved = [find(client, folder, each.token) for each in places if each.uidvalidity != uidvalidity]
    uids = sorted({*uids, *(each[1] for each in moved if each is not None)})
    if not uids:
        return
    if moved:
        client.select_folder(folder)
    client.add_flags(uids, [b"\\Deleted"], silent=True)
    if client.has_capability("UIDPLUS"):
        client.uid_expunge(uids)
