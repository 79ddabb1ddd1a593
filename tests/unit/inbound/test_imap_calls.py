"""What the loop asks of a connection is answered, whatever becomes of the connection."""

from typing import Any

import pytest

from daemon.errors import Unreachable
from daemon.inbound.imap_calls import Calls
from daemon.inbound.waker import Waker


class Client:
    """A connection of which nothing but the selected folder matters."""

    def select_folder(self, folder: str, *, readonly: bool) -> None:
        del folder, readonly


def cut(_: Any) -> None:
    raise ConnectionResetError


def test_when_the_connection_breaks_everybody_who_waits_is_told() -> None:
    waker = Waker()
    calls = Calls("support", "INBOX", waker)
    asked = [calls.ask(work, None, readonly=True) for work in (cut, id, id)]
    with pytest.raises(ConnectionResetError):
        calls.serve(Client())
    assert [type(each.exception(timeout=0)) for each in asked] == [Unreachable] * 3
    waker.close()
