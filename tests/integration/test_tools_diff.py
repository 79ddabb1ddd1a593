"""The diff of a staged write is exact: whatever the database itself does beside the step is shown too."""

import pytest

from tests.fixtures.business import Business, staging
from tools.apply import Applied, RefusedWrite, apply
from tools.catalogue import Catalogue
from tools.located import Faults
from tools.outcome import Refused

STEP = """
[[tool]]
name = "{name}"
kind = "write"
description = "A write."
database = "shop"
scope = "public"
{more}
"""


def a_write(*steps: str, name: str = "change", more: str = "") -> str:
    """A tool of these steps."""
    tables = "".join(f'[[tool.step]]\nstatement = """{step}"""\n' for step in steps)
    return STEP.format(name=name, more=more) + tables


def seen(catalogue: Catalogue) -> set[tuple[str, str]]:
    """Table and kind of each change of the tool `change`."""
    kinds = {(True, False): "insert", (False, True): "delete", (False, False): "update"}
    write = staging(catalogue)("change")
    return {(change.table, kinds[change.before is None, change.after is None]) for change in write.changes}


def refuses(business: Business, tools: str, match: str) -> None:
    """Staging the tool `change` is refused with this detail."""
    with business.load(tools) as catalogue, pytest.raises(Refused, match=match):
        seen(catalogue)


def trigger(business: Business, *, body: str, event: str = "AFTER UPDATE ON orders") -> None:
    """A row trigger that runs `body`."""
    if business.postgresql:
        business.run(
            f"CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NULL; END$$",
            f"CREATE TRIGGER fires {event} FOR EACH ROW EXECUTE FUNCTION fire()",
        )
    else:
        business.run(f"CREATE TRIGGER fires {event} FOR EACH ROW BEGIN {body}; END")


def test_what_a_trigger_writes_into_another_table_is_shown(business: Business) -> None:
    trigger(business, body="INSERT INTO history (entry, order_id, said) VALUES (7, NEW.order_id, 'changed')")
    with business.load(a_write("UPDATE orders SET note = 'x' WHERE order_id = '1001'")) as catalogue:
        assert seen(catalogue) == {("orders", "update"), ("history", "insert")}
    assert business.run("SELECT count(*) FROM history") == [(0,)]


def test_what_a_trigger_changes_and_deletes_elsewhere_is_shown(business: Business) -> None:
    trigger(
        business,
        body="UPDATE customers SET city = 'Ulm' WHERE customer_id = NEW.customer_id;"
        " DELETE FROM items WHERE order_id = NEW.order_id AND line = 2",
    )
    with business.load(a_write("UPDATE orders SET note = 'x' WHERE order_id = '1001'")) as catalogue:
        assert seen(catalogue) == {("orders", "update"), ("customers", "update"), ("items", "delete")}


def test_a_row_that_a_trigger_changes_again_is_shown_as_it_ends(business: Business) -> None:
    trigger(
        business,
        event="AFTER UPDATE OF note ON orders",
        body="UPDATE orders SET status = 'touched' WHERE order_id = NEW.order_id",
    )
    with business.load(a_write("UPDATE orders SET note = 'x' WHERE order_id = '1001'")) as catalogue:
        (change,) = staging(catalogue)("change").changes
    assert change.before is not None
    assert change.after is not None
    assert (change.before["note"], change.before["status"]) == (None, "processing")
    assert (change.after["note"], change.after["status"]) == ("x", "touched")


def test_several_steps_on_one_row_are_one_change(business: Business) -> None:
    steps = [
        "UPDATE orders SET note = 'x' WHERE order_id = '1001'",
        "UPDATE orders SET total = total + 1 WHERE order_id = '1001'",
    ]
    with business.load(a_write(*steps)) as catalogue:
        (change,) = staging(catalogue)("change").changes
    assert change.after is not None
    assert (change.after["note"], change.after["total"]) == ("x", 2000)


