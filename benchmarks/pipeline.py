"""Measures the whole path of a mail with an instant brain: mails a second, durable commits, start-up, memory.

`python -m benchmarks.pipeline [--mails N] [--engine sqlite|postgresql]`. LMTP clients and mail server run in this
process, the daemon in one of its own; the floor is the same number of commits by the bare driver, on the same disk,
just before.
"""

import argparse
import json
import os
import smtplib
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa

from daemon.outbound.sink import Sink
from tests.e2e.house import House, Kind, Letter
from tests.e2e.sink import ThreadedSink
from tests.fixtures.messages_api import MessagesApi
from tests.fixtures.postgres import cluster
from tests.fixtures.store import make_store

CLIENTS = 8
"""LMTP connections at once; also the connections of PostgreSQL's floor, as many as the daemon's pool has."""
ROW = os.urandom(4096)
SAMPLE = 10
"""Mails of each kind whose commits are counted, one after the other: mails that come together share some."""
IN_FLIGHT = 500
GOALS: dict[Kind, int] = {"status": 10, "cancel": 13, "question": 5, "newsletter": 1}
"""Commits a mail in the store: 10 when one model call answers; a write costs a call (+1) and T1 and T3 (+2)."""
NAMES: dict[Kind, str] = {
    "status": "sent",
    "cancel": "sent with a write",
    "question": "held",
    "newsletter": "ignored",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A daemon in a process of its own."""

    process: "subprocess.Popen[str]"

    def commits(self) -> int:
        """Commits that wrote something, so far."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return sum(json.loads(_line(self.process)).values())

    def rss(self) -> tuple[float, float]:
        """Resident memory in MB: of the daemon, and of the processes that it started to read mail."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return _rss(self.process.pid), sum(_rss(int(child)) for child in children)


class Counting(Sink):
    """A mail server that keeps nothing: its own disk writes would be measured as ours."""

    kept = 0

    def keep(self, mail_from: str, rcpt_to: tuple[str, ...], raw: bytes) -> None:
        """Count a mail."""
        del mail_from, rcpt_to, raw
        self.kept += 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=300, help="mails for the rate")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], help="only this one")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before, temporary files in {tempfile.gettempdir()}")
    for engine in [given.engine] if given.engine else ["sqlite", "postgresql"]:
        with house(engine) as (here, sink):
            print(f"\n{engine}")
            commits = count(here)
            rate(here, sink, given.mails, commits)
            memory(here)
    with house("sqlite") as (here, _):
        start_up(here)


@contextmanager
def house(engine: str) -> Iterator[tuple[House, ThreadedSink]]:
    """A configuration with its store, which is durable."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triaged-bench-")))
        url = f"sqlite:///{directory / 'triaged.db'}"
        if engine == "postgresql":
            port = stack.enter_context(cluster({"max_connections": "60", "listen_addresses": "127.0.0.1"}))
            url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        make_store(url, directory).close()
        sink = ThreadedSink(directory / "sent", kind=Counting)
        stack.callback(sink.close)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            lmtp = int(probe.getsockname()[1])
        made = House(directory=directory, store_url=url, lmtp=lmtp)
        made.build(smtp=sink.port, model="http://127.0.0.1:9", in_flight=IN_FLIGHT)
        yield made, sink


