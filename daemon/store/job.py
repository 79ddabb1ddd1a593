"""A delivery as it stands, with all that a worker needs to take it further."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from daemon.store import content
from daemon.store.codec import decode
from daemon.store.content import Text
from daemon.store.seal import Vault
from daemon.store.tables import Delivery, Draft, Mail, Revision, StagedWriteRow
from handlers.contract import Message
from tools.staged import StagedWrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A delivery as it stands now, with all that is needed to go on."""

    id: str
    person: str
    state: str
    token: str
    attempt: int
    tries: int
    draft: str
    revision: int
    conversation: str
    mailbox: str
    handler: str | None
    automatic: bool
    resend: bool
    applied: bool
    claimed_until: datetime | None
    created_at: datetime
    failing_since: datetime | None
    message: Message
    text: Text
    writes: tuple[StagedWrite, ...]
    composed: bytes | None = None
    """The mail as it was given to the server; None: it never was."""

    @property
    def key(self) -> str:
        """The ledger's key of this draft and revision."""
        return f"{self.draft}.{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Why a delivery may not go on."""

    kind: str
    """wait: until the pause ends; moot: a newer mail came; answered: a person did; hold: a person has to look."""
    reason: str
    detail: str = ""


def load(session: Session, vault: Vault, delivery_id: str) -> Job | None:
    """The delivery as it stands; None when there is none."""
    delivery = session.get(Delivery, delivery_id)
    if delivery is None:
        return None
    draft = session.get_one(Draft, delivery.draft_id)
    mail = session.get_one(Mail, delivery.message_id)
    revision = session.get_one(Revision, (draft.id, delivery.revision))
    writes = session.exec(
        select(StagedWriteRow).where(col(StagedWriteRow.draft_id) == draft.id).order_by(col(StagedWriteRow.ordinal))
    ).all()
    return Job(
        id=delivery.id,
        person=delivery.person_id,
        state=delivery.state,
        token=delivery.token,
        attempt=delivery.attempt,
        tries=delivery.tries,
        draft=draft.id,
        revision=delivery.revision,
        conversation=draft.conversation_id,
        mailbox=draft.mailbox,
        handler=draft.handler,
        automatic=delivery.automatic,
        resend=delivery.resend,
        applied=delivery.applied,
        claimed_until=delivery.claimed_until,
        created_at=delivery.created_at,
        failing_since=delivery.failing_since,
        message=content.message_of(vault, mail),
        text=content.text_of(vault, revision),
        writes=tuple(_write(vault, row) for row in writes),
        composed=content.composed_of(vault, delivery),
    )


def _write(vault: Vault, row: StagedWriteRow) -> StagedWrite:
    return decode(
        StagedWrite, vault.open(row.person_id, "staged_writes.content", f"{row.draft_id}:{row.ordinal}", row.content)
    )
