"""What waits between the loop and the server, and what wakes the thread that reads."""

import socket
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from daemon.errors import Unreachable
from daemon.inbound.imap_calls import Calls
from daemon.inbound.imap_connection import arrived
from daemon.inbound.waker import Waker


@pytest.fixture
def calls() -> Any:
    waker = Waker()
    yield Calls("support", "INBOX", waker)
    waker.close()


def client(work: Exception | None = None) -> Any:
    """A client that selects folders, or fails at it."""

    def select_folder(folder: str, *, readonly: bool) -> None:
        chosen.append((folder, readonly))
        if work is not None:
            raise work

    chosen: list[tuple[str, bool]] = []
    return SimpleNamespace(select_folder=select_folder, chosen=chosen)


def test_work_gets_its_folder_selected_and_only_the_one_that_is_read_for_writing(calls: Calls) -> None:
    this = client()
    answers = [
        calls.ask(lambda _: 1, None, readonly=True),
        calls.ask(lambda _: 2, "Sent", readonly=True),
        calls.ask(lambda _: 3, "Drafts", readonly=False),
    ]
    assert calls.serve(this)
    assert [answer.result(0) for answer in answers] == [1, 2, 3]
    assert this.chosen == [("INBOX", False), ("Sent", True), ("Drafts", False)]
    assert not calls.serve(this)


def test_work_whose_caller_went_away_is_not_done(calls: Calls) -> None:
    done: list[int] = []
    calls.ask(lambda _: done.append(1), None, readonly=True).cancel()
    assert calls.serve(client())
    assert not done


def test_a_refusal_tells_the_code_and_nothing_else_that_the_server_said(calls: Calls) -> None:
    answer = calls.ask(lambda _: 1, "Sent", readonly=False)
    calls.serve(client(IMAPClientError("append failed: [OVERQUOTA] bob@example.com has no room")))
    with pytest.raises(Unreachable, match=r"folder Sent \[OVERQUOTA\]\. Check") as told:
        answer.result(0)
    assert "bob" not in str(told.value)


def test_a_connection_that_breaks_is_told_to_the_caller_and_to_the_reader(calls: Calls) -> None:
    answer: Future[int] = calls.ask(lambda _: 1, "Sent", readonly=False)
    with pytest.raises(IMAPClientAbortError):
        calls.serve(client(IMAPClientAbortError("socket error: EOF")))
    with pytest.raises(Unreachable, match="was lost"):
        answer.result(0)


def test_nothing_waits_for_a_mailbox_that_is_closed(calls: Calls) -> None:
    waiting: list[Future[Any]] = [calls.ask(lambda _: 1, None, readonly=True), calls.look()]
    calls.close()
    for answer in waiting:
        with pytest.raises(Unreachable, match="closed"):
            answer.result(0)
    with pytest.raises(Unreachable, match="closed"):
        calls.look()


def test_a_poke_that_comes_before_the_wait_is_not_lost_and_ends_one_wait() -> None:
    waker = Waker()
    for _ in range(5000):
        waker.poke()  # a full pipe blocks nobody
    waker.wait(3600)
    thread = threading.Thread(target=waker.wait, args=(3600,))
    thread.start()
    waker.poke()
    thread.join(10)
    assert not thread.is_alive()
    waker.close()
    waker.poke()


def test_a_socket_that_can_be_read_ends_the_wait() -> None:
    waker = Waker()
    here, there = socket.socketpair()
    with here, there:
        there.send(b"* 1 EXISTS\r\n")
        waker.wait(3600, here)
    waker.close()


def test_what_lies_in_a_buffer_is_seen_whoever_keeps_it() -> None:
    """imaplib reads through a file until Python 3.13, and by itself since."""
    here, there = socket.socketpair()
    with here, there, here.makefile("rb") as lines:
        old = SimpleNamespace(socket=lambda: here, _imap=SimpleNamespace(file=lines))
        assert not arrived(old)
        there.send(b"+ idling\r\n* 1 EXISTS\r\n")
        lines.readline()
        assert arrived(old)
        assert lines.readline() == b"* 1 EXISTS\r\n"
        assert not arrived(old)
        assert here.gettimeout() is None
        new = SimpleNamespace(socket=lambda: here, _imap=SimpleNamespace(_readbuf=[b"* 1 EXISTS\r\n"]))
        assert arrived(new)
        new._imap._readbuf.clear()
        assert not arrived(new)
