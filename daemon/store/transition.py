"""How a delivery's row changes: one UPDATE that names the state and the token it expects, and what goes with it.

It must change exactly one row; otherwise another worker has gone on with the delivery and this one stops.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from daemon.errors import Stopped
from daemon.store import limits, records
from daemon.store.codec import decode
from daemon.store.job import Job
from daemon.store.limits import Charge
from daemon.store.seal import Vault
from daemon.store.tables import Delivery, Draft, Mail


def release(session: Session, delivery: Delivery) -> None:
    """Give the reservation back, if there is one: the reply certainly did not leave and nothing was written."""
    if delivery.reserved_at is None:
        return
    limits.release(session, decode(list[Charge], delivery.reserved.encode()), delivery.reserved_at)
    delivery.reserved_at = None
    session.add(delivery)


def said(vault: Vault, job: Job, answer: str) -> bytes:
    """What the mail server said last, or why it stopped, sealed for `deliveries.answer`."""
    return vault.seal(job.person, "deliveries.answer", job.id, answer.encode())


def step(session: Session, job: Job, expected: str, **values: Any) -> None:
    """The UPDATE that names state and token.

    Raises:
        Stopped: another worker has gone on with it.
    """
    session.flush()
    update = (
        sa.update(Delivery)
        .where(col(Delivery.id) == job.id, col(Delivery.state) == expected, col(Delivery.token) == job.token)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if session.connection().execute(update).rowcount != 1:
        raise Stopped("Another worker has gone on with this delivery.")
    session.expire_all()


def set_draft(session: Session, job: Job, **values: Any) -> None:
    """Change the draft, unless it was decided otherwise."""
    open_ = col(Draft.state).in_(("approved", "delivering"))
    session.connection().execute(sa.update(Draft).where(col(Draft.id) == job.draft, open_).values(**values))
    session.expire_all()


def set_mails(session: Session, job: Job, **values: Any) -> None:
    """Change the mails that the draft answers, unless they were decided otherwise."""
    open_ = col(Mail.state).in_(("approved", "delivering"))
    session.connection().execute(sa.update(Mail).where(col(Mail.draft_id) == job.draft, open_).values(**values))
    session.expire_all()


def hold(session: Session, job: Job, reason: str, now: datetime, *, also: str | None = None) -> None:
    """Give the draft to people; `also` is a second reason."""
    urgent = {"priority": "high"} if reason in ("applied-not-sent", "delivery-uncertain") else {}
    set_draft(session, job, state="held", reasons=",".join(filter(None, (reason, also))), **urgent)
    set_mails(session, job, state="held", reason=reason)
    records.write(session, "held", at=now, actor="daemon", message=job.message.id, draft=job.draft, reason=reason)
