"""A write that was tried and rolled back, as a value that can be stored, shown and applied later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row that a staged write changes."""

    table: str
    before: Mapping[str, Any] | None
    """None: the row is inserted."""
    after: Mapping[str, Any] | None
    """None: the row is deleted."""


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
