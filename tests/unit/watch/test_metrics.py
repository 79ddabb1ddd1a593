"""What the metrics are called, where they may be read, and that the documentation tells of all of them."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from daemon.config import WatchConfig
from daemon.watch import metrics

PAGE = Path(__file__).parents[3] / "docs" / "operating.md"


def test_the_documentation_lists_every_metric() -> None:
    assert metrics.markdown() in PAGE.read_text(), "Put the output of daemon.watch.metrics.markdown() there."


@pytest.mark.parametrize("family", metrics.FAMILIES, ids=lambda family: family.name)
def test_names_are_as_prometheus_asks(family: metrics.Family) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", family.name)
    assert (family.kind == "counter") == family.name.endswith("_total")
    assert family.label in {"", "mailbox", "reason", "state", "by", "direction"}, "nothing of a mail is a label"


@pytest.mark.parametrize(
    ("address", "listens"),
    [
        ("", None),
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("localhost:9464", ("localhost", 9464)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_metrics_are_read_on_this_machine(address: str, listens: tuple[str, int] | None) -> None:
    assert WatchConfig(metrics=address).metrics_address == listens


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("0.0.0.0:9464", "this machine only"),
        ("192.0.2.1:9464", "this machine only"),
        ("metrics.example:9464", "this machine only"),
        (":9464", "is no address"),
        ("9464", "is no address"),
        ("127.0.0.1", "is no address"),
        ("127.0.0.1:99999", "is no address"),
        ("127.0.0.1:http", "is no address"),
    ],
)
def test_an_address_elsewhere_or_none_at_all_is_refused(address: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        WatchConfig(metrics=address)
