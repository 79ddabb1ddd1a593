"""P11: sending can be stopped whatever is wrong with the configuration by now; a pause needs the store alone."""

from pathlib import Path

import pytest

from daemon.cli import invoke
from daemon.store import switches
from tests.fixtures.store import open_at

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
CONFIG = """\
[store]
url = "{url}"
[mailbox.support]
kind = "imap"
address = "support@shop.example"
host = "127.0.0.1"
user = "support"
password_file = "nowhere"
{after}
"""


def written(directory: Path, url: str, *, after: str = "") -> str:
    (directory / "triaged.toml").write_text(CONFIG.format(url=url, after=after))
    return str(directory)


def off(directory: Path, url: str) -> list[str]:
    store = open_at(url, directory)
    try:
        return [row.name for row, _ in store.read_now(lambda session: switches.every(session, store.vault))]
    finally:
        store.close()


@pytest.mark.parametrize(
    "after",
    ["", "prot = 993", "mode = 'fast'", "[limits]\nmax_age = 'long'", "[mailbox.second]"],
    ids=["a secret is missing", "unknown key", "wrong value", "wrong duration", "half a table"],
)
def test_a_pause_needs_the_store_and_nothing_else(store_url: str, tmp_path: Path, after: str) -> None:
    assert invoke(["pause", "--config", written(tmp_path, store_url, after=after)]) == 0
    assert off(tmp_path, store_url) == ["pause:*"]


def test_what_can_not_even_name_the_store_says_how_to_stop_instead(
    store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["pause", "--config", written(tmp_path, store_url, after="broken = [")]) == 1
    assert off(tmp_path, store_url) == []
    assert "Nothing is paused" in (told := capsys.readouterr().err)
    assert "systemctl stop triaged" in told


def test_a_command_on_the_store_needs_no_secret(store_url: str, tmp_path: Path) -> None:
    directory = written(tmp_path, store_url)
    for command in (["pause"], ["status"], ["resume"], ["drafts", "list"], ["messages", "list"]):
        assert invoke([*command, "--config", directory]) == 0
    assert invoke(["check", "--config", directory]) == 1