def test_a_row_that_comes_and_goes_is_no_change(business: Business) -> None:
    steps = [
        "INSERT INTO history (entry, order_id, said) VALUES (9, '1001', 'x')",
        "DELETE FROM history WHERE entry = 9",
        "UPDATE orders SET note = 'x' WHERE order_id = '1001'",
    ]
    with business.load(a_write(*steps)) as catalogue:
        assert seen(catalogue) == {("orders", "update")}


def test_a_new_key_is_shown_with_the_row_that_had_the_old_one(business: Business) -> None:
    business.run("INSERT INTO customers VALUES (8, 'cy@example.com', 'Cy', 'Rome')")
    with business.load(a_write("UPDATE customers SET customer_id = 9 WHERE customer_id = 8")) as catalogue:
        assert seen(catalogue) == {("customers", "delete"), ("customers", "insert")}


def test_an_upsert_is_shown_as_the_update_that_it_is(business: Business) -> None:
    step = """INSERT INTO refunds (order_id, amount) VALUES ('1001', 5)
        ON CONFLICT (order_id) DO UPDATE SET amount = refunds.amount + excluded.amount"""
    with business.load(a_write(step)) as catalogue:
        assert seen(catalogue) == {("refunds", "insert")}
        business.run("INSERT INTO refunds (order_id, amount) VALUES ('1001', 1)")
        assert seen(catalogue) == {("refunds", "update")}


def test_a_key_that_the_database_gives_does_not_make_a_write_stale(business: Business) -> None:
    if business.postgresql:
        business.run("ALTER TABLE history ALTER entry ADD GENERATED BY DEFAULT AS IDENTITY")
    with business.load(a_write("INSERT INTO history (order_id, said) VALUES ('1001', 'x')")) as catalogue:
        write = staging(catalogue)("change")
        assert isinstance(apply([write], catalogue, key="a:1"), Applied)
        assert isinstance(apply([write], catalogue, key="b:1"), Applied)
    assert business.run("SELECT count(*) FROM history") == [(2,)]


def test_a_step_without_effect_refuses(business: Business) -> None:
    refuses(business, a_write("UPDATE orders SET note = 'x' WHERE order_id = '9999'"), "changes no row")
    refuses(business, a_write("UPDATE orders SET total = 1999 WHERE order_id = '1001'"), "already so")


def test_an_optional_step_may_find_no_row(business: Business) -> None:
    tools = a_write("UPDATE orders SET note = 'x' WHERE order_id = '1001'", "DELETE FROM items WHERE line = 7")
    refuses(business, tools, "Step 2 of `change` changes no row")
    with business.load(tools + "optional = true") as catalogue:
        assert seen(catalogue) == {("orders", "update")}


def test_a_write_that_finds_the_rows_as_it_would_leave_them_refuses_unless_it_is_idempotent(business: Business) -> None:
    step = "UPDATE orders SET note = 'ring twice' WHERE order_id = '1002'"
    refuses(business, a_write(step), "the rows are already so")
    with business.load(a_write(step, more="idempotent = true")) as catalogue:
        write = staging(catalogue)("change")
        assert write.changes == ()
        assert isinstance(apply([write], catalogue, key="d:1"), Applied)
        business.run("UPDATE orders SET note = 'other' WHERE order_id = '1002'")
        assert isinstance(apply([write], catalogue, key="d:2"), RefusedWrite)
    assert business.run("SELECT note FROM orders WHERE order_id = '1002'") == [("other",)]


def test_a_write_of_too_many_rows_refuses(business: Business) -> None:
    refuses(business, a_write("UPDATE orders SET note = 'all'", more="rows = 2"), "would change 3 rows; at most 2")


def test_a_constraint_refuses(business: Business) -> None:
    refuses(business, a_write("UPDATE orders SET total = -1 WHERE order_id = '1001'"), "database refuses")
    refuses(business, a_write("DELETE FROM customers WHERE customer_id = 1"), "database refuses")


def test_a_second_write_sees_the_first(business: Business) -> None:
    first = a_write("UPDATE orders SET note = 'one' WHERE order_id = '1001'", name="first")
    second = a_write("UPDATE orders SET note = note || ', two' WHERE order_id = '1001' AND note = 'one'", name="second")
    with business.load(first + second) as catalogue:
        put = staging(catalogue)
        with pytest.raises(Refused):
            put("second")
        one = put("first")
        two = put("second", earlier=(one,))
        assert apply([one, two], catalogue, key="d:1") == Applied(key="d:1")
    assert business.run("SELECT note FROM orders WHERE order_id = '1001'") == [("one, two",)]


