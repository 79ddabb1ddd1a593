import io
import json
import os
import pty
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli import output
from tools.located import Faults

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"id": "m1", "subject": "Hello", "at": NOW, "reasons": ["shadow-mode", "old-mail"], "held": True},
    {"id": "m2", "subject": None, "at": NOW, "reasons": [], "held": False},
]


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Row:
    id: str
    colour: Colour
    total: Decimal
    path: Path
    day: date


def test_a_list_is_tab_separated_text_with_a_heading_where_it_is_not_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.emit(
        ROWS,
        as_json=False,
        columns={"id": "id", "subject": "subject", "at": "received", "reasons": "why", "held": "held"},
    )
    assert capsys.readouterr().out.splitlines() == [
        "id\tsubject\treceived\twhy\theld",
        "m1\tHello\t2026-11-23T12:00:00+00:00\tshadow-mode, old-mail\tyes",
        "m2\t\t2026-11-23T12:00:00+00:00\t\tno",
    ]


def test_json_has_every_key_whatever_the_table_shows(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(ROWS, as_json=True, columns={"id": "id"})
    first, _ = json.loads(capsys.readouterr().out)
    assert first == dict(ROWS[0], at="2026-11-23T12:00:00+00:00")


def test_json_of_a_dataclass_holds_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(
        Row(id="1", colour=Colour.RED, total=Decimal("1.20"), path=Path("/x"), day=date(2026, 1, 2)), as_json=True
    )
    told = json.loads(capsys.readouterr().out)
    assert told == {"id": "1", "colour": "red", "total": "1.20", "path": "/x", "day": "2026-01-02"}


def test_a_mapping_is_a_line_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit({"state": "held", "held_since": None}, as_json=False)
    assert capsys.readouterr().out == "state       held\nheld since  \n"


def test_an_empty_list_is_said_beside_the_output_and_is_an_empty_list_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.emit([], as_json=False, empty="Nothing is held.")
    assert tuple(capsys.readouterr()) == ("", "Nothing is held.\n")
    output.emit([], as_json=True)
    assert capsys.readouterr().out == "[]\n"


def test_a_subject_can_neither_steer_the_terminal_nor_break_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit([{"subject": "a\x1b[2J\x9b31mb\u202ec\nd\te[red]"}], as_json=False)
    assert capsys.readouterr().out.splitlines()[1] == "a[2J31mbc d e[red]"


@given(st.text())
def test_nothing_printable_holds_a_control_character(text: str) -> None:
    assert not [
        char for char in output.printable(text) if (char < " " and char not in "\n\t") or "\x7f" <= char <= "\x9f"
    ]


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_400 * 2 + 5, "2 d"),
        (-300, "in 5 min"),
    ],
)
def test_times_are_ages(passed: int, words: str) -> None:
    assert output.age(NOW - timedelta(seconds=passed), NOW) == words


def on_terminal(monkeypatch: pytest.MonkeyPatch, value: Any, **options: Any) -> list[str]:
    """The lines that a terminal of eighty columns shows."""
    ours, theirs = pty.openpty()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        output.emit(value, as_json=False, **options)
        terminal.flush()
        shown = os.read(ours, 65536).decode()
    os.close(ours)
    return [line.rstrip() for line in shown.splitlines()]


def test_a_terminal_gets_a_table_with_ages_and_the_text_of_mails_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"id": "m1", "at": datetime.now(UTC) - timedelta(minutes=3), "subject": "[bold]x[/bold]"}
    assert on_terminal(monkeypatch, [row])[1] == "m1  3 min  [bold]x[/bold]"


def test_a_terminal_is_never_too_narrow_for_a_line_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"id": "ftv55k7rftcp", "from": "a.long.name@mail.example.com", "subject": "Words " * 30, "why": "x" * 40}
    lines = on_terminal(monkeypatch, [row, row], cut=("from", "subject", "why"))
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("ftv55k7rftcp  a.long.")
    assert lines[1].count("…") == 3


def test_a_terminal_shows_no_column_that_is_empty_in_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": "m1", "label": None, "state": "held"}, {"id": "m2", "label": "", "state": "done"}]
    assert on_terminal(monkeypatch, rows)[0].split() == ["id", "state"]
    shown = on_terminal(monkeypatch, rows, brief=lambda row: {**row, "state": None})
    assert shown == ["id", "m1", "m2"]


def test_a_long_value_goes_on_under_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = on_terminal(monkeypatch, {"tools": [f"tool-number-{number}" for number in range(20)], "x": 1})
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("       tool-number-")


def test_progress_elsewhere_than_on_a_terminal_is_a_line_each_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    monkeypatch.setattr("sys.stderr", told)
    with output.progress(range(20), "Reading") as items:
        assert list(items) == list(range(20))
    assert told.getvalue().splitlines()[0] == "Reading: 2 of 20"
    assert told.getvalue().splitlines()[-1] == "Reading: 20 of 20"


def test_the_configuration_is_the_named_directory_else_this_one_else_that_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, here, system = tmp_path / "named", tmp_path / "here", tmp_path / "system"
    for directory in (named, here, system):
        directory.mkdir()
        (directory / "triaged.toml").touch()
    monkeypatch.chdir(here)
    monkeypatch.setattr(output, "_SYSTEM", system)
    assert output.resolve_config(named) == named
    assert output.resolve_config(None).absolute() == here
    (here / "triaged.toml").unlink()
    assert output.resolve_config(None) == system
    (system / "triaged.toml").unlink()
    with pytest.raises(Faults, match="--config DIR"):
        output.resolve_config(None)
