"""Forks `triaged run` from a process that has imported everything; each fork dies by SIGKILL where it is told to.

A line of JSON comes in for each daemon: `config`, `log`, `die_at` (a durable boundary, or nothing) and `environment`;
its process id goes out. The forks are real daemons, only without the seconds that imports take.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

_IMPORTED = (
    "anthropic",
    "anyio._backends._asyncio",
    "cel",
    "daemon.brain.wiring",
    "daemon.cli.run",
    "daemon.main",
    "daemon.watch.logs",
    "daemon.watch.notify",
    "dbos._sys_db_sqlite",
    "h11",
    "httpcore2",
    "jinja2.sandbox",
    "multiprocessing.popen_spawn_posix",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "tools.postgres",
    "tools.sqlite",
    "truststore",
)
"""Everything that a daemon imports until its first reply, also what it imports late."""


class Doom:
    """`reached` of a daemon that dies when a mail which came to it gets to a boundary."""

    def __init__(self, die_at: str) -> None:
        self._die_at = die_at
        self._armed = False

    async def __call__(self, _identifier: str, state: str) -> None:
        """Die here, or go on; what was left from before does not count."""
        self._armed = self._armed or state == "received"
        if self._armed and state == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Fork until standard input ends."""
    for name in _IMPORTED:
        with contextlib.suppress(ImportError):  # another version of a library has other modules inside
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a fork here; its parent's parent watches it
    print("ready", flush=True)  # noqa: T201 - the answer
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(**json.loads(line))
        print(child, flush=True)  # noqa: T201 - the answer


def _become(*, config: str, log: str, die_at: str, environment: dict[str, str]) -> None:
    """Turn this fork into a daemon with a session and files of its own."""
    from daemon import cli
    from daemon import main as composition
    from daemon.inbound.screening import Screening

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.environ.update(environment)
    with Path(log).open("ab") as file, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # `triaged run` itself, only with its watcher of boundaries chosen; and with one process to read mail, since the
    # start of two is half of what a kill costs
    replaced = {
        "Daemon": partial(composition.Daemon, reached=Doom(die_at)),
        "Screening": partial(Screening, processes=1),
    }
    vars(composition).update(replaced)
    code = cli.invoke(["run", "--config", config])
    Path(log + ".exit").write_text(str(code))
    os._exit(code)


if __name__ == "__main__":
    main()
