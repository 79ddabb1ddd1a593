"""Files copies of what was sent, where the mailbox has a Sent folder and we are the ones who fill it."""

from collections.abc import Mapping
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

    def __init__(self, config: Config, accounts: Mapping[str, Account]) -> None:
        self._config = config
        self._accounts = accounts

    def wanted(self, mailbox: str) -> bool:
        """Whether we are the ones who file copies for this mailbox."""
        settings = self._config.mailbox[mailbox]
        return mailbox in self._accounts and settings.sent_copy == "append" and bool(settings.sent)

    async def find(self, mailbox: str, message_id: str) -> bool:
        """Whether Sent holds a mail with that Message-ID; False proves nothing."""
        if mailbox not in self._accounts:
            return False
        return await self._accounts[mailbox].find(self._config.mailbox[mailbox].sent, message_id)

    async def file(self, mailbox: str, raw: bytes) -> None:
        """Put a copy into Sent, read as our own mail is."""
        await self._accounts[mailbox].append(self._config.mailbox[mailbox].sent, raw, ("\\Seen",))