@contextmanager
def measured(here: House, brain: str, *, counted: bool = False) -> Iterator[Measured]:
    """Run the daemon until the end of the block."""
    command = [sys.executable, "-m", "benchmarks.measured", str(here.directory), brain, *(["count"] if counted else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert _line(process) == "ready"
        yield Measured(process=process)
        assert process.stdin is not None
        if brain == "waiting":
            process.kill()  # its workflows would be waited for
        process.stdin.close()
        process.wait(60)


def count(here: House) -> dict[Kind, float]:
    """Durable commits of a mail of each kind."""
    print("  commits of a mail that comes alone; counted are those of our engine and of dbos's that changed something")
    found: dict[Kind, float] = {}
    with measured(here, "instant", counted=True) as daemon:
        hand_in(here, [here.letter("status")])
        _until(lambda: all(fate.ended for fate in here.fates()))
        idle = _idle(daemon)
        for kind, goal in GOALS.items():
            before, shop = daemon.commits(), _changes(here)
            for _ in range(SAMPLE):
                hand_in(here, [here.letter(kind)], clients=1)
                _until(lambda: all(fate.ended for fate in here.fates()) and _idle_queue(here))
            found[kind] = (daemon.commits() - before) / SAMPLE
            business = (_changes(here) - shop) / SAMPLE
            met = "met" if found[kind] <= goal + 0.1 else "NOT met"
            beside = f" + {business:.1f} in the business database" if business else ""
            print(f"    {NAMES[kind]:<18} {found[kind]:5.1f}{beside} (goal {goal}: {met})")
    print(f"    idle               {idle:5.1f} in 5 s")
    return found


def rate(here: House, sink: ThreadedSink, mails: int, commits: dict[Kind, float]) -> None:
    """Mails a second, and what the bare driver would allow."""
    each = round(commits["status"])
    bare = {clients: floor(here, mails * each // 4, clients) / each for clients in _floors(here)}
    letters = [here.letter("status") for _ in range(mails)]
    with measured(here, "instant") as daemon:
        hand_in(here, [here.letter("status") for _ in range(4)])
        _until(lambda: _idle_queue(here), patience=30)
        sent = sink.kept
        started, cpu = time.monotonic(), _cpu(daemon.process.pid)
        hand_in(here, letters)
        taken = time.monotonic() - started
        _until(lambda: sink.kept - sent >= mails and _idle_queue(here))
        took = time.monotonic() - started
        busy = _cpu(daemon.process.pid) - cpu
    print(f"  {mails} mails auto-sent in {took:.1f} s: {mails / took:.1f} mails/s; taken in after {taken:.1f} s")
    print(f"    the daemon used {busy / took:.0%} of a core, {busy / mails * 1000:.0f} ms a mail")
    for clients, allowed in bare.items():
        met = "met" if mails / took >= allowed / 2 else "NOT met"
        print(
            f"    floor with {clients} connection(s), {each} bare commits a mail: {allowed:.1f} mails/s; "
            f"we have {mails / took / allowed:.0%} (goal 50%: {met})"
        )


def _floors(here: House) -> Sequence[int]:
    return (1,) if here.engine == "sqlite" else (1, CLIENTS)


def floor(here: House, commits: int, clients: int) -> float:
    """Commits a second of the bare driver, each with one row of 4 KB, on the same kind of store."""
    started = time.monotonic()
    if here.engine == "sqlite":
        _bare_sqlite(here.directory / "floor.db", commits)
    else:
        url = here.store_url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as server:
            server.execute("CREATE TABLE IF NOT EXISTS floor (id bigserial PRIMARY KEY, content bytea)")
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda _: _bare_postgresql(url, commits // clients), range(clients)))
    return commits / (time.monotonic() - started)


def _bare_sqlite(path: Path, commits: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("PRAGMA synchronous=FULL")
        store.execute("CREATE TABLE floor (id INTEGER PRIMARY KEY, content BLOB)")
        for _ in range(commits):
            store.execute("BEGIN IMMEDIATE")
            store.execute("INSERT INTO floor (content) VALUES (?)", (ROW,))
            store.execute("COMMIT")


def _bare_postgresql(url: str, commits: int) -> None:
    with psycopg.connect(url) as server:
        for _ in range(commits):
            server.execute("INSERT INTO floor (content) VALUES (%s)", (ROW,))
            server.commit()


def memory(here: House) -> None:
    """Resident memory idle, and with many mails in flight."""
    with measured(here, "waiting") as daemon:
        idle = daemon.rss()
        hand_in(here, [here.letter("status") for _ in range(IN_FLIGHT)])
        letters = here.letters[-IN_FLIGHT:]
        _until(lambda: _working(here) >= len(letters))
        busy = daemon.rss()
    print(f"  RSS idle: {idle[0]:.0f} MB + {idle[1]:.0f} MB of its readers of mail (none has come yet)")
    print(f"  RSS with {IN_FLIGHT} mails in flight: {busy[0]:.0f} MB + {busy[1]:.0f} MB of its readers of mail")


def start_up(here: House) -> None:
    """From the start of `triaged run` until it tells systemd that it is ready."""
    model = MessagesApi()
    here.change("triaged.toml", "http://127.0.0.1:9", model.url)
    took = []
    for _ in range(3):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(f"\0{here.directory}")
            environment = {**os.environ, "NOTIFY_SOCKET": f"@{here.directory}"}
            command = [str(Path(sys.executable).with_name("triaged")), "run", "--config", str(here.directory)]
            started = time.monotonic()
            with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
                systemd.settimeout(60)
                assert systemd.recv(1000).startswith(b"READY=1")
                took.append(time.monotonic() - started)
                process.terminate()
    model.close()
    print(f"\nstart of `triaged run` to READY=1: {min(took):.2f} s (best of {len(took)}; worst {max(took):.2f} s)")


def hand_in(here: House, letters: Sequence[Letter], *, clients: int = CLIENTS) -> None:
    """Give mails to the daemon over LMTP; returns when it has committed them all."""
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda share: _session(here.lmtp, share), [letters[n::clients] for n in range(clients)]))


def _session(port: int, letters: Sequence[Letter]) -> None:
    with smtplib.LMTP("127.0.0.1", port, timeout=300) as client:
        for letter in letters:
            client.sendmail(letter.sender, ["support@shop.example"], letter.raw)


def _idle(daemon: Measured) -> float:
    time.sleep(2)
    before = daemon.commits()
    time.sleep(5)
    return daemon.commits() - before


def _changes(here: House) -> int:
    """The business database's own count of write transactions (SQLite's file format, section 1.3.7)."""
    with (here.directory / "shop.db").open("rb") as file:
        return int.from_bytes(file.read(28)[24:], "big")


def _idle_queue(here: House) -> bool:
    """Whether the engine has written its last word on every workflow."""
    table = "workflow_status" if here.engine == "sqlite" else "dbos.workflow_status"
    engine = sa.create_engine(here.store_url)
    with engine.connect() as store:
        left = store.execute(sa.text(f"SELECT count(*) FROM {table} WHERE status IN ('PENDING', 'ENQUEUED')"))
        found = int(left.scalar_one())
    engine.dispose()
    return found == 0


def _working(here: House) -> int:
    return sum(fate.state == "working" for fate in here.fates())


def _until(condition: Callable[[], bool], *, patience: float = 600) -> None:
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("The daemon does not come to an end. Look at its log.")
        time.sleep(0.1)


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _rss(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
