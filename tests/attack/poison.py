"""Puts the words of an attacker into every column of a sample database that customers may write."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.attack.goals import STORED
from tests.attack.world import Base


def poison(base: Base) -> Callable[[Path], None]:
    """What changes a copy of the base: columns that a tool declares as untrusted hold an attack, in every owned row."""
    untrusted = {
        column
        for tool in base.release.tools.values()
        for column, declared in tool.columns.items()
        if declared.untrusted
    }

    def change(folder: Path) -> None:
        with closing(sqlite3.connect(folder / base.database.name)) as database, database:
            for table in base.known:
                for column in untrusted.intersection(table.columns if table.owner else ()):
                    database.execute(f"UPDATE {table.name} SET {column} = ?", (STORED,))

    return change
