"""Reads the newest mails of a mailbox from the store, as far as `daemon.doctor.habits` needs them."""

from collections.abc import Iterable, Iterator

from sqlmodel import Session, col, select

from daemon.doctor.habits import LAST, Seen
from daemon.errors import Sealed
from daemon.gate.verdict import Reason
from daemon.inbound.authenticate import results
from daemon.inbound.loops import list_id
from daemon.store import content
from daemon.store.seal import Vault
from daemon.store.tables import Mail


def seen(session: Session, vault: Vault, mailbox: str) -> list[Seen]:
    """The newest mails, without those of erased people, of contact forms and spam, which tell nothing."""
    query = select(Mail).where(col(Mail.mailbox) == mailbox).order_by(col(Mail.received_at).desc()).limit(LAST)
    return list(_read(vault, session.exec(query).all()))


def _read(vault: Vault, mails: Iterable[Mail]) -> Iterator[Seen]:
    for mail in mails:
        try:
            message = content.message_of(vault, mail)
            note = vault.open(mail.person_id, "messages.note", mail.id, mail.note).decode() if mail.note else ""
        except Sealed:
            continue
        if message.form or mail.reason == Reason.SPAM:
            continue
        lists, told = message.headers.get("list-id", ""), message.headers.get("authentication-results", "")
        server = results(told) if told else None
        yield Seen(
            ignored=(note or str(mail.reason)) if mail.outcome == "ignored" else "",
            verified=message.sender.verdict == "verified",
            list=list_id(lists) if lists else "",
            server=server[0] if server else "",
        )
