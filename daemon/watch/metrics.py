"""Says to Prometheus what happened and what is where: counts and states, never anything of a mail (promise P15)."""

import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from sqlmodel import Session

from daemon.errors import Unreachable
from daemon.inbound.arrival import DoorState
from daemon.store import tally
from daemon.store.engine import Store
from daemon.store.levels import Levels, levels
from daemon.store.tally import Tally
from tools.errors import TriagedError

if TYPE_CHECKING:
    from prometheus_client import Metric

log = structlog.get_logger()
_SETTLED = timedelta(minutes=1)
"""Longer than any transaction of the store: what is older is counted once and for all."""
_PATIENCE = 5.0
"""Seconds that a client may take for its request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric, as Prometheus names and types it."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    label: str = ""


FAMILIES = (
    Family(name="mails_received_total", kind="counter", meaning="Mails taken in, each once", label="mailbox"),
    Family(name="mails_ignored_total", kind="counter", meaning="Mails that get no reply", label="reason"),
    Family(name="mails_undecided", kind="gauge", meaning="Mails that wait for their turn or are worked on"),
    Family(name="drafts_held_total", kind="counter", meaning="Times that a draft went to people", label="reason"),
    Family(name="drafts_held", kind="gauge", meaning="Drafts that wait for a person now", label="reason"),
    Family(name="drafts_held_oldest_age_seconds", kind="gauge", meaning="How long the oldest of them waits; 0: none"),
    Family(
        name="replies_sent_total", kind="counter", meaning="Replies that left, by the `gate` or a `person`", label="by"
    ),
    Family(name="replies_leaving", kind="gauge", meaning="Replies that are to leave", label="state"),
    Family(name="replies_uncertain", kind="gauge", meaning="Held drafts of which nobody can know whether they left"),
    Family(name="model_calls_total", kind="counter", meaning="Turns that a model has answered"),
    Family(
        name="model_tokens_total",
        kind="counter",
        meaning="Tokens of finished runs: `input`, `output`",
        label="direction",
    ),
    Family(name="turns_postponed_total", kind="counter", meaning="Turns put off because the model could not answer"),
    Family(name="mailbox_up", kind="gauge", meaning="1: mail of this mailbox comes in", label="mailbox"),
    Family(name="paused", kind="gauge", meaning="Pauses in force; 0: nothing is paused"),
    Family(name="breaker_open", kind="gauge", meaning="1: sending turned itself off"),
    Family(name="breaker_opened_total", kind="counter", meaning="Times that sending turned itself off"),
    Family(
        name="store_busy_total", kind="counter", meaning="Times since the start that the store did not answer in time"
    ),
    Family(name="store_up", kind="gauge", meaning="0: the store could not be read, and what it knows is missing here"),
)
"""Every metric; `triaged_` stands in front of each name."""
_UP = (DoorState.READING, DoorState.WAITING)
Samples = Mapping[str, Mapping[str, float]]
"""Name to label value to value; the label of a metric that has none is empty."""


class Collector:
    """What the library asks at each scrape."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._total: Tally = Counter()
        self._upto = 0

    def collect(self) -> Iterator["Metric"]:
        """Every family that is known now."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        kinds: dict[str, Any] = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        samples = self._samples()
        for family in FAMILIES:
            if family.name not in samples:
                continue
            labels = [family.label] if family.label else []
            metric = kinds[family.kind](f"triaged_{family.name}", family.meaning, labels=labels)
            for value, number in sorted(samples[family.name].items()):
                metric.add_metric([value] if family.label else [], number)
            yield metric

    def _samples(self) -> Samples:
        now = self._clock()
        own: Samples = {"store_busy_total": {"": self._store.busy}}
        try:
            happened, found = self._store.read_now(lambda session: self._read(session, now))
        except TriagedError as error:
            log.warning("metrics.store-not-read", error=type(error).__name__)
            return {**own, "store_up": {"": 0}}
        return {**own, "store_up": {"": 1}, **_counted(happened), **_measured(found, now)}

    def _read(self, session: Session, now: datetime) -> tuple[Tally, Levels]:
        """Whatever happened since the last time, on top of what is counted for good."""
        upto = tally.settled(session, self._upto, now - _SETTLED)
        if upto > self._upto:
            self._total += tally.happened(session, self._upto, upto)
            self._upto = upto
        return self._total + tally.happened(session, upto), levels(session)


def _counted(happened: Tally) -> Samples:
    def by(word: str) -> dict[str, float]:
        return {label: number for (what, label), number in happened.items() if what == word}

    def all_of(word: str) -> dict[str, float]:
        return {"": happened[word, ""]}

    return {
        "mails_received_total": by("received"),
        "mails_ignored_total": by("ignored"),
        "drafts_held_total": by("held"),
        "replies_sent_total": {"gate": 0, "person": 0} | by("sent"),
        "model_calls_total": all_of("calls"),
        "model_tokens_total": {"input": happened["input_tokens", ""], "output": happened["output_tokens", ""]},
        "turns_postponed_total": all_of("postponed"),
        "breaker_opened_total": all_of("breaker-opened"),
    }


def _measured(found: Levels, now: datetime) -> Samples:
    age = (now - found.oldest_held).total_seconds() if found.oldest_held else 0.0
    return {
        "mails_undecided": {"": found.undecided},
        "drafts_held": found.held,
        "drafts_held_oldest_age_seconds": {"": max(0.0, age)},
        "replies_leaving": found.leaving,
        "replies_uncertain": {"": found.held.get("delivery-uncertain", 0)},
        "mailbox_up": {mailbox: state in _UP for mailbox, state in found.doors.items()},
        "paused": {"": found.pauses},
        "breaker_open": {"": found.breaker_open},
    }


class Exposition:
    """Serves a collector over HTTP, in one thread that touches nothing of the daemon but the store's readers."""

    def __init__(self, collector: Collector, host: str, port: int) -> None:
        """Listen.

        Raises:
            Unreachable: the address can't be listened on.
        """
        from prometheus_client import CollectorRegistry, make_wsgi_app

        registry = CollectorRegistry()
        registry.register(collector)
        try:
            self._server = _server(host)((host, port), _Quiet)
        except OSError as error:
            raise Unreachable(
                f"The metrics can't be served at {host}:{port}: {os.strerror(error.errno or 0)}. "
                "Stop the program that uses the address, or change `[watch] metrics`."
            ) from error
        self._server.set_app(make_wsgi_app(registry))
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer the request that is being answered, and no other."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Quiet(WSGIRequestHandler):
    """One request; it is not logged, and whoever is slow is dropped."""

    timeout = _PATIENCE

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _server(host: str) -> type[WSGIServer]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return type("MetricsServer", (WSGIServer,), {"address_family": family})


def markdown() -> str:
    """The table of docs/operating.md."""
    rows = [
        f"| `triaged_{each.name}` | {each.kind} | {f'`{each.label}`' if each.label else ''} | {each.meaning} |"
        for each in FAMILIES
    ]
    return "\n".join(["| metric | type | label | meaning |", "| --- | --- | --- | --- |", *rows])
