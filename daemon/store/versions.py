"""The releases that runs name (promise P13)."""

from datetime import datetime

from sqlmodel import Session

from daemon.store.tables import Release


def known(session: Session, identifier: str) -> bool:
    """Whether the release is stored."""
    return session.get(Release, identifier) is not None


def remember(session: Session, identifier: str, manifest: bytes, *, now: datetime) -> None:
    """Store a release."""
    if not known(session, identifier):
        session.add(Release(id=identifier, created_at=now, manifest=manifest))
