"""Finds which customer a verified address belongs to: a declared query, confined and proven like a tool's read."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from tools import statement
from tools.bound import Bound
from tools.catalogue import Catalogue
from tools.confine import LEDGER, Deadline, Touched
from tools.errors import Permanent
from tools.statement import Statement

SECONDS = 2.0
"""What one look-up may take, waiting for locks included."""
_MAY_USE = frozenset({"sender", "now"})
_NOBODY = "triaged.invalid"
"""No mail comes from there (RFC 2606 section 2)."""
_WILDCARDS = ("%", "*", ".*")
"""With LIKE, GLOB or a regular expression, `_na@example.com` would be Ana."""


class Unproven(Permanent):
    """The statement can't tell customers apart; the message says why, as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One `[identity.NAME]`, proven on its database."""

    name: str
    database: str
    statement: Statement
    touched: Touched


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Which customer an address belongs to."""

    customer: str | None = None
    """The value of the statement's column, as text; None: nobody can say."""
    problem: Literal["", "unknown", "ambiguous"] = ""


def prove(name: str, database: str, source: str, catalogue: Catalogue) -> Identity:
    """Prepare a statement on its database, and ask it for people who don't exist.

    Raises:
        Unproven: it is not one query with one column and `:sender`, does not prepare, or finds a customer for an
            address that nobody has: then any stranger would be taken for that customer.
        Failed: the database could not answer.
    """
    engine = catalogue.engine(database)
    try:
        read = statement.parse(source, engine.kind, known=_MAY_USE)
        problem = _unfit(read)
        touched = Touched() if problem else engine.prove(read, writes=False)
    except Permanent as error:
        raise Unproven(str(error)) from error
    if problem:
        raise Unproven(problem)
    if len(touched.columns) != 1:
        raise Unproven(f"It returns {len(touched.columns)} columns. Return one: what `:customer` shall be.")
    if any(table == LEDGER for table, _ in touched.read):
        raise Unproven(f"It can't touch `{LEDGER}`. Leave that to triaged.")
    identity = Identity(name=name, database=database, statement=read, touched=touched)
    canary = f"canary-{secrets.token_hex(8)}@{_NOBODY}"
    if any(_fetch(identity, each, datetime.now(UTC), catalogue) for each in (canary, *_WILDCARDS)):
        raise Unproven("It finds a customer for an address that nobody has. Compare the address with `= :sender`.")
    return identity


def _unfit(read: Statement) -> str:
    """What is wrong with a statement before its database is asked; empty: nothing."""
    if read.verb != "select":
        return "It changes rows. Write a SELECT."
    if "sender" not in read.names:
        return "It does not use `:sender`. Compare the customer's address with it."
    others = sorted(set(read.names) - _MAY_USE)
    return f"`:{others[0]}` is not known here. Use `:sender` only." if others else ""


def find(identity: Identity, sender: str, now: datetime, catalogue: Catalogue) -> Found:
    """Look a verified address up.

    Args:
        identity: whose statement is asked.
        sender: normalised address, which must be proved to be the sender's.
        now: aware, UTC.
        catalogue: has the database's engine.

    Raises:
        Failed: the deadline passed, or the database could not answer.
        Refused: the database does not take the address.
    """
    found = _fetch(identity, sender, now, catalogue)
    if len(found) > 1:
        return Found(problem="ambiguous")
    if not found or found[0] is None:
        return Found(problem="unknown")
    return Found(customer=str(found[0]))


def _fetch(identity: Identity, sender: str, now: datetime, catalogue: Catalogue) -> list[object]:
    """The values of at most two rows: a second one is all that has to be known of more."""
    bound = Bound(sender=sender, conversation="", now=now).parameters()
    engine = catalogue.engine(identity.database)
    with engine.reading(identity.touched, bound, Deadline(SECONDS)) as session:
        return [next(iter(row.values())) for row in session.fetch(identity.statement, bound, 2)]
