"""The log on standard error: one line an event, the id of the mail on each, nothing of its content (promise P15)."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from daemon.config import WatchConfig

PERSONAL = frozenset(
    {
        "address",
        "body",
        "from",
        "mail_from",
        "name",
        "raw",
        "rcpt_to",
        "recipient",
        "row",
        "rows",
        "sender",
        "subject",
        "text",
        "to",
    }
)
"""Keys whose values are hidden unless `[watch] personal_data = true`."""

_ADDRESS = re.compile(r"[^\s@<>\"'(),:;=\[\]]{1,64}@[^\s@<>\"'(),:;=\[\]]{1,255}")
_HIDDEN = "(hidden)"
# Libraries that tell of each call, some of it quoted from mails; their warnings are wanted.
_TALKATIVE = (
    "aiosmtpd",
    "alembic",
    "anthropic",
    "asyncio",
    "dbos",
    "httpcore2",
    "httpx2",
    "imapclient",
    "mail",
    "sqlalchemy",
)
_PRIORITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}


def configure(config: WatchConfig, *, stream: TextIO | None = None) -> None:
    """Send our own log and that of the libraries to standard error, in one format.

    Args:
        config: `[watch]`: format, least level, whether personal data may be logged.
        stream: another file than standard error.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        *(() if config.personal_data else (hide_personal_data,)),
    ]
    level = logging.getLevelNamesMapping()[config.level.upper()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(config, handler.stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # dbos puts a handler of its own on its logger at the first use, unless there is one already.
    dbos = logging.getLogger("dbos")
    dbos.handlers[:] = [handler]
    dbos.propagate = False
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def hide_personal_data(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide the values of personal keys, and mail addresses wherever they stand."""
    for key, value in event.items():
        if key in PERSONAL and value not in (None, ""):
            event[key] = _HIDDEN
        elif not isinstance(value, int | float | None) and "@" in str(value):
            event[key] = _ADDRESS.sub(_HIDDEN, str(value))
    return event


def _renderers(config: WatchConfig, stream: TextIO) -> list[Processor]:
    if config.log == "json":
        return [structlog.processors.JSONRenderer(ensure_ascii=False)]
    if config.log == "journal":
        return [_for_journal]
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)]


def _for_journal(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    """A line with the priority that sd-daemon(3) describes, without the time, which the journal has itself."""
    event.pop("timestamp", None)
    priority = _PRIORITY.get(str(event.pop("level", "info")), 6)
    line = structlog.processors.LogfmtRenderer(key_order=["event"], bool_as_flag=False)(logger, name, event)
    return f"<{priority}>{line}"
