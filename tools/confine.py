"""What confinement means on any engine: which connections there are, what they may touch, and for how long."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tools.errors import Permanent
from tools.staged import Change
from tools.statement import Engine as Kind
from tools.statement import Statement

Parameters = dict[str, Any]

MOST_ROWS = 1000
"""More changed rows than this are never what a mail asked for, whatever a tool's `rows` says."""
LEDGER = "triaged_ledger"
"""The table of `tools.ledger`, which no tool may touch."""


class Unusable(Permanent):
    """The database can't be opened with these credentials."""


class Unprepared(Permanent):
    """The database does not take the statement, or the statement would do more than a tool may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A business database and the credentials for it."""

    name: str
    url: str = field(repr=False)
    """Read credential: `sqlite:////path` or `postgresql+psycopg://…`."""
    write_url: str | None = field(default=None, repr=False)
    """Credential that only staging and deliveries use; None: `url`."""
    password: str | None = field(default=None, repr=False)
    """For URLs that hold none."""

    @property
    def kind(self) -> Kind:
        """The engine that the URL names."""
        return "postgresql" if self.url.startswith("postgres") else "sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What statements reach, as the engine itself said when it prepared them."""

    read: frozenset[tuple[str, str]] = frozenset()
    """Table and column; PostgreSQL tells tables only (column ""), its column grants do the rest."""
    written: frozenset[str] = frozenset()
    """Tables, those that triggers and cascades write included on SQLite."""
    held: frozenset[tuple[str, str]] = frozenset()
    """Table and column of all that the written tables hold."""
    functions: frozenset[str] = frozenset()
    """SQLite only."""
    columns: tuple[str, ...] = ()
    """The columns that a SELECT yields, in order."""

    def __or__(self, other: "Touched") -> "Touched":
        """What both reach together; the columns are those of the first that has any."""
        return Touched(
            read=self.read | other.read,
            written=self.written | other.written,
            held=self.held | other.held,
            functions=self.functions | other.functions,
            columns=self.columns or other.columns,
        )


class Deadline:
    """The moment at which a call is cut off, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then; zero afterwards."""
        return max(0.0, self._end - time.monotonic())


class Reading(Protocol):
    """An open read: one snapshot, which can't change anything."""

    def fetch(self, statement: Statement, parameters: Parameters, limit: int) -> list[dict[str, Any]]:
        """At most `limit` rows, as the driver's values; of two columns with one name, the first.

        Raises:
            Refused: the database does not take a value.
            Failed: the deadline passed, or the database could not answer.
        """
        ...


class Writing(Reading, Protocol):
    """An open transaction: it is rolled back at the end unless it was committed."""

    def execute(self, statement: Statement, parameters: Parameters) -> int:
        """Run a step; the number of rows that it changed itself.

        Raises:
            Refused: a constraint or a trigger of the database forbids it.
            Failed: as `fetch`.
        """
        ...

    def changes(self) -> tuple[Change, ...]:
        """The rows that changed since the last call; on the first, since the transaction began."""
        ...

    def own(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement of triaged's own, the ledger's: outside of the tool's confines, no part of the changes.

        Args:
            sql: with `$1`, `$2`, … which both engines understand.
            values: one for each of them.
        """
        ...

    def commit(self) -> None:
        """Make it happen.

        Raises:
            Failed: nobody can know here whether it happened; the ledger knows.
        """
        ...


class Engine(Protocol):
    """A business database behind its confinement. Safe to use from several threads."""

    kind: Kind
    database: Database

    def open(self) -> None:
        """Try both credentials.

        Raises:
            Unusable: one of them does not work.
        """
        ...

    def prove(self, statement: Statement, *, writes: bool) -> Touched:
        """Prepare a statement without running it.

        Args:
            statement: the statement.
            writes: whether it belongs to a write and uses that credential.

        Raises:
            Unprepared: it does not prepare, or reaches for more than rows.
        """
        ...

    def reading(self, touched: Touched, bound: Parameters, deadline: Deadline) -> AbstractContextManager[Reading]:
        """Open a read."""
        ...

    def writing(
        self, touched: Touched, bound: Parameters, deadline: Deadline, *, isolation: Literal["stage", "apply"]
    ) -> AbstractContextManager[Writing]:
        """Open a transaction with the write credential."""
        ...

    def close(self) -> None:
        """Close idle connections."""
        ...


def connect(database: Database) -> Engine:
    """The engine for a database; nothing is opened yet."""
    if database.kind == "postgresql":
        from tools.postgres import PostgresEngine

        return PostgresEngine(database)
    from tools.sqlite import SqliteEngine

    return SqliteEngine(database)
