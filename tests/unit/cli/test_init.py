from importlib.resources import files
from pathlib import Path

import pytest

from daemon import cli, config
from tools.errors import TriagedError


def test_init_writes_a_configuration_in_shadow_mode_and_says_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.invoke(["init", str(tmp_path / "new")]) == 0
    told = capsys.readouterr().out
    assert f"triaged check --config {tmp_path}/new" in told
    read = config.load(tmp_path / "new")
    assert {mailbox.mode for mailbox in read.mailbox.values()} == {"shadow"}
    assert read.brain.provider == "embedded"


def test_init_with_an_example_brings_its_handler_tools_and_database(tmp_path: Path) -> None:
    assert cli.invoke(["init", str(tmp_path), "--example", "customer_service"]) == 0
    for name in (
        "handlers/customer_service/handler.toml",
        "tools/shop.toml",
        "knowledge/README",
        "knowledge/returns.md",
        "rules.toml",
        "shop.db",
    ):
        assert (tmp_path / name).is_file()
    assert not list(tmp_path.rglob("*.py"))
    packaged = Path(str(files("handlers"))) / "customer_service"
    copied = tmp_path / "handlers" / "customer_service"
    assert _files(copied) == _files(packaged)


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_what_init_wrote_passes_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.invoke(["init", str(tmp_path), "--example", "customer_service"])
    code = cli.invoke(["check", "--config", str(tmp_path)])
    told = capsys.readouterr()
    assert code == 0, told.err
    assert "customer_service" in told.out


def test_a_directory_with_something_in_it_is_left_alone_unless_forced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "triaged.toml").write_text("mine")
    assert cli.invoke(["init", str(tmp_path)]) == 1
    assert "is not empty. Choose another directory, or overwrite what is there: --force" in capsys.readouterr().err
    assert (tmp_path / "triaged.toml").read_text() == "mine"
    assert cli.invoke(["init", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "triaged.toml").read_text() != "mine"


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert cli.invoke(["init", str(tmp_path / "file" / "new")]) == 1
    assert "can't be written: Not a directory." in capsys.readouterr().err


def test_an_unknown_example_is_told_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["init", str(tmp_path), "--example", "customer-service"]) == 2
    assert "Did you mean `customer_service`?" in capsys.readouterr().err


def test_forcing_keeps_a_sample_database_that_may_have_been_changed(tmp_path: Path) -> None:
    from daemon.scaffold import directory

    directory.write(tmp_path, example="customer_service")
    before = (tmp_path / "shop.db").stat()
    directory.write(tmp_path, example="customer_service", force=True)
    assert (tmp_path / "shop.db").stat() == before


def test_a_failure_of_the_sample_is_not_hidden(tmp_path: Path) -> None:
    from daemon.scaffold import directory

    with pytest.raises(TriagedError):
        directory.write(tmp_path, example="no such thing")
