import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.house import House, model
from tests.e2e.processes import Runner
from tests.e2e.sink import ThreadedSink
from tests.fixtures.messages_api import MessagesApi


@pytest.fixture(scope="session")
def _forks() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


@pytest.fixture
def runner(_forks: Runner) -> Iterator[Runner]:
    """Starts daemons; what still runs of them is killed after the test."""
    yield _forks
    _forks.end()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[ThreadedSink]:
    """The mail server that replies leave through; its faults can be chosen with `.decide`."""
    sink = ThreadedSink(tmp_path / "sent")
    yield sink
    sink.close()


@pytest.fixture
def house(tmp_path: Path, store_url: str, sink: ThreadedSink, messages_api: MessagesApi, runner: Runner) -> House:
    """A configuration whose servers run; once for each engine of the store."""
    messages_api.always(model)
    house = House(directory=tmp_path, store_url=store_url, lmtp=free_port())
    house.build(smtp=sink.port, model=messages_api.url)
    return house


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
