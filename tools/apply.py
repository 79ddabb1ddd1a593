"""Makes the staged writes of a draft happen: all or none, once, and only on the rows that were shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from tools import ledger, perform
from tools.catalogue import Catalogue
from tools.confine import Deadline, Engine, Touched, Writing
from tools.difference import difference
from tools.outcome import Conflict, Failed, Refused
from tools.parameter import bindable
from tools.perform import Performed
from tools.staged import StagedWrite
from tools.tool import Tool
from tools.values import digest

_ATTEMPTS = 5
_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The writes have happened."""

    key: str
    earlier: bool = False
    """They had happened before this call, which did nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedWrite:
    """The writes have not happened and never will under this key."""

    detail: str
    """Why, with the difference where rows have changed; for the operator."""


def apply(writes: Sequence[StagedWrite], catalogue: Catalogue, *, key: str) -> Applied | RefusedWrite:
    """Apply a draft's writes in one transaction with their ledger entries; call it as often as need be.

    Args:
        writes: the staged writes of one draft, in order, all of one database.
        catalogue: the tools as they are now.
        key: draft and revision; the ledger's key is this and the ordinal.

    Raises:
        Failed: the database could not answer. Nobody knows whether it happened: call again, the ledger knows.
    """
    assert writes
    engine = catalogue.engine(writes[0].database)
    for _ in range(_ATTEMPTS):
        try:
            return _once(writes, catalogue, engine, key)
        except Conflict as conflict:
            last = conflict
    raise Failed(f"Other transactions changed the same rows {_ATTEMPTS} times in a row. {last.detail}")


def ledger_state(key: str, catalogue: Catalogue, database: str) -> ledger.State | None:
    """What became of the writes under a key; None: nothing is decided yet.

    Raises:
        Failed: the database could not answer.
    """
    return ledger.state(key, catalogue.engine(database))


def refuse(writes: Sequence[StagedWrite], catalogue: Catalogue, *, key: str, detail: str) -> Applied | RefusedWrite:
    """Make sure that a draft's writes never happen under this key; a worker that applied them before was first.

    Raises:
        Failed: the database could not answer. Nothing is decided: call again.
    """
    assert writes
    return _refuse(writes, catalogue.engine(writes[0].database), key, detail)


def _once(writes: Sequence[StagedWrite], catalogue: Catalogue, engine: Engine, key: str) -> Applied | RefusedWrite:
    tools = [catalogue[write.tool] for write in writes if write.tool in catalogue]
    touched = reduce(or_, (catalogue.touched[tool.name] for tool in tools), Touched())
    deadline = Deadline(_SECONDS + sum(tool.deadline for tool in tools))
    try:
        with engine.writing(touched, dict(writes[0].bound), deadline, isolation="apply") as transaction:
            if (decided := _decided(transaction, writes, key)) is not None:
                return decided
            for ordinal, write in enumerate(writes):
                ledger.insert(transaction, key, ordinal, _digest(write), "applied")
            for write in writes:
                _again(transaction, catalogue, write)
            transaction.commit()
    except Refused as refused:
        return _refuse(writes, engine, key, refused.detail)
    return Applied(key=key)


def _again(transaction: Writing, catalogue: Catalogue, write: StagedWrite) -> None:
    """Do what was staged, and refuse when it is no longer what was shown."""
    tool = catalogue.get(write.tool)
    if tool is None or tool.digest() != write.declaration:
        raise Refused(f"The tool `{write.tool}` was changed or removed since the write was staged.")
    done = perform.perform(transaction, tool, bindable(tool.validate(write.arguments)) | dict(write.bound))
    if told := _changed(tool, write, done):
        raise Refused(told)


def _changed(tool: Tool, write: StagedWrite, done: Performed) -> str:
    if perform.preimage(done.changes) != write.preimage:
        return f"Rows have changed since `{tool.name}` was staged: {difference(write.changes, done.changes)}"
    if (done.amount, done.currency) != (write.amount, write.currency):
        was, now = f"{write.amount} {write.currency}", f"{done.amount} {done.currency}"
        return f"The amount of `{tool.name}` was {was} and is now {now}, in minor units."
    if perform.shape(done.changes) != perform.shape(write.changes):
        return f"`{tool.name}` would now change other rows or columns than were shown."
    return ""


def _decided(transaction: Writing, writes: Sequence[StagedWrite], key: str) -> Applied | RefusedWrite | None:
    """What the ledger says already."""
    entries = [ledger.entry(transaction, key, ordinal) for ordinal in range(len(writes))]
    if not any(entries):
        return None
    if entries == [("applied", _digest(write)) for write in writes]:
        return Applied(key=key, earlier=True)
    if all(entry and entry[0] == "refused" for entry in entries):
        return RefusedWrite(detail="The ledger says that these writes were refused.")
    return RefusedWrite(detail=f"The ledger holds other writes under `{key}`. Stage them again as a new revision.")


def _refuse(writes: Sequence[StagedWrite], engine: Engine, key: str, detail: str) -> Applied | RefusedWrite:
    """Make the refusal final; a worker that applied in the meantime was first."""
    with engine.writing(Touched(), {}, Deadline(_SECONDS), isolation="apply") as transaction:
        decided = _decided(transaction, writes, key)
        if decided is None:
            for ordinal, write in enumerate(writes):
                ledger.insert(transaction, key, ordinal, _digest(write), "refused")
            transaction.commit()
    return decided if isinstance(decided, Applied) else RefusedWrite(detail=detail)


def _digest(write: StagedWrite) -> str:
    return digest([write.tool, write.database, dict(write.arguments), dict(write.bound), write.preimage])