def test_a_second_write_shows_what_it_changes_itself(business: Business) -> None:
    first = a_write("UPDATE orders SET note = 'one' WHERE order_id = '1001'", name="first")
    second = a_write("UPDATE orders SET total = 5 WHERE order_id = '1001'", name="second")
    back = a_write("UPDATE orders SET note = NULL WHERE order_id = '1001'", name="back")
    with business.load(first + second + back) as catalogue:
        put = staging(catalogue)
        one = put("first")
        two = put("second", earlier=(one,))
        three = put("back", earlier=(one, two))
        before, after = (
            [
                (row["total"], row["note"])
                for write in (one, two, three)
                for change in write.changes
                if (row := getattr(change, side))
            ]
            for side in ("before", "after")
        )
        assert before == [(1999, None), (1999, "one"), (5, "one")]
        assert after == [(1999, "one"), (5, "one"), (5, None)]
        assert isinstance(apply([one, two, three], catalogue, key="d:1"), Applied)
    assert business.run("SELECT note, total FROM orders WHERE order_id = '1001'") == [(None, 5)]


def test_a_row_that_a_second_write_moves_or_deletes_is_shown_as_the_first_left_it(business: Business) -> None:
    names = ("first", "move", "drop")
    steps = (
        "INSERT INTO items (order_id, line, sku) VALUES ('1001', 8, 'A')",
        "UPDATE items SET line = 9 WHERE order_id = '1001' AND line = 8",
        "DELETE FROM items WHERE order_id = '1001' AND line = 9",
    )
    with business.load("".join(a_write(step, name=name) for name, step in zip(names, steps, strict=True))) as catalogue:
        put = staging(catalogue)
        one = put("first")
        two = put("move", earlier=(one,))
        three = put("drop", earlier=(one, two))
        lines = [
            {
                (change.before and change.before["line"], change.after and change.after["line"])
                for change in write.changes
            }
            for write in (one, two, three)
        ]
        moved = {(8, None), (None, 9)} if business.postgresql else {(8, 9)}  # SQLite knows the row by its row id
        assert lines == [{(None, 8)}, moved, {(9, None)}]
        assert isinstance(apply([one, two, three], catalogue, key="d:1"), Applied)


def test_of_several_writes_none_happens_when_one_is_refused(business: Business) -> None:
    first = a_write("UPDATE orders SET note = 'one' WHERE order_id = '1001'", name="first")
    second = a_write("UPDATE orders SET note = 'two' WHERE order_id = '2001'", name="second")
    with business.load(first + second) as catalogue:
        put = staging(catalogue)
        writes = [put("first"), put("second")]
        business.run("UPDATE orders SET total = 1 WHERE order_id = '2001'")
        assert isinstance(apply(writes, catalogue, key="d:1"), RefusedWrite)
    assert business.run("SELECT note FROM orders WHERE order_id = '1001'") == [(None,)]
    assert business.run("SELECT ordinal, state FROM triaged_ledger ORDER BY 1") == [(0, "refused"), (1, "refused")]


def test_an_amount_that_changed_meanwhile_refuses(business: Business) -> None:
    more = """amount = "sum"\namount_currency = "EUR"\namount_statement = "SELECT sum(total) AS sum FROM orders" """
    with business.load(a_write("UPDATE orders SET note = 'x' WHERE order_id = '1001'", more=more)) as catalogue:
        write = staging(catalogue)("change")
        assert (write.amount, write.currency) == (7699, "EUR")
        business.run("UPDATE orders SET total = 701 WHERE order_id = '2001'")
        outcome = apply([write], catalogue, key="d:1")
    assert isinstance(outcome, RefusedWrite)
    assert "was 7699 EUR and is now 7700 EUR" in outcome.detail


