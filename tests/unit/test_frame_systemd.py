"""The units as systemd itself sees them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
SERVICE = UNITS / "triaged.service"
LIMIT = 1.2

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing: apt-get install systemd"
)


def _analyze(*arguments: str) -> str:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=30)
    return done.stdout + done.stderr


@needs_systemd
def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    """The program is not installed here, so that another one stands in for it."""
    unit = tmp_path / "triaged.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", SERVICE.read_text(), flags=re.MULTILINE))
    shutil.copy(UNITS / "triaged.socket", tmp_path)
    assert _analyze("verify", "--man=no", str(unit), str(tmp_path / "triaged.socket")) == ""


@needs_systemd
def test_the_unit_is_confined_as_tightly_as_reviewers_allow() -> None:
    found = re.search(
        r"exposure level for triaged.service: ([0-9.]+)", _analyze("security", "--offline=true", str(SERVICE))
    )
    assert found
    assert float(found.group(1)) <= LIMIT


def test_a_configuration_that_needs_a_person_is_not_tried_again() -> None:
    from daemon.cli import CONFIGURATION, WRONG_USE

    assert f"RestartPreventExitStatus={WRONG_USE} {CONFIGURATION}\n" in SERVICE.read_text()


def test_the_state_is_shared_with_the_group_and_nobody_else() -> None:
    """The setgid bit, so that files of a reviewer's process stay readable for the daemon."""
    assert "StateDirectoryMode=2770\n" in SERVICE.read_text()
    assert "UMask=0007\n" in SERVICE.read_text()
    assert re.search(
        r"^d /var/lib/triaged +2770 triaged triaged", (UNITS / "triaged.tmpfiles").read_text(), re.MULTILINE
    )
