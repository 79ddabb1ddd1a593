"""The page of a draft says what its writes do, also when that is nothing."""

from daemon.cli.draft_page import _writes
from tools.staged import Change, StagedWrite


def test_a_write_that_changes_nothing_says_so() -> None:
    write = StagedWrite(tool="move", database="shop", arguments={}, bound={}, changes=(), preimage="")
    assert "    = nothing changes: the rows are so already" in list(_writes((write,), applied=False))


def test_a_write_shows_the_columns_that_change() -> None:
    change = Change(table="customers", before={"id": 1, "city": "Bonn"}, after={"id": 1, "city": "Ulm"})
    write = StagedWrite(tool="move", database="shop", arguments={}, bound={}, changes=(change,), preimage="")
    lines = list(_writes((write,), applied=False))
    assert "    ~ customers.city: Bonn → Ulm" in lines
    assert not any("nothing changes" in line for line in lines)
