"""A reviewer is told what changed since a write was shown."""

from tools.difference import difference
from tools.staged import Change


def _change(**before: object) -> Change:
    return Change(table="orders", before=before, after=None)


def test_a_changed_value_is_told_with_both() -> None:
    told = difference([_change(id="1", total=5, note="a")], [_change(id="1", total=6, note="a")])
    assert told == "orders: total was 5 and is 6."


def test_rows_that_came_and_went_are_told() -> None:
    told = difference([_change(id="1", total=5)], [_change(id="2", total=6)])
    assert told == (
        "orders: the row would no longer change (id '1', total 5). "
        "orders: a row that was not shown would change too (id '2', total 6)."
    )


def test_equal_rows_are_no_difference() -> None:
    assert difference([_change(id="1")], [_change(id="1")]) == ""
