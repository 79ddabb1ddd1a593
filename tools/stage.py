"""Tries a write and takes it back: what it would change is seen, and nothing has happened (promise P6)."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from tools import perform, provenance
from tools.bound import Bound
from tools.catalogue import Catalogue
from tools.confine import Deadline
from tools.outcome import Refused
from tools.parameter import bindable
from tools.provenance import Evidence
from tools.read import arguments_for
from tools.staged import StagedWrite
from tools.tool import Tool


def stage(
    tool: Tool,
    arguments: Mapping[str, Any],
    bound: Bound,
    catalogue: Catalogue,
    *,
    earlier: Sequence[StagedWrite] = (),
    known: Evidence | None = None,
) -> StagedWrite:
    """Run guards and steps in a transaction of their own and roll it back.

    Args:
        tool: a write.
        arguments: as the model gave them.
        bound: what the daemon binds.
        catalogue: where the tool is from.
        earlier: writes that the same draft staged before, in order; this one sees what they will have changed.
        known: what the arguments may come from; None: nothing, so that each is the model's own.

    Raises:
        Refused: wrong arguments, a guard, a constraint, no row changed, another database than `earlier`.
        Failed: the deadline passed, or the database could not answer.
    """
    values = arguments_for(tool, arguments, bound)
    if tool.kind != "write":
        raise Refused(f"`{tool.name}` is a read; it is run, not staged.")
    if any(write.database != tool.database for write in earlier):
        raise Refused("The writes of one draft name one database, so that they happen together or not at all.")
    tools = [catalogue[write.tool] for write in earlier]
    touched = reduce(or_, (catalogue.touched[each.name] for each in (tool, *tools)))
    deadline = Deadline(sum(each.deadline for each in (tool, *tools)))
    engine = catalogue.engine(tool.database)
    with engine.writing(touched, bound.parameters(), deadline, isolation="stage") as transaction:
        for before, write in zip(tools, earlier, strict=True):
            perform.perform(transaction, before, bindable(write.arguments) | dict(write.bound))
        done = perform.perform(transaction, tool, values)
    checked = tool.validate(arguments)
    return StagedWrite(
        tool=tool.name,
        database=tool.database,
        arguments=checked,
        bound=bound.parameters(),
        changes=done.changes,
        preimage=perform.preimage(done.changes),
        amount=done.amount,
        currency=done.currency,
        impact=tool.impact,
        reversible=tool.reversible,
        declaration=tool.digest(),
        protected=perform.protected(tool, done.changes),
        traces=provenance.trace(tool, checked, known or Evidence()),
    )
