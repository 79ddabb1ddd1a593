"""Finds passages of the operator's own texts by their words: the built-in read `search_knowledge`."""

import re
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools import passages
from tools.bound import Bound
from tools.confine import Deadline
from tools.located import Fault, Faults
from tools.outcome import Failed
from tools.parameter import Parameter
from tools.passages import LONGEST, Passage
from tools.tool import Column, Tool

NAME = "search_knowledge"

TOOL = Tool(
    name=NAME,
    kind="read",
    description="Search the company's own texts (terms, help, instructions) for passages, best first. "
    "Use a few words, as the texts would put it, in the customer's language.",
    database="",
    scope="public",
    params={"query": Parameter(type="string", description="What to look for.", max_length=200)},
    rows=4,
    returns=("document", "heading", "text"),
    result="passage",
    columns={"document": Column(), "heading": Column(), "text": Column(type="passage", max_length=LONGEST)},
)

_WORD = re.compile(r"\w+")
_WORDS = 32
"""Words of a query that count."""
_STEM, _ENDING = 4, 3
"""A word is also looked for without its last letters, so that `returning` finds `return`, `Lieferzeit` `Lieferung`."""
_WEIGHTS = "0.0, 3.0, 1.0"
"""A word in the heading counts as three in the text; the document's name does not count."""
_CREATE = """
CREATE VIRTUAL TABLE passages USING fts5(
    document UNINDEXED, heading, text, tokenize = 'unicode61 remove_diacritics 2')"""
_SEARCH = f"""
SELECT document, heading, text FROM passages
WHERE passages MATCH ? ORDER BY bm25(passages, {_WEIGHTS}), rowid LIMIT ?"""  # noqa: S608 - constants
_STEPS = 100
"""Instructions between two looks at the clock; one that reads the index takes long."""


class Knowledge:
    """A full-text index over the passages of one release, in memory. Safe to use from several threads."""

    source = ""

    def __init__(self, found: Sequence[Passage]) -> None:
        self._passages = found
        self._lock = threading.Lock()
        self._index: sqlite3.Connection | None = None
        """Made by the first search: most commands never ask."""

    def __call__(
        self, arguments: Mapping[str, Any], _bound: Bound, deadline: Deadline, limit: int
    ) -> list[dict[str, Any]]:
        """The passages that hold any word of the query, best first.

        Raises:
            Failed: the deadline passed.
        """
        wanted = expression(arguments["query"])
        if not wanted:
            return []
        if not self._lock.acquire(timeout=deadline.left()):
            raise Failed(f"The knowledge was busy for {deadline.seconds:g} s.")
        try:
            index = self._index = self._index or _index(self._passages)
            index.set_progress_handler(lambda: deadline.left() == 0, _STEPS)
            return [dict(zip(TOOL.returns, row, strict=True)) for row in index.execute(_SEARCH, (wanted, limit))]
        except sqlite3.OperationalError as error:
            raise Failed(f"The search took longer than {deadline.seconds:g} s.") from error
        finally:
            self._lock.release()

    def close(self) -> None:
        """Forget the index; a search that comes later makes it again."""
        with self._lock:
            if self._index is not None:
                self._index.close()
            self._index = None


def load(folder: Path) -> Knowledge | None:
    """The knowledge in a folder of Markdown files; None when there is none.

    Raises:
        Faults: as `passages.load`, or this Python's SQLite has no full-text search.
    """
    found = passages.load(folder)
    if not found:
        return None
    try:
        _index(()).close()
    except sqlite3.OperationalError as error:
        told = f"SQLite can't search texts here: {error}. Use a Python whose SQLite has FTS5, or empty the folder."
        raise Faults([Fault(path=folder, message=told)]) from error
    return Knowledge(found)


def expression(query: str) -> str:
    """A query in the language of FTS5: words only, each in quotes, any of them; empty when there is no word.

    What a model wrote never is syntax (https://sqlite.org/fts5.html#full_text_query_syntax).
    """
    words = list(dict.fromkeys(_WORD.findall(query.casefold())))[:_WORDS]
    stems = dict.fromkeys(word[: max(_STEM, len(word) - _ENDING)] for word in words if len(word) > _STEM)
    return " OR ".join([f'"{word}"' for word in words] + [f'"{stem}"*' for stem in stems])


def _index(found: Sequence[Passage]) -> sqlite3.Connection:
    index = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    index.execute(_CREATE)
    index.execute("BEGIN")
    index.executemany(
        "INSERT INTO passages VALUES (?, ?, ?)", [(each.document, each.heading, each.text) for each in found]
    )
    index.execute("COMMIT")
    return index
