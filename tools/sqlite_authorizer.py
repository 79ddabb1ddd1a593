"""SQLite's authorizer, twice: one writes down what a statement reaches when proven, one allows that and no more."""

import sqlite3
from collections.abc import Callable
from typing import Any

from tools.confine import Touched

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]

OURS = "triaged_touched_"
"""What our own temporary tables and triggers are called; see `tools.sqlite_diff`."""
_CHANGES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})


class Recorder:
    """An authorizer that writes down what a statement reaches, and denies what no tool may."""

    def __init__(self, *, writes: bool) -> None:
        self.read: set[tuple[str, str]] = set()
        self.written: set[str] = set()
        self.functions: set[str] = set()
        self.denied = ""
        """Why, as a sentence, once something was denied."""
        self._writes = writes

    def __call__(self, action: int, one: str | None, two: str | None, where: str | None, _source: str | None) -> int:
        """What SQLite asks; the arguments mean what its C interface says for each action."""
        table, column = one or "", two or ""
        if (where not in {None, "main"} or table.startswith("sqlite_")) and action != sqlite3.SQLITE_FUNCTION:
            return self._deny(f"`{table}` is not a table of the business")
        if action == sqlite3.SQLITE_READ:
            self.read.add((table, column))
        elif action == sqlite3.SQLITE_FUNCTION:
            self.functions.add(column)
        elif action in _CHANGES and self._writes:
            self.written.add(table)
        elif action == sqlite3.SQLITE_RECURSIVE:
            return self._deny("Recursion is refused")
        elif action != sqlite3.SQLITE_SELECT:
            return self._deny("A tool reads and changes rows, nothing else")
        return sqlite3.SQLITE_OK

    def _deny(self, why: str) -> int:
        self.denied = self.denied or why
        return sqlite3.SQLITE_DENY

    def opens(self, connection: sqlite3.Connection, program: list[tuple[Any, ...]]) -> None:
        """Add the tables that a program opens: the authorizer is not asked for the columns of JOIN … USING."""
        pages = dict(connection.execute("SELECT rootpage, tbl_name FROM sqlite_master"))
        opened = (row[3] for row in program if row[1] == "OpenRead" and row[4] == 0)
        self.read |= {(pages[page], "") for page in opened if page in pages}


def enforce(touched: Touched) -> Authorizer:
    """An authorizer that allows what was recorded, and what our own triggers do."""

    def allowed(action: int, one: str | None, two: str | None, where: str | None, source: str | None) -> bool:
        if source is not None and source.startswith(OURS):
            return True
        if action == sqlite3.SQLITE_FUNCTION:
            return two in touched.functions
        if where not in {None, "main"}:
            return False
        if action == sqlite3.SQLITE_READ:
            return (one or "", two or "") in touched.read
        return action == sqlite3.SQLITE_SELECT or (action in _CHANGES and one in touched.written)

    return lambda *call: sqlite3.SQLITE_OK if allowed(*call) else sqlite3.SQLITE_DENY