def test_a_tool_that_was_changed_since_staging_refuses(business: Business) -> None:
    with business.load(a_write("UPDATE orders SET note = 'x' WHERE order_id = '1001'")) as catalogue:
        write = staging(catalogue)("change")
    with business.load(a_write("UPDATE orders SET note = 'y' WHERE order_id = '1001'")) as catalogue:
        outcome = apply([write], catalogue, key="d:1")
    assert isinstance(outcome, RefusedWrite)
    assert "was changed or removed" in outcome.detail


def test_a_protected_column_is_named_when_it_changes(business: Business) -> None:
    with business.load() as catalogue:
        assert staging(catalogue)("move_house", city="Rome").protected == ("customers.city",)


def test_a_table_without_a_primary_key_is_a_fault_on_postgresql(postgres_business: Business) -> None:
    postgres_business.run("CREATE TABLE loose (a TEXT)")
    with pytest.raises(Faults, match="`loose` has no primary key"):
        postgres_business.load(a_write("INSERT INTO loose VALUES ('x')"))


def test_a_replace_constraint_is_a_fault_on_sqlite(sqlite_business: Business) -> None:
    sqlite_business.run("CREATE TABLE sly (a TEXT UNIQUE ON CONFLICT REPLACE)")
    with pytest.raises(Faults, match="ON CONFLICT REPLACE"):
        sqlite_business.load(a_write("INSERT INTO sly VALUES ('x')"))


@pytest.mark.parametrize("rowid", ["", " WITHOUT ROWID"])
def test_a_table_with_odd_names_and_types_is_shown_on_sqlite(sqlite_business: Business, rowid: str) -> None:
    sqlite_business.run(
        f'CREATE TABLE "odd table" ("a b" TEXT, rowid BLOB, "c""d" REAL, n, PRIMARY KEY ("a b", n)){rowid}',
        "INSERT INTO \"odd table\" VALUES ('k', x'00ff', 0.1, 1)",
    )
    with sqlite_business.load(a_write("""UPDATE "odd table" SET "c""d" = 1e300 * 10 WHERE n = 1""")) as catalogue:
        (change,) = staging(catalogue)("change").changes
    assert change.before == {"a b": "k", "rowid": "00ff", 'c"d': 0.1, "n": 1}
    assert change.after is not None
    assert change.after['c"d'] == 1e301


def test_a_partitioned_table_is_shown_under_its_own_name_on_postgresql(postgres_business: Business) -> None:
    postgres_business.run(
        "CREATE TABLE parts (a INT, b TEXT, PRIMARY KEY (a)) PARTITION BY RANGE (a)",
        "CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (10) TO (20)",
        "INSERT INTO parts VALUES (1, 'x'), (11, 'y')",
    )
    with postgres_business.load(a_write("UPDATE parts SET b = 'z' WHERE a = 11")) as catalogue:
        assert seen(catalogue) == {("parts", "update")}
    with postgres_business.load(a_write("UPDATE parts SET a = 12 WHERE a = 1")) as catalogue:
        assert seen(catalogue) == {("parts", "delete"), ("parts", "insert")}


def test_what_a_trigger_does_in_a_subtransaction_is_shown_on_postgresql(postgres_business: Business) -> None:
    body = """
        BEGIN UPDATE customers SET city = 'Ulm' WHERE customer_id = 2; EXCEPTION WHEN others THEN NULL; END;
        BEGIN DELETE FROM items WHERE order_id = '2001'; RAISE 'no'; EXCEPTION WHEN others THEN NULL; END"""
    trigger(postgres_business, body=body)
    with postgres_business.load(a_write("UPDATE orders SET note = 'x' WHERE order_id = '1001'")) as catalogue:
        assert seen(catalogue) == {("orders", "update"), ("customers", "update")}


def test_the_counts_of_an_earlier_call_do_not_confuse_the_next_on_postgresql(postgres_business: Business) -> None:
    with postgres_business.load(a_write("UPDATE orders SET note = 'x' WHERE order_id = '1001'")) as catalogue:
        assert [len(staging(catalogue)("change").changes) for _ in range(5)] == [1] * 5
