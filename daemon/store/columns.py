"""What the columns of the store are made of: moments, sealed bytes, names of constraints for both engines."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import Column, DateTime, Dialect, Index, LargeBinary, MetaData, TextClause, TypeDecorator
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Instant(TypeDecorator[datetime]):
    """A moment: aware UTC in Python, without zone in the store, the same on both engines."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; a naive time is a mistake of ours."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime can't be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


def instant(*, nullable: bool = False, index: bool = False) -> Any:
    """A column with a moment."""
    return Field(default=None, sa_column=Column(Instant(), nullable=nullable, index=index))


def sealed(*, nullable: bool = False) -> Any:
    """A column whose bytes only `daemon.store.seal` can read."""
    return Field(default=None, sa_column=Column(LargeBinary(), nullable=nullable))


def partial_index(name: str, *columns: str, where: TextClause, unique: bool = False) -> Index:
    """An index over the rows that `where` names, on both engines."""
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


class Table(SQLModel):
    """Our metadata, with constraint names that both engines share."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMING)


def insert(session: Session, table: type[Table]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what happens where the row is there already (`ON CONFLICT`)."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
