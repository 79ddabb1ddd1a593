import os
import stat
from pathlib import Path
from typing import Any

import pytest

from daemon.accounts import OAuthConfig
from daemon.errors import LoginRefused, NotPossible, Unreachable
from daemon.oauth.tokens import TokenFile, Tokens, fingerprint

NOW = 1_700_000_000.0
ANSWER = {"access_token": "a1", "refresh_token": "r1", "expires_in": 3600}


def granted(answer: dict[str, Any], *, now: float = NOW, before: Tokens | None = None) -> Tokens:
    return Tokens.granted(answer, client="c", now=now, before=before)


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "oauth", "support")


def written(file: TokenFile) -> Tokens:
    tokens = granted(ANSWER)
    with file.locked():
        file.write(tokens)
    return tokens


# --- what an answer grants -------------------------------------------------------------------------------------------


def test_a_refresh_token_that_is_not_rotated_goes_on() -> None:
    first = granted(ANSWER)
    second = granted({"access_token": "a2"}, before=first)
    assert (second.access, second.refresh) == ("a2", "r1")
    assert second.expires == NOW + 1800


def test_a_login_without_a_refresh_token_is_refused_with_what_to_do() -> None:
    with pytest.raises(NotPossible, match="offline_access"):
        granted({"access_token": "a1", "expires_in": 3600})


@pytest.mark.parametrize("key", ["refresh_token_expires_in", "refresh_expires_in"])
def test_the_end_of_a_login_is_known_where_the_provider_tells_it(key: str) -> None:
    assert granted(ANSWER | {key: 604800}).login_ends == NOW + 604800
    assert granted(ANSWER | {key: "604800"}).login_ends == NOW + 604800
    assert granted(ANSWER | {key: 0}).login_ends is None
    assert granted(ANSWER).login_ends is None


def test_an_end_that_stays_where_it_was_is_not_put_off_by_using_the_login() -> None:
    first = granted(ANSWER | {"refresh_token_expires_in": 604800})
    hour = granted(ANSWER | {"refresh_token_expires_in": 601200}, now=NOW + 3600, before=first)
    silent = granted(ANSWER, now=NOW + 3600, before=first)
    assert (hour.login_ends, hour.renewed) == (NOW + 604800, False)
    assert (silent.login_ends, silent.renewed) == (NOW + 604800, False)


def test_an_end_that_moves_at_each_refresh_does_not_come_while_the_daemon_runs() -> None:
    first = granted(ANSWER | {"refresh_token_expires_in": 604800})
    second = granted(ANSWER | {"refresh_token_expires_in": 604800}, now=NOW + 3600, before=first)
    assert (second.login_ends, second.renewed) == (NOW + 3600 + 604800, True)
    assert granted(ANSWER, now=NOW + 7200, before=second).renewed


def test_tokens_are_never_shown() -> None:
    assert "a1" not in repr(granted(ANSWER))
    assert "r1" not in repr(granted(ANSWER))


# --- the file --------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_and_only_its_owner_can(file: TokenFile) -> None:
    tokens = written(file)
    assert file.read() == tokens
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["support.json", "support.lock"]


def test_a_loose_umask_or_a_setgid_directory_opens_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    before = os.umask(0)
    try:
        file = TokenFile(tmp_path / "oauth", "support")
        written(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_can_open_is_not_used(file: TokenFile, mode: int) -> None:
    written(file)
    file.path.chmod(mode)
    with pytest.raises(LoginRefused, match=rf"mode {mode:04o}.*chmod 0600"):
        file.read()


def test_nobody_has_logged_in_yet(file: TokenFile) -> None:
    with pytest.raises(LoginRefused, match=r"Run `triaged login support`\."):
        file.read()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"access": "a"}', b'{"x": 1}', b"\xff"])
def test_a_damaged_file_asks_for_a_new_login(file: TokenFile, content: bytes) -> None:
    written(file)
    file.path.write_bytes(content)
    with pytest.raises(LoginRefused, match="damaged"):
        file.read()


def test_a_crash_before_the_rename_leaves_the_old_tokens(file: TokenFile, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = written(file)

    def crash(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(NotPossible, match="Input/output error"), file.locked():
        file.write(granted({"access_token": "a2", "refresh_token": "r2"}))
    assert file.read() == tokens


def test_one_writer_at_a_time_and_nobody_waits_for_ever(file: TokenFile) -> None:
    with (
        file.locked(),
        pytest.raises(Unreachable, match="Try again later"),
        TokenFile(file.path.parent, "support").locked(patience=0.0),
    ):
        pass
    with file.locked(patience=0.0):
        pass


def test_a_state_directory_that_is_missing_is_told(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "away" / "oauth", "support")
    with pytest.raises(NotPossible, match="No such file"), file.locked():
        pass


def test_a_mailbox_can_not_name_a_file_elsewhere(tmp_path: Path) -> None:
    assert TokenFile(tmp_path, "../../etc/x").path.parent == tmp_path


def test_another_client_provider_or_directory_has_another_fingerprint() -> None:
    one = OAuthConfig(provider="microsoft", client_id="a", tenant="t")
    others = [
        OAuthConfig(provider="microsoft", client_id="b", tenant="t"),
        OAuthConfig(provider="microsoft", client_id="a"),
        OAuthConfig(provider="google", client_id="a"),
        OAuthConfig(provider="oidc", client_id="a", issuer="https://x.example"),
    ]
    assert fingerprint(one) not in {fingerprint(each) for each in others}
    assert len({fingerprint(each) for each in others}) == len(others)
