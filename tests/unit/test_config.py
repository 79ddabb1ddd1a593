from pathlib import Path

import pytest

from daemon import config
from daemon.config import Config
from tools.located import Faults

WHOLE = """\
[store]
url = "sqlite:///state/triaged.db"

[mailbox.support]
kind = "imap"
address = "Support@shop.example"
aliases = ["help@shop.example"]
host = "mail.shop.example"
user = "support"
password_file = "imap-password"
poll = "90s"

[smtp]
user = "support"
password_file = "smtp-password"
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for secret in ("imap-password", "smtp-password"):
        (tmp_path / secret).write_text("hunter2\n")
        (tmp_path / secret).chmod(0o640)
    return tmp_path


def _load(directory: Path, text: str = WHOLE) -> Config:
    (directory / config.FILE).write_text(text)
    return config.load(directory)


def _told(directory: Path, text: str) -> list[str]:
    with pytest.raises(Faults) as raised:
        _load(directory, text)
    return str(raised.value).replace(f"{directory}/", "").splitlines()


def test_a_whole_configuration_is_read(directory: Path) -> None:
    read = _load(directory)
    assert read.mailbox["support"].poll == 90
    assert read.own_addresses == {"support@shop.example", "help@shop.example"}
    assert config.secret(read, Path("imap-password")) == "hunter2"


def test_what_is_left_out_is_shadow_mode_and_the_brain_without_a_network(directory: Path) -> None:
    read = _load(directory)
    assert read.mailbox["support"].mode == "shadow"
    assert read.brain.provider == "embedded"


def test_relative_paths_start_at_the_configuration(directory: Path) -> None:
    read = _load(directory)
    assert read.url(read.store.url) == f"sqlite:///{directory}/state/triaged.db"
    assert read.url("sqlite:////srv/shop.db") == "sqlite:////srv/shop.db"
    assert read.url("postgresql+psycopg://db/x") == "postgresql+psycopg://db/x"
    assert read.resolve(Path("/etc/x")) == Path("/etc/x")


def test_every_fault_is_told_at_once_with_its_line(directory: Path) -> None:
    text = (
        WHOLE.replace('kind = "imap"', 'kind = "pop3"')
        .replace("poll =", "pol =")
        .replace("[smtp]", '[smtp]\nport = "x"')
    )
    assert _told(directory, text + '\n[brian]\nprovider = "embedded"\n') == [
        "triaged.toml:5: `mailbox.support.kind`: Input should be 'imap', 'lmtp', 'smtp' or 'maildir'.",
        "triaged.toml:11: Unknown key `pol`. Did you mean `poll`?",
        "triaged.toml:14: `smtp.port`: Input should be a valid integer, unable to parse string as an integer.",
        "triaged.toml:18: Unknown key `brian`. Did you mean `brain`?",
    ]


@pytest.mark.parametrize(
    ("key", "near"),
    [("adress", "address"), ("passwordfile", "password_file"), ("owner_lists", "own_lists"), ("trusted", "trust")],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(directory: Path, key: str, near: str) -> None:
    (told,) = _told(directory, WHOLE.replace("poll =", f"{key} ="))
    assert told == f"triaged.toml:11: Unknown key `{key}`. Did you mean `{near}`?"


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("imap", "`host`, `user`, `password_file`"), ("lmtp", "`listen`"), ("smtp", "`listen`"), ("maildir", "`path`")],
)
def test_a_mailbox_without_what_its_kind_needs_is_a_fault(directory: Path, kind: str, missing: str) -> None:
    text = f'[store]\nurl = "sqlite:///x"\n[mailbox.m]\nkind = "{kind}"\naddress = "a@shop.example"\n'
    assert _told(directory, text) == [f'triaged.toml:3: `mailbox.m`: kind = "{kind}" needs {missing}.']


def test_a_configuration_without_a_mailbox_is_a_fault(directory: Path) -> None:
    assert _told(directory, '[store]\nurl = "sqlite:///x"\n') == ["triaged.toml: `mailbox` is missing. Add it."]


@pytest.mark.parametrize("section", ["mailbox.support", "smtp"])
def test_mail_is_not_carried_in_clear_beyond_loopback(directory: Path, section: str) -> None:
    text = WHOLE.replace(f"[{section}]", f'[{section}]\ntls = "none"').replace(
        "[smtp]\n", '[smtp]\nhost = "smtp.shop.example"\n'
    )
    (told,) = _told(directory, text)
    assert "allowed to loopback only" in told
    _load(directory, text.replace("mail.shop.example", "localhost").replace("smtp.shop.example", "127.0.0.1"))


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_missing_secrets_are_told_at_once_with_the_lines_that_name_them(directory: Path) -> None:
    for secret in ("imap-password", "smtp-password"):
        (directory / secret).unlink()
    told = _told(directory, WHOLE)
    assert [line.split(": ")[0] for line in told] == ["triaged.toml:15", "triaged.toml:10"]
    assert all(
        "can't be read: No such file or directory. Write the secret into that file (mode 0600)" in line for line in told
    )


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o666, 0o602])
def test_a_secret_that_every_user_can_open_is_refused(directory: Path, mode: int) -> None:
    (directory / "smtp-password").chmod(mode)
    (told,) = _told(directory, WHOLE)
    open_to_all = f"The secret smtp-password is open to every user (mode {mode:04o}). Run: chmod 0600 smtp-password"
    assert told == f"triaged.toml:15: {open_to_all}"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o660])
def test_a_secret_of_owner_and_group_is_accepted(directory: Path, mode: int) -> None:
    (directory / "smtp-password").chmod(mode)
    _load(directory)


def test_a_credential_of_systemd_is_taken_before_the_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = directory / "credentials"
    credentials.mkdir()
    (credentials / "smtp-password").write_text("from systemd")
    (credentials / "smtp-password").chmod(0o400)
    (directory / "smtp-password").unlink()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    read = _load(directory)
    assert config.secret(read, Path("smtp-password")) == "from systemd"
    assert config.secret(read, Path("imap-password")) == "hunter2"


def test_a_secret_that_can_not_be_read_is_told_as_a_fault(directory: Path) -> None:
    read = _load(directory)
    (directory / "imap-password").write_bytes("schlüssel".encode("latin-1"))
    with pytest.raises(Faults, match="can't be read"):
        config.secret(read, Path("imap-password"))


def test_a_secret_that_went_missing_later_is_told_when_it_is_read(directory: Path) -> None:
    read = _load(directory)
    (directory / "imap-password").unlink()
    with pytest.raises(Faults, match="can't be read"):
        config.secret(read, Path("imap-password"))


_LMTP = """
[mailbox.{name}]
kind = "lmtp"
address = "{name}@shop.example"
listen = "{listen}"
{more}
"""


@pytest.mark.parametrize("listen", ["127.0.0.1:2424", "unix:/run/triaged/lmtp", "systemd"])
def test_two_mailboxes_that_listen_at_one_place_are_a_fault(directory: Path, listen: str) -> None:
    both = WHOLE + "".join(_LMTP.format(name=name, listen=listen, more="") for name in ("sales", "press"))
    (told,) = _told(directory, both)[:1]
    assert told.endswith("`listen`: the mailbox `sales` listens there already. Write another address.")


@pytest.mark.parametrize("key", ["done", "held_folder"])
def test_folders_of_a_mailbox_that_has_none_are_a_fault(directory: Path, key: str) -> None:
    (told,) = _told(directory, WHOLE + _LMTP.format(name="sales", listen="127.0.0.1:2424", more=f'{key} = "Done"'))[:1]
    assert told.startswith("triaged.toml:21: ")
    assert f"`{key}`: only an IMAP server has folders" in told


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:2424", "[::1]:24", "unix:/run/triaged/lmtp", "systemd", "systemd:support"]
)
def test_a_listener_has_an_address_or_a_socket_of_systemd(directory: Path, listen: str) -> None:
    read = _load(directory, WHOLE + _LMTP.format(name="sales", listen=listen, more=""))
    assert read.mailbox["sales"].listen == listen
