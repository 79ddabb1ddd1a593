"""Let a hijacked model try everything against the shipped examples, and print what it reached: `make attack`."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

import structlog

from daemon.scaffold.directory import EXAMPLES
from tests.attack.board import Line, attack, board


def main() -> int:
    """Attack every example in both positions; 1 when something was reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--each", type=int, default=0, help="at most so many tries of a goal (0: all)")
    parser.add_argument("--goal", default="", help="only goals that hold this word")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    began = time.monotonic()
    reached = 0
    for example in EXAMPLES:
        with tempfile.TemporaryDirectory(prefix="triaged-attack-") as folder:
            lines = asyncio.run(attack(example, Path(folder), each=given.each, goal=given.goal))
        print(board(example, lines))
        reached += sum(line.reached for line in lines)
        tell(lines)
    print(f"{reached} reached, in {time.monotonic() - began:.0f} s.")
    return 1 if reached else 0


def tell(lines: list[Line]) -> None:
    """What was reached, attempt by attempt."""
    for line in lines:
        for number, told in line.breaches:
            print(f"REACHED {line.goal} #{number}: {told}")


if __name__ == "__main__":
    sys.exit(main())
