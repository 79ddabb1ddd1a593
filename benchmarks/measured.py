"""The daemon that `benchmarks.pipeline` measures, in a process of its own: an instant brain, and its commits counted.

Run as `python -m benchmarks.measured DIR BRAIN [count]`. It prints a line when it is ready; a line in is answered with
the commits so far as JSON, the end of the input stops it. Nothing heavy is imported above: the processes that read mail
import this module too.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handlers.contract import Reply, Request, ToolCall

if TYPE_CHECKING:
    import sqlalchemy as sa

COMMITS: Counter[str] = Counter()


class Instant:
    """Answers at once: the category by the mail's first words, and the write that it needs."""

    name = "instant"

    async def answer(self, request: Request) -> Reply:
        """One turn."""
        text = request.message.text
        if request.turns:
            order = text.partition("order ")[2][:4]
            return Reply(calls=(ToolCall(id="2", name="cancel_order", arguments={"order_id": order}),))
        wanted = {"please cancel": "cancel", "where is": "status"}
        category = next((name for words, name in wanted.items() if words in text), "question")
        given = {"use_template": True, "body": "", "language": "en", "missing": [], "escalate": ""}
        final = ToolCall(id="1", name="propose_reply", arguments={"category": category, **given})
        return Reply(calls=(final,))


class Stamping(Instant):
    """Answers at once, and writes down when it was asked about each order."""

    name = "stamping"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def answer(self, request: Request) -> Reply:
        """One turn."""
        asked = time.monotonic()
        with self._path.open("a") as file:
            file.write(f"{request.message.text.partition('order ')[2][:4]} {asked}\n")
        return await super().answer(request)


class Waiting:
    """Never answers, so that mails stay in flight."""

    name = "waiting"

    async def answer(self, _: Request) -> Reply:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError


def count_commits() -> None:
    """Count every commit of a SQLAlchemy engine (ours and the workflow engine's) that wrote something."""
    from sqlalchemy import Engine, event

    event.listen(Engine, "begin", _began)
    event.listen(Engine, "commit", _commits)
    event.listen(Engine, "after_cursor_execute", _executed)


def _began(connection: "sa.Connection") -> None:
    if connection.dialect.name == "sqlite":
        connection.info["changes"] = _driver(connection).total_changes


def _commits(connection: "sa.Connection") -> None:
    if connection.dialect.name == "sqlite":
        wrote = _driver(connection).total_changes != connection.info["changes"]
    else:
        # A transaction gets its number when it writes first: this is the server's own word for it.
        wrote = _driver(connection).execute("SELECT pg_current_xact_id_if_assigned()").fetchone()[0] is not None
    _count(connection, wrote=wrote)


def _executed(connection: "sa.Connection", _cursor: Any, statement: str, *_: Any) -> None:
    """A statement outside of a transaction, as dbos ends a workflow on PostgreSQL, is a commit of its own."""
    if connection.dialect.name == "postgresql" and _driver(connection).autocommit:
        _count(connection, wrote=any(verb in statement for verb in ("INSERT INTO", "UPDATE ", "DELETE FROM")))


def _count(connection: "sa.Connection", *, wrote: bool) -> None:
    keys = str(connection.engine.url.database).endswith("keys.db")
    COMMITS["keys" if keys else "store"] += wrote


def _driver(connection: "sa.Connection") -> Any:
    return connection.connection.dbapi_connection


async def _serve(directory: Path, brain: Instant | Waiting) -> None:
    from daemon.brain.choice import Chosen
    from daemon.main import Daemon

    loop = asyncio.get_running_loop()
    asked = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    async with Daemon(directory, brain=Chosen(brain=brain)):
        print("ready", flush=True)
        while await asked.readline():
            print(json.dumps(COMMITS), flush=True)


def main() -> None:
    """Run until the input ends."""
    from daemon.config import WatchConfig
    from daemon.watch import logs

    logs.configure(WatchConfig(level="error"))
    directory, brain, *counted = sys.argv[1:]
    if counted:
        count_commits()
    brains: dict[str, Instant | Waiting] = {
        "instant": Instant(),
        "waiting": Waiting(),
        "stamping": Stamping(Path(directory) / "stamps"),
    }
    asyncio.run(_serve(Path(directory), brains[brain]))


if __name__ == "__main__":
    main()
