"""How the store is opened, and what is said when it can't be."""

import os
from pathlib import Path

import pytest

from daemon.accounts import MailboxConfig
from daemon.config import Config, StoreConfig
from daemon.errors import StoreUnusable
from daemon.store import engine, schema


def config(folder: Path, url: str = "sqlite:///state/triaged.db") -> Config:
    made = Config(
        store=StoreConfig(url=url),
        mailbox={"support": MailboxConfig(kind="lmtp", listen="127.0.0.1:0", address="support@shop.example")},
    )
    made._directory = folder
    return made


def test_a_new_store_is_for_its_owner_and_group_and_nobody_else(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        store = engine.prepared(config(tmp_path))
        schema.upgrade(store)
        store.close()
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o770
    assert modes.pop("master.key") == 0o640
    assert set(modes.values()) == {0o660}


def test_a_store_that_does_not_exist_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="triaged db upgrade"):
        engine.opened(config(tmp_path))


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "triaged.db").write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(StoreUnusable, match="can't be used"):
        schema.upgrade(engine.prepared(config(tmp_path)))


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StoreUnusable, match="can't be written"):
        engine.prepared(config(tmp_path))


def test_a_second_daemon_on_the_same_store_is_refused(tmp_path: Path) -> None:
    engine.prepared(config(tmp_path)).close()
    assert not engine.locked(config(tmp_path))
    with engine.exclusive(config(tmp_path)):
        assert engine.locked(config(tmp_path))
        with pytest.raises(StoreUnusable, match="Another"), engine.exclusive(config(tmp_path)):
            pass


@pytest.mark.parametrize(("path", "kind"), [("/mnt/nas/x/triaged.db", "nfs4"), ("/srv/x", None), ("/mnt/nas2/x", None)])
def test_network_file_systems_are_noticed(tmp_path: Path, path: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/vda / ext4 rw 0 0\nserver:/export /mnt/nas nfs4 rw 0 0\n")
    assert engine.network_filesystem(Path(path), mounts) == kind
