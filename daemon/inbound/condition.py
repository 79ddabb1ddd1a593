"""What a door is doing, and who is told when that changes."""

from collections.abc import Callable

from daemon.inbound.arrival import DoorState

Tell = Callable[[DoorState, str, int], None]
"""Gets state, detail and failures in a row, on the loop."""


def unheard(_: DoorState, __: str, ___: int) -> None:
    """The usual listener: none."""


class Condition:
    """The state of a door that lives on the loop."""

    def __init__(self, tell: Tell = unheard) -> None:
        self._tell = tell
        self.state = DoorState.STARTING
        self.detail = ""
        self.failures = 0

    def well(self, state: DoorState, detail: str = "") -> None:
        """It works, or ended as it should."""
        self._become(state, detail, 0)

    def ill(self, state: DoorState, detail: str) -> None:
        """It failed once more."""
        self._become(state, detail, self.failures + 1)

    def _become(self, state: DoorState, detail: str, failures: int) -> None:
        if (state, detail, failures) != (self.state, self.detail, self.failures):
            self.state, self.detail, self.failures = state, detail, failures
            self._tell(state, detail, failures)
