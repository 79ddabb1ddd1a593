"""In charge of what a fit comes to: numbers that score sentences, kept in a file so that the next start need not learn.

Learning takes scikit-learn, whose import and work are most of a start; scoring takes numpy alone.
"""

import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from daemon.brain.calibration import Calibration
from daemon.brain.scorer import ANALYZERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1
"""Part of the file's name: a file of another format is not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One of the ways in which a sentence is looked at: words, letters or ideas."""

    columns: dict[str, int]
    rarity: "NDArray[np.float64]"
    """Inverse document frequency of each column."""
    weights: "NDArray[np.float64]"
    """A row a column, a column a target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A learned handler."""

    kinds: tuple[Kind, ...]
    bias: "NDArray[np.float64]"
    classes: tuple[str, ...]
    answered: frozenset[str]
    calibration: Calibration

    def score(self, sentences: Sequence[str]) -> "NDArray[np.float64]":
        """Probabilities, one row a plain sentence and one column a target, as scikit-learn would give them."""
        import numpy as np

        found = np.array([self._line(sentence) for sentence in sentences])
        return np.asarray(1.0 / (1.0 + np.exp(-found)), dtype=np.float64)

    def _line(self, sentence: str) -> "NDArray[np.float64]":
        """The line of each target: sublinear TF-IDF, each kind brought to length 1."""
        import numpy as np

        total = self.bias.copy()
        for kind, analyze in zip(self.kinds, ANALYZERS, strict=True):
            counted = Counter(column for part in analyze(sentence) if (column := kind.columns.get(part)) is not None)
            if not counted:
                continue
            at = np.fromiter(counted, dtype=np.intp)
            value = np.array([1.0 + math.log(count) for count in counted.values()]) * kind.rarity[at]
            total += (value / np.linalg.norm(value)) @ kind.weights[at]
        return total


def folder() -> Path:
    """Where fits are kept: systemd's cache directory, or the user's."""
    given = os.environ.get("CACHE_DIRECTORY")
    if given:
        return Path(given.split(":")[0])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "triaged"


def keep(fitted: Fitted, digest: str) -> None:
    """Write a fit; a folder that can't be written costs the next start some seconds, and no more."""
    import numpy as np

    about = {
        "classes": fitted.classes,
        "answered": sorted(fitted.answered),
        "calibration": asdict(fitted.calibration),
        "columns": [list(kind.columns) for kind in fitted.kinds],
    }
    arrays: dict[str, Any] = {"bias": fitted.bias, "about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)}
    for number, kind in enumerate(fitted.kinds):
        arrays |= {f"rarity{number}": kind.rarity, f"weights{number}": kind.weights.astype(np.float32)}
    path = _file(digest)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            np.savez(file, allow_pickle=False, **arrays)
        Path(file.name).replace(path)
    except OSError:
        return


def kept(digest: str, *, classes: Collection[str]) -> Fitted | None:
    """Read a fit; None when there is none, or none that can be trusted to be whole."""
    import numpy as np

    try:
        with _file(digest).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            kinds = tuple(
                Kind(
                    columns={part: column for column, part in enumerate(parts)},
                    rarity=arrays[f"rarity{number}"],
                    weights=arrays[f"weights{number}"].astype(np.float64),
                )
                for number, parts in enumerate(about["columns"])
            )
            known: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in about["calibration"].items()
            }
            fitted = Fitted(
                kinds=kinds,
                bias=arrays["bias"],
                classes=tuple(about["classes"]),
                answered=frozenset(about["answered"]),
                calibration=Calibration(**known),
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile):
        return None
    return fitted if set(fitted.classes) >= set(classes) else None


def _file(digest: str) -> Path:
    return folder() / f"embedded-{FORMAT}-{digest}.npz"
