import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from daemon import cli
from daemon.errors import NotFound, NotPossible, SchemaMismatch, Unreachable, WrongUse
from tools.errors import TriagedError
from tools.located import Fault, Faults

HEAVY = ("sqlmodel", "sqlalchemy", "pydantic", "dbos", "sklearn", "anthropic", "rich", "daemon.config", "daemon.store")
Fail = Callable[..., int]
A, B = Path("a.toml"), Path("b.toml")


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    """What makes it start in 0.15 s."""
    code = (
        f"import sys; from daemon import cli; cli.invoke(['--help']); print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    *told, imported = done.stdout.splitlines()
    assert imported == "[]"
    assert [line.split()[0] for line in told[-len(cli.COMMANDS) :]] == list(cli.COMMANDS)


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_loads_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke([name, "--help"]) == 0
    assert "Usage: triaged" in capsys.readouterr().out


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert cli.invoke(["--version"]) == 0
    assert capsys.readouterr().out == f"triaged {version('triaged')}\n"


def test_a_misspelt_command_is_wrong_use_and_the_nearest_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["draft"]) == 2
    assert "Did you mean 'drafts'" in capsys.readouterr().err


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """`fail(error, word)` runs the command `word` as if it raised that error."""

    def fail(error: Exception, word: str = "check", *options: str) -> int:
        def command() -> None:
            raise error

        monkeypatch.setattr(cli, "_module", lambda _: SimpleNamespace(command=command))
        return cli.invoke([*options, word])

    return fail


@pytest.mark.parametrize(
    ("error", "word", "code"),
    [
        (TriagedError("x"), "check", 1),
        (Faults([Fault(path=A, message="x")]), "check", 1),
        (Faults([Fault(path=A, message="x")]), "run", 78),
        (SchemaMismatch("x"), "run", 78),
        (TriagedError("x"), "run", 1),
        (Unreachable("x"), "check", 3),
        (NotFound("x"), "check", 2),
        (WrongUse("x"), "check", 2),
        (NotPossible("x"), "check", 1),
        (Unreachable("x"), "run", 3),
        (KeyError("x"), "check", 70),
    ],
)
def test_the_exit_code_says_what_kind_of_failure_it_was(failing: Fail, error: Exception, word: str, code: int) -> None:
    assert failing(error, word) == code


def test_all_faults_are_told_and_counted(failing: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    failing(Faults([Fault(path=A, line=3, message="One."), Fault(path=B, message="Two.")]))
    assert capsys.readouterr().err == "a.toml:3: One.\nb.toml: Two.\n2 faults. Correct them and try again.\n"


def test_an_unexpected_error_is_one_line_and_its_traceback_a_private_file(
    failing: Fail, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failing(KeyError("secret"))
    told = capsys.readouterr().err
    assert told.startswith("An unexpected error: KeyError. The traceback is in ")
    assert "secret" not in told
    (file,) = list(tmp_path.iterdir())
    assert "KeyError: 'secret'" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_debug_shows_the_traceback(failing: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    failing(KeyError("secret"), "check", "--debug")
    assert "Traceback" in capsys.readouterr().err


def test_a_shell_completes_words_inside_a_group(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_TRIAGED_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "triaged tools ")
    monkeypatch.setenv("COMP_CWORD", "2")
    cli.invoke([])
    assert capsys.readouterr().out.split() == ["list", "show", "call", "prove", "grant"]
