import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from daemon.config import WatchConfig
from daemon.watch import logs

ADDRESS = "erika.muster@example.com"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root, dbos = logging.getLogger(), logging.getLogger("dbos")
    before = (list(root.handlers), root.level, list(dbos.handlers), dbos.propagate)
    yield
    root.handlers[:], dbos.handlers[:], dbos.propagate = before[0], before[2], before[3]
    root.setLevel(before[1])
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _lines(config: WatchConfig) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(config, stream=stream)
    return stream


def test_a_json_line_holds_event_level_and_time() -> None:
    stream = _lines(WatchConfig(log="json"))
    structlog.get_logger().info("received", size=812)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["size"]) == ("received", "info", 812)
    assert line["timestamp"].endswith("Z")


def test_the_id_of_a_mail_is_on_each_line_also_of_tasks_begun_inside() -> None:
    stream = _lines(WatchConfig(log="json"))

    async def work() -> None:
        with structlog.contextvars.bound_contextvars(message="m1"):
            await asyncio.create_task(_step())
        structlog.get_logger().info("outside")

    async def _step() -> None:
        structlog.get_logger().info("inside")

    asyncio.run(work())
    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert inside["message"] == "m1"
    assert "message" not in outside


@pytest.mark.parametrize("log", ["json", "console", "journal"])
def test_no_address_subject_or_row_is_logged(log: str) -> None:
    stream = _lines(WatchConfig.model_validate({"log": log}))
    logger = structlog.get_logger()
    logger.warning(
        "refused by <erika.muster@example.com>",
        subject="My divorce",
        rows=[{"total": 12}],
        detail=f"To: {ADDRESS}",
        seen=[ADDRESS],
    )
    logging.getLogger("some.library").warning("lost %s", ADDRESS)
    logger.error("broke", exc_info=ValueError(ADDRESS))
    told = stream.getvalue()
    assert "refused by" in told
    assert "broke" in told
    for personal in ("erika", "divorce", "total", "example.com"):
        assert personal not in told


def test_personal_data_are_logged_where_the_operator_asks_for_them() -> None:
    stream = _lines(WatchConfig(log="json", personal_data=True))
    structlog.get_logger().info("received", sender=ADDRESS)
    assert json.loads(stream.getvalue())["sender"] == ADDRESS


def test_the_journal_gets_a_priority_and_no_time() -> None:
    stream = _lines(WatchConfig(log="journal"))
    structlog.get_logger().error("listener failed", port=2424)
    assert stream.getvalue() == '<3>event="listener failed" port=2424\n'


def test_libraries_are_heard_from_warnings_on() -> None:
    stream = _lines(WatchConfig(log="json", level="debug"))
    logging.getLogger("mail.log").info("peer says hello")
    logging.getLogger("dbos").info("see our offer")
    logging.getLogger("dbos").warning("a queue is stuck")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["a queue is stuck"]


def test_lines_below_the_level_are_dropped() -> None:
    stream = _lines(WatchConfig(log="json", level="warning"))
    structlog.get_logger().info("received")
    assert stream.getvalue() == ""
