"""The kinds of work by the name that a handler gives as `pattern`."""

from collections.abc import Callable, Mapping
from typing import Final

from handlers.agent import Agent
from handlers.contract import Work

WORKS: Final[Mapping[str, Callable[[], Work]]] = {"agent": Agent}
"""Pattern to what makes its `Work`."""
