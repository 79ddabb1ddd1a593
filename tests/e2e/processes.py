"""Daemons as processes: started, watched, killed; and the mail server that hands them mail until they take it."""

import json
import os
import select
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.house import Letter

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds that anything may take on a machine that does other things as well."""


@dataclass(slots=True, kw_only=True)
class Daemon:
    """A running `triaged run`."""

    pid: int
    log: Path
    _descriptor: int = field(init=False)

    def __post_init__(self) -> None:
        self._descriptor = os.pidfd_open(self.pid)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        assert self.gone(within=PATIENCE)

    def signal(self, number: int) -> None:
        """Send a signal; one that is dead already gets none."""
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except ProcessLookupError:
            return

    def gone(self, *, within: float = 0.0) -> bool:
        """Whether it ends within so many seconds."""
        watcher = select.poll()  # a descriptor of a process becomes readable when it ends: pidfd_open(2)
        watcher.register(self._descriptor, select.POLLIN)
        return bool(watcher.poll(within * 1000))

    def ready(self) -> bool:
        """Wait until it says that it is ready; False: it died first."""
        assert wait_for(lambda: self.gone() or "daemon.ready" in self.said()), f"not ready:\n{self.said()}"
        return not self.gone()

    def said(self) -> str:
        """Its log."""
        return self.log.read_text() if self.log.exists() else ""

    @property
    def code(self) -> int:
        """The exit code of one that ended by itself."""
        return int(self.log.with_name(self.log.name + ".exit").read_text())

    def alone(self, *, within: float) -> bool:
        """Whether no process of its session is left within so many seconds."""
        return wait_for(lambda: not self._relatives(), within=within)

    def _relatives(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdigit() else []
            except OSError:
                continue
            if fields and int(fields[3]) == self.pid and fields[0] != "Z":
                found.append(int(entry.name))
        return found


class Runner:
    """Starts daemons by fork (`tests/e2e/runner.py`)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("runner.py"))],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._daemons: list[Daemon] = []
        if self._answer() != "ready":
            self.close()
            raise AssertionError("The runner did not start; its error stands above.")

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def start(self, directory: Path, *, die_at: str = "", **environment: str) -> Daemon:
        """Start a daemon; it is not ready yet."""
        assert self._process.stdin is not None
        log = directory / f"log.{len(self._daemons)}"
        order = {"config": str(directory), "log": str(log), "die_at": die_at, "environment": environment}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        daemon = Daemon(pid=int(self._answer()), log=log)
        self._daemons.append(daemon)
        return daemon

    def end(self) -> None:
        """Kill what still runs of the daemons that this test started."""
        for daemon in self._daemons:
            daemon.kill()
        self._daemons.clear()

    def close(self) -> None:
        """Stop starting."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.end()
        self._process.stdin.close()
        self._process.wait(timeout=PATIENCE)
        self._process.stdout.close()


def hand_in(port: int, letter: Letter, *, to: str = "support@shop.example") -> bool:
    """Give a mail to a server over LMTP; whether it said 250. A mail server keeps it otherwise, and tries again."""
    try:
        with smtplib.LMTP("127.0.0.1", port, timeout=PATIENCE) as client:
            client.sendmail(letter.sender, [to], letter.raw)
    except (OSError, smtplib.SMTPException):
        return False
    return True


def wait_for(condition: Callable[[], bool], *, within: float = PATIENCE) -> bool:
    """Look until it is so; False: time is over."""
    until = time.monotonic() + within
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
