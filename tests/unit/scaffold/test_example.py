import re
import tomllib

import pytest

from daemon.config import Config
from daemon.scaffold import directory, reference
from daemon.scaffold.example import commented

MAILBOX = {
    ("store",): {"url": "sqlite:///x"},
    ("mailbox", "a"): {"kind": "lmtp", "address": "a@shop.example", "listen": "127.0.0.1:0"},
}


def test_the_written_file_is_what_was_asked_for_and_nothing_else() -> None:
    assert tomllib.loads(commented(MAILBOX)) == {
        "store": {"url": "sqlite:///x"},
        "mailbox": {"a": MAILBOX["mailbox", "a"]},
        **{name: {} for name in ("smtp", "reply", "review", "watch", "retention")},
        "brain": {"embedded": {}},
        "limits": {"breaker": {}},
    }


def test_every_commented_default_is_the_default() -> None:
    """Taking each `#` away changes nothing; keys without a default stand there as an empty text and stay commented."""
    kept: list[str] = []
    inside = True
    for line in commented(MAILBOX).splitlines():
        if line.startswith(("[", "#[")):
            inside = line.startswith("[")  # keys of a table that is a comment itself belong to nobody
        if inside and not line.endswith('""'):
            kept.append(re.sub(r"^#(?=\w+ = )", "", line))
    uncommented = tomllib.loads("\n".join(kept))
    assert len(str(uncommented)) > 1000
    assert Config.model_validate(uncommented) == Config.model_validate(tomllib.loads(commented(MAILBOX)))


def test_every_key_of_the_models_is_explained() -> None:
    text = commented(MAILBOX)
    for table in reference.tables():
        assert table.meaning
        for key in table.keys:
            assert key.meaning, f"{table.header} {key.name}"
            assert re.search(rf"^#?{key.name} = ", text, re.MULTILINE)


def test_several_mailboxes_are_several_tables() -> None:
    text = commented({**MAILBOX, ("mailbox", "b"): {"kind": "maildir", "address": "b@shop.example", "path": "m"}})
    assert set(tomllib.loads(text)["mailbox"]) == {"a", "b"}


@pytest.mark.parametrize("path", [("mailbox", "a", "b"), ("nothing",)])
def test_a_table_that_does_not_exist_cannot_be_written(path: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="has no the table itself"):
        commented({path: {"url": "x"}})


def test_a_key_that_does_not_exist_cannot_be_written() -> None:
    with pytest.raises(ValueError, match=r"\[store\] has no uri"):
        commented({("store",): {"uri": "x"}})


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0s"), (0.5, "0.5s"), (60, "1m"), (90, "90s"), (3600, "1h"), (86_400, "1d"), (604_800, "7d")],
)
def test_durations_are_written_as_operators_do(seconds: float, written: str) -> None:
    assert reference.duration(seconds) == written


def test_what_is_installed_for_the_system_keeps_its_state_under_var(monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    assert directory._defaults(Path("/etc/triaged"), None)["store",]["url"] == "sqlite:////var/lib/triaged/triaged.db"
