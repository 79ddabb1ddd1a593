"""Files copies of what was sent, where the mailbox has a Sent folder and we are the ones who fill it."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from daemon.config import Config


class Account(Protocol):
    """An IMAP account (`daemon.inbound.imap.Reader`)."""

    async def append(self, folder: str, raw: bytes, flags: tuple[str, ...] = ()) -> tuple[int, int] | None:
        """Put a mail into a folder: UIDVALIDITY and UID, if they are told."""
        ...

    async def find(self, folder: str, message_id: str) -> bool:
        """Whether a folder holds a mail with that Message-ID, among the recent ones."""
        ...


class SentCopies:
    """`daemon.outbound.parts.Copies` over the IMAP accounts of the configuration."""

    def __init__(self, config: Config, account: Callable[[str], Awaitable[Account]]) -> None:
        """Take the settings.

        Args:
            config: for the mailboxes' folders.
            account: the account of a mailbox with `kind = "imap"`, once it is open.
        """
        self._config = config
        self._account = account

    def wanted(self, mailbox: str) -> bool:
        """Whether we are the ones who file copies for this mailbox."""
        return bool(self._folder(mailbox)) and self._config.mailbox[mailbox].sent_copy == "append"

    async def find(self, mailbox: str, message_id: str) -> bool:
        """Whether Sent holds a mail with that Message-ID; False proves nothing."""
        folder = self._folder(mailbox)
        return bool(folder) and await (await self._account(mailbox)).find(folder, message_id)

    async def file(self, mailbox: str, raw: bytes) -> None:
        """Put a copy into Sent, read as our own mail is."""
        await (await self._account(mailbox)).append(self._folder(mailbox), raw, ("\\Seen",))

    def _folder(self, mailbox: str) -> str:
        settings = self._config.mailbox[mailbox]
        return settings.sent if settings.kind == "imap" else ""
