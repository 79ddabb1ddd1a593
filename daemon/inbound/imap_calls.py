"""What the loop wants done on a reader's connection: queued by it, served by the reader's thread."""

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from daemon.errors import Unreachable
from daemon.inbound.imap_connection import LOST
from daemon.inbound.waker import Waker
from daemon.recent import response_code

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """Work on the connection."""

    work: Callable[[IMAPClient], Any]
    answer: "Future[Any]"
    folder: str | None
    """None: the folder that is read."""
    readonly: bool


class Calls:
    """The queues between the loop and the reader's thread.

    What is told of a failure holds nothing that the server said but a response code: that may quote mail, and callers
    log it.
    """

    def __init__(self, name: str, folder: str, waker: Waker) -> None:
        self._name = name
        self._folder = folder
        self._waker = waker
        self._work: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._looks: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
        self._closed = threading.Event()

    def ask(self, work: Callable[[IMAPClient], T], folder: str | None, *, readonly: bool) -> "Future[T]":
        """Queue work, and wake the thread.

        Raises:
            Unreachable: the mailbox is being closed.
        """
        answer: Future[T] = Future()
        self._put(self._work, Call(work, answer, folder, readonly))
        return answer

    def look(self) -> "Future[None]":
        """Queue the wish for a look that begins after this.

        Raises:
            Unreachable: the mailbox is being closed.
        """
        answer: Future[None] = Future()
        self._put(self._looks, answer)
        return answer

    @property
    def waiting(self) -> bool:
        """Whether anything is queued."""
        return not (self._work.empty() and self._looks.empty())

    def looks(self) -> "list[Future[None]]":
        """Take the wishes for a look."""
        return _taken(self._looks)

    def serve(self, client: IMAPClient) -> bool:
        """Do what is queued; whether there was anything, and so another folder may be selected.

        Raises:
            OSError, IMAPClientAbortError: the connection is lost; who asked was told.
        """
        taken = _taken(self._work)
        for number, call in enumerate(taken, start=1):
            if not call.answer.set_running_or_notify_cancel():
                continue
            try:
                client.select_folder(call.folder or self._folder, readonly=call.readonly and call.folder is not None)
                call.answer.set_result(call.work(client))
            except LOST as error:
                answer([call.answer], self.unreachable("was lost"), error)
                answer([each.answer for each in taken[number:]], self.unreachable("was lost"), error)
                raise
            except IMAPClientError as error:
                answer([call.answer], self._refused(call.folder or self._folder, error), error)
            except Exception as error:  # noqa: BLE001 - the caller's own, which it gets
                call.answer.set_exception(error)
        return bool(taken)

    def refuse(self, what: str) -> None:
        """Tell everybody who waits that it can't be done now."""
        answer([call.answer for call in _taken(self._work)], self.unreachable(what))
        answer(self.looks(), self.unreachable(what))

    def close(self) -> None:
        """Take nothing more, and refuse what waits."""
        self._closed.set()
        self.refuse("is being closed")

    def unreachable(self, what: str) -> Unreachable:
        """What a caller is told when there is no connection."""
        return Unreachable(f"The mailbox {self._name} {what}. It is tried again by itself.")

    def _refused(self, folder: str, error: IMAPClientError) -> Unreachable:
        told = f"The mailbox {self._name} refuses what is to be done in its folder {folder}"
        return Unreachable(f"{told}{response_code(error)}. Check its folders and rights.")

    def _put(self, where: "queue.SimpleQueue[T]", item: T) -> None:
        if self._closed.is_set():
            raise self.unreachable("is being closed")
        where.put(item)
        self._waker.poke()
        if self._closed.is_set():  # closed meanwhile: nobody else would answer
            self.refuse("is being closed")


def answer(waiting: "Sequence[Future[Any]]", error: Exception | None, cause: Exception | None = None) -> None:
    """Answer who waits: with an error, or with None."""
    for each in waiting:
        if not (each.running() or each.set_running_or_notify_cancel()):
            continue
        if error is None:
            each.set_result(None)
        else:
            error.__cause__ = cause
            each.set_exception(error)


def _taken(waiting: "queue.SimpleQueue[T]") -> list[T]:
    taken: list[T] = []
    with contextlib.suppress(queue.Empty):
        while True:
            taken.append(waiting.get_nowait())
    return taken
