"""What happened before with a sender, and which mailboxes have mail that is not decided."""

from sqlmodel import Session, col, func, select

from daemon.store.seal import Vault
from daemon.store.tables import Delivery, Draft, Mail, Person


def counts(session: Session, vault: Vault, address: str) -> tuple[int, int, int, int]:
    """Of an address: mails that wanted an answer, replies that no person approved, held drafts, rejected drafts."""
    mac = vault.mac("address", address.lower())
    person = session.exec(select(Person.id).where(col(Person.address_mac) == mac)).first()
    if person is None:
        return (0, 0, 0, 0)
    mails = session.exec(select(func.count()).where(col(Mail.person_id) == person, col(Mail.seq) > 0)).one()
    out = col(Delivery.state).in_(("sent", "done", "uncertain"))
    replies = session.exec(
        select(func.count()).where(col(Delivery.person_id) == person, col(Delivery.automatic), out)
    ).one()
    held, rejected = (
        session.exec(select(func.count()).where(col(Draft.person_id) == person, col(Draft.state) == state)).one()
        for state in ("held", "rejected")
    )
    return (mails, replies, held, rejected)


def open_mailboxes(session: Session) -> set[str]:
    """Mailboxes with mail that is not decided yet, or whose reply is on its way."""
    return set(session.exec(select(Mail.mailbox).where(col(Mail.state) != "done").distinct()).all())
