"""The ledger: a table in the operator's own database that says of each write, once and for all, whether it happened."""

from datetime import UTC, datetime
from typing import Literal

from tools.confine import LEDGER, Database, Deadline, Engine, Touched, Unprepared, Writing, connect
from tools.statement import Statement

State = Literal["applied", "refused"]

DDL = f"""\
CREATE TABLE IF NOT EXISTS {LEDGER} (
    draft TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    digest TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('applied', 'refused')),
    written_at TEXT NOT NULL,
    PRIMARY KEY (draft, ordinal)
)"""
"""The same on both engines. `draft` is draft and revision; rows are never changed or deleted."""

# DO NOTHING: on PostgreSQL a row that another worker just committed is then reported as a serialization failure,
# after which the next attempt sees it.
_INSERT = f"""
INSERT INTO {LEDGER} (draft, ordinal, digest, state, written_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (draft, ordinal) DO NOTHING"""  # noqa: S608 - a constant
_SELECT = f"SELECT state, digest FROM {LEDGER} WHERE draft = $1 AND ordinal = $2"  # noqa: S608 - a constant
_SECONDS = 10.0


def create(database: Database) -> None:
    """Make the table with the write credential: for samples and tests. Operators run `DDL` themselves.

    Raises:
        Failed: the database does not let us.
    """
    engine = connect(database)
    try:
        with engine.writing(Touched(), {}, Deadline(_SECONDS), isolation="apply") as transaction:
            transaction.own(DDL)
            transaction.commit()
    finally:
        engine.close()


def missing(engine: Engine) -> str | None:
    """A sentence with the SQL to run, when the ledger is not there or the write credential can't use it."""
    insert_ = Statement(source=_INSERT, sql=_INSERT, names=("1", "2", "3", "4", "5"), verb="insert", target=LEDGER)
    select = Statement(source=_SELECT, sql=_SELECT, names=("1", "2"), verb="select")
    try:
        engine.prove(insert_, writes=True)
        engine.prove(select, writes=True)
    except Unprepared as error:
        return (
            f"The database `{engine.database.name}` has writes, but no ledger that they can use: {error} Run as "
            f"its owner there, and let the write credential SELECT and INSERT:\n{DDL};"
        )
    return None


def insert(transaction: Writing, draft: str, ordinal: int, digest: str, state: State) -> bool:
    """Enter a write; False when it stands there already: the first insert wins."""
    if entry(transaction, draft, ordinal) is not None:
        return False
    when = datetime.now(UTC).isoformat(timespec="seconds")
    transaction.own(_INSERT, (draft, ordinal, digest, state, when))
    return True


def entry(transaction: Writing, draft: str, ordinal: int) -> tuple[State, str] | None:
    """State and digest of a write."""
    found = transaction.own(_SELECT, (draft, ordinal))
    return (found[0][0], found[0][1]) if found else None


def state(draft: str, engine: Engine) -> State | None:
    """What became of a draft's writes; None: nothing is decided yet.

    Raises:
        Failed: the database could not answer.
    """
    with engine.writing(Touched(), {}, Deadline(_SECONDS), isolation="stage") as transaction:
        found = entry(transaction, draft, 0)
    return found[0] if found else None
