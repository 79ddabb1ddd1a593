"""A write that was tried and rolled back, as a value that can be stored, shown and applied later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Origin = Literal["sender", "rows", "untrusted", "invented"]


ORIGINS: Mapping[Origin, str] = {
    "sender": "the sender's words",
    "rows": "a row",
    "untrusted": "a column that others may have written",
    "invented": "the model alone",
}
"""For the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row that a staged write changes."""

    table: str
    before: Mapping[str, Any] | None
    """None: the row is inserted."""
    after: Mapping[str, Any] | None
    """None: the row is deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Where one argument of a write comes from (`tools.provenance`)."""

    parameter: str
    origin: Origin
    """`sender`: the sender's own words; `rows`: a value of this run's rows, or one that the daemon binds; `untrusted`:
    only a column that others may have written; `invented`: the model's own."""
    accepted: bool
    """The declaration takes values from there (`from`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedWrite:
    """A write that was tried and rolled back; it happens at delivery or never (promise P6)."""

    tool: str
    database: str
    arguments: Mapping[str, Any]
    bound: Mapping[str, str | None]
    """The bound parameters it was staged with; delivery uses the same."""
    changes: tuple[Change, ...]
    preimage: str
    """SHA-256 over the rows before; delivery refuses when they have changed."""
    amount: int | None = None
    """Minor units."""
    currency: str | None = None
    impact: str = "customer"
    reversible: bool = False
    declaration: str = ""
    """Digest of the tool's statements (`Tool.digest`); delivery refuses when the tool now does something else."""
    protected: tuple[str, ...] = ()
    """Columns among the changes that are never changed automatically."""
    traces: tuple[Trace, ...] = ()
    """One for each argument that was not left out; an argument without one was never traced, and is not accepted."""
