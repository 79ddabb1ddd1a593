"""Whatever comes in, it is read: in bounded time and memory, into text that can be kept, and each time the same way."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import grammar
from tests.fuzz.mail import corpus
from tests.fuzz.monsters import MONSTERS
from tests.fuzz.properties import BESIDES, SECONDS, TIMES, examine, look, memory

BROKEN = sorted((Path(__file__).parents[2] / "mails" / "broken").glob("*.eml"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chance=st.randoms(use_true_random=False))
def test_a_mail_that_is_nearly_right_is_read(chance: Random) -> None:
    examine(grammar.mail(chance))


def test_the_mails_that_the_tests_keep_are_read() -> None:
    for raw in corpus()[::25]:
        examine(raw)


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_mail_that_once_broke_the_reader_is_read(path: Path) -> None:
    examine(path.read_bytes())


@pytest.mark.parametrize("monster", MONSTERS.values(), ids=MONSTERS.keys())
def test_a_monster_takes_bounded_time(monster: Callable[[], bytes]) -> None:
    began = time.process_time()
    look(monster())
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("name", ["twenty thousand levels", "ten thousand parts", "an attachment of five megabytes"])
def test_a_monster_takes_bounded_memory(name: str) -> None:  # `make fuzz` measures them all
    raw = MONSTERS[name]()
    assert memory(raw) < TIMES * len(raw) + BESIDES


def test_a_header_of_many_folded_lines_takes_bounded_memory() -> None:
    raw = b"From: ana@example.com\r\nX-Padding: " + b"x\r\n " * 60_000 + b"\r\n\r\nHello"
    assert memory(raw) < TIMES * len(raw) + BESIDES
