"""Sockets that systemd passes: what was passed, and what is told when it does not fit."""

import os

import pytest

from daemon.inbound import activation

OURS = str(os.getpid())


@pytest.mark.parametrize(
    ("listen", "answer"),
    [("systemd", True), ("systemd:support", True), ("127.0.0.1:2424", False), ("unix:/run/systemd", False)],
)
def test_the_word_systemd_means_a_socket_that_was_passed(listen: str, answer: object) -> None:
    assert activation.asked(listen) is answer


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "passed no socket"),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, "passed no socket"),
        ({"LISTEN_PID": OURS, "LISTEN_FDS": "0"}, "passed no socket"),
        ({"LISTEN_PID": OURS, "LISTEN_FDS": "many"}, "passed no socket"),
        (
            {"LISTEN_PID": OURS, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "sales:help"},
            "passed 2 sockets, named help, sales",
        ),
        ({"LISTEN_PID": OURS, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "sales"}, "passed 1 sockets, named sales"),
    ],
)
def test_what_does_not_fit_is_told_with_what_to_do(environment: dict[str, str], told: str) -> None:
    with pytest.raises(OSError, match=told):
        activation.take("systemd:support", environment)
