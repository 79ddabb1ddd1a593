"""Sealed data: what can be opened by whom, and what an erasure leaves."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Sealed, StoreUnusable
from daemon.store.seal import INSTALLATION, Vault, make_master_key, new_id, read_master_key

MASTER = bytes(range(32))


def make_vault(folder: Path, master: bytes = MASTER) -> Vault:
    return Vault(sa.create_engine(f"sqlite:///{folder / 'keys.db'}"), master)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    return make_vault(tmp_path_factory.mktemp("vault"))


@given(content=st.binary(max_size=200))
def test_what_was_sealed_for_a_person_and_a_place_opens_there(vault: Vault, content: bytes) -> None:
    sealed = vault.seal(INSTALLATION, "messages.content", "m1", content)
    assert vault.open(INSTALLATION, "messages.content", "m1", sealed) == content


@given(content=st.binary(min_size=1, max_size=60), data=st.data())
def test_any_flipped_bit_is_noticed(vault: Vault, content: bytes, data: st.DataObject) -> None:
    sealed = bytearray(vault.seal(INSTALLATION, "raw.content", "m1", content))
    position = data.draw(st.integers(3, len(sealed) - 1))
    sealed[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Sealed):
        vault.open(INSTALLATION, "raw.content", "m1", bytes(sealed))


@pytest.mark.parametrize(("kind", "row"), [("raw.content", "m2"), ("messages.content", "m1")])
def test_a_sealed_value_does_not_open_in_another_row_or_column(vault: Vault, kind: str, row: str) -> None:
    sealed = vault.seal(INSTALLATION, "raw.content", "m1", b"secret")
    with pytest.raises(Sealed, match="moved"):
        vault.open(INSTALLATION, kind, row, sealed)


def test_one_person_can_not_open_what_belongs_to_another(vault: Vault) -> None:
    ana, bo = vault.new_person(), vault.new_person()
    sealed = vault.seal(ana, "raw.content", "m1", b"secret")
    with pytest.raises(Sealed):
        vault.open(bo, "raw.content", "m1", sealed)


def test_an_erased_person_is_unreadable_while_look_up_values_stay(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    person = vault.new_person()
    sealed, mac = vault.seal(person, "raw.content", "m1", b"secret"), vault.mac("address", "ana@example.com")
    vault.erase(person)
    with pytest.raises(Sealed, match="erased"):
        vault.open(person, "raw.content", "m1", sealed)
    assert vault.mac("address", "ana@example.com") == mac


def test_keys_survive_a_restart_and_another_master_key_is_refused(tmp_path: Path) -> None:
    first = make_vault(tmp_path)
    person = first.new_person()
    sealed = first.seal(person, "raw.content", "m1", b"secret")
    again = make_vault(tmp_path)
    assert again.open(person, "raw.content", "m1", sealed) == b"secret"
    assert again.mark_key == first.mark_key
    with pytest.raises(StoreUnusable, match="master key"):
        make_vault(tmp_path, bytes(32))


def test_a_look_up_value_depends_on_what_it_is_for(vault: Vault) -> None:
    assert vault.mac("address", "x") != vault.mac("subject", "x")


def test_the_master_key_is_made_once_and_only_for_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "state" / "master.key"
    make_master_key(path)
    first = read_master_key(path)
    make_master_key(path)
    assert read_master_key(path) == first
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("content", [None, b"short"])
def test_a_missing_or_damaged_master_key_says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "master.key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreUnusable, match="backup"):
        read_master_key(path)


def test_ids_are_short_and_do_not_repeat() -> None:
    ids = {new_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert {len(each) for each in ids} == {12}
