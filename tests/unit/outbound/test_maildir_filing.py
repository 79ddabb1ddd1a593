"""The letters behind a Maildir's file names follow what became of the mail."""

from pathlib import Path

import pytest

from daemon.outbound.maildir_filing import show
from daemon.store.filing import Lying, Shown


def lying(shown: Shown, before: Shown | None = None) -> Lying:
    return Lying(
        message="m1",
        folder="",
        uidvalidity=None,
        uid=None,
        file="1795.M1.host",
        before=before,
        wanted=shown,
        move_to=None,
    )


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for folder in ("new", "cur"):
        (tmp_path / folder).mkdir()
    return tmp_path


def names(maildir: Path) -> list[str]:
    return [file.name for file in (maildir / "cur").iterdir()]


@pytest.mark.parametrize(
    ("shown", "before", "was", "becomes"),
    [
        (Shown.TAKEN, None, "", ""),
        (Shown.HELD, Shown.TAKEN, "", ""),
        (Shown.IGNORED, None, "", ""),
        (Shown.READ, Shown.HELD, "", "S"),
        (Shown.ANSWERED, Shown.HELD, "F", "FRS"),
        (Shown.ANSWERED, Shown.HELD, "RS", "RS"),
        (Shown.HELD, Shown.ANSWERED, "FRS", "F"),
        (Shown.HELD, Shown.TAKEN, "S", "S"),
    ],
)
def test_a_mail_is_read_and_replied_to_as_a_person_would_have_it(
    maildir: Path, shown: Shown, before: Shown | None, was: str, becomes: str
) -> None:
    (maildir / "cur" / f"1795.M1.host:2,{was}").write_bytes(b"x")
    (done,) = show(maildir, [lying(shown, before)]).done
    assert not done.missing
    assert names(maildir) == [f"1795.M1.host:2,{becomes}"]


def test_a_file_that_another_program_took_away_is_left_alone(maildir: Path) -> None:
    (maildir / "cur" / "1795.M2.host:2,").write_bytes(b"x")
    (done,) = show(maildir, [lying(Shown.ANSWERED)]).done
    assert done.missing
    assert names(maildir) == ["1795.M2.host:2,"]


def test_a_file_that_is_still_in_new_is_waited_for(maildir: Path) -> None:
    (maildir / "new" / "1795.M1.host").write_bytes(b"x")
    assert show(maildir, [lying(Shown.ANSWERED)]).done == ()
    (done,) = show(maildir, [lying(Shown.HELD)]).done
    assert not done.missing
