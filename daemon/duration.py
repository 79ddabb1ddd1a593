"""Durations as an operator writes them: `"90s"`, `"5m"`, `"24h"`."""

import re
from math import inf
from typing import Annotated, Any

from pydantic import BeforeValidator

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: Any) -> float:
    """Read a duration such as `"90s"`, `"5m"`, `"24h"` or `"30d"` as seconds.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < inf:
        return float(value)
    found = _DURATION.match(str(value).strip())
    if not found:
        raise ValueError(f'{value!r} is not a duration. Write a number and ms, s, m, h or d: "90s", "5m", "24h"')
    return float(found.group(1)) * _SECONDS[found.group(2)]


Duration = Annotated[float, BeforeValidator(seconds)]
"""Seconds; written as `"5m"`."""
