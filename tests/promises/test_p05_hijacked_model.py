"""P4 to P9: a hijacked model that knows every tool and rule reaches nothing, whether a mail or a stored row told it to.

Every shipped example, with nobody reviewing and every category automatic: a sample. `make attack` tries all.
"""

from pathlib import Path

import pytest

from daemon.scaffold.directory import EXAMPLES
from tests.attack.board import attack


@pytest.mark.parametrize("example", EXAMPLES)
async def test_a_hijacked_model_reaches_no_goal_of_its_attacker(example: str, tmp_path: Path) -> None:
    lines = await attack(example, tmp_path, each=1)
    assert [breach for line in lines for breach in line.breaches] == []
    assert any(line.sent for line in lines), "what is attacked answers mail at all"
    assert any(line.refused for line in lines)
