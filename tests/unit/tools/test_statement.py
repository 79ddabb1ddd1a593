"""Reading SQL: parameters are found where an engine would find them, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.statement import Unsound, parse


def test_parameters_are_numbered_for_postgresql_and_named_for_sqlite() -> None:
    source = "SELECT a FROM t WHERE a = :b AND c = :a AND d = :b;"
    assert parse(source, "postgresql").sql == "SELECT a FROM t WHERE a = $1 AND c = $2 AND d = $1"
    assert parse(source, "sqlite").sql == source.rstrip(";")
    assert parse(source, "sqlite").names == ("b", "a")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a::text, b[1:2] FROM t",
        "SELECT ':a', ':a''s :b', $$ :c $$, $x$ :d $x$",
        'SELECT ":a" FROM t',
        r"SELECT E'it\'s :a'",
        "SELECT 1 /* :a ; */ -- :b ;",
    ],
)
def test_a_colon_in_casts_literals_names_and_comments_is_no_parameter(text: str) -> None:
    assert parse(text, "postgresql").names == ()


@pytest.mark.parametrize(
    ("text", "verb", "target", "alias"),
    [
        ("select 1", "select", "", ""),
        ("(SELECT 1) UNION (SELECT 2)", "select", "", ""),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "select", "", ""),
        ("UPDATE t SET a = 1", "update", "t", "t"),
        ("UPDATE ONLY shop.t AS x SET a = 1", "update", "shop.t", "x"),
        ('UPDATE "My Table" m SET a = 1', "update", '"My Table"', "m"),
        ("DELETE FROM t WHERE a = 1", "delete", "t", "t"),
        ("DELETE FROM t USING u WHERE a = 1", "delete", "t", "t"),
        ("INSERT INTO t (a) VALUES (1)", "insert", "t", "t"),
        ("INSERT INTO t AS x VALUES (1) ON CONFLICT (a) DO UPDATE SET a = x.a", "insert", "t", "x"),
        ("WITH x AS (SELECT 1 AS a) UPDATE t SET a = (SELECT a FROM x)", "update", "t", "t"),
        ("SELECT replace(a, 'x', 'y') FROM t FOR UPDATE", "select", "", ""),
    ],
)
def test_the_verb_and_its_table_are_found(text: str, verb: str, target: str, alias: str) -> None:
    statement = parse(text, "postgresql")
    assert (statement.verb, statement.target, statement.alias) == (verb, target, alias)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("-- nothing", "empty"),
        ("SELECT 1; SELECT 2", "several statements"),
        ("DROP TABLE t", "begins with `DROP`"),
        ("REPLACE INTO t VALUES (1)", "begins with `REPLACE`"),
        ("INSERT OR REPLACE INTO t VALUES (1)", "ON CONFLICT"),
        ("SELECT * FROM t WHERE a = {a}", "`{` is not a parameter"),
        ("SELECT * FROM t WHERE a = %(a)s", "not a parameter"),
        ("SELECT * FROM t WHERE a = %s", "not a parameter"),
        ("SELECT * FROM t WHERE a = $1", "not a parameter"),
        ("SELECT * FROM t WHERE a = @a", "not a parameter"),
        ("SELECT * FROM t WHERE a = ':a'", "inside quotes"),
        ("SELECT * FROM t WHERE a LIKE '%:a%'", "inside quotes"),
        ("SELECT * FROM t WHERE a = '{a}'", "inside quotes"),
        ("WITH RECURSIVE n AS (SELECT 1) SELECT 1", "RECURSIVE"),
        ("WITH d AS (DELETE FROM t) SELECT 1", "inside another statement"),
        ("WITH x AS (SELECT 1)", "no SELECT"),
        ("UPDATE t SET a = 1 RETURNING a", "RETURNING"),
        ("SELECT a INTO b FROM t", "INTO"),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", "MERGE"),
        ("WITH x AS (SELECT 1) MERGE INTO t USING x ON true WHEN MATCHED THEN UPDATE SET a = 1", "MERGE"),
        ("SELECT pg_sleep (1)", "pg_sleep"),
        ("UPDATE (SELECT 1) SET a = 1", "can't be found"),
    ],
)
def test_what_is_no_single_sound_statement_is_told(text: str, told: str) -> None:
    with pytest.raises(Unsound, match=told.replace("{", r"\{")):
        parse(text, "sqlite", known=("a",))


def test_a_list_after_from_or_join_is_a_table_of_its_items() -> None:
    source = "SELECT 1 FROM :ids AS a JOIN :ids AS b ON b.position = a.position WHERE :ids <> '[]'"
    lists = {"ids": "bigint"}
    table = (
        "(SELECT position, value::bigint AS value FROM jsonb_array_elements_text($1::jsonb) "
        "WITH ORDINALITY AS item(value, position))"
    )
    expected = f"SELECT 1 FROM {table} AS a JOIN {table} AS b ON b.position = a.position WHERE $1 <> '[]'"
    assert parse(source, "postgresql", lists=lists).sql == expected
    table = "(SELECT key + 1 AS position, value FROM json_each(:ids))"
    expected = f"SELECT 1 FROM {table} AS a JOIN {table} AS b ON b.position = a.position WHERE :ids <> '[]'"
    assert parse(source, "sqlite", lists=lists).sql == expected
    assert parse(source, "sqlite", lists=lists).names == ("ids",)


def test_a_list_that_is_a_table_needs_a_name_and_other_parameters_stay_values() -> None:
    with pytest.raises(Unsound, match="Write `FROM :ids AS name`"):
        parse("SELECT 1 FROM :ids", "sqlite", lists={"ids": "text"})
    source = "SELECT 1 WHERE 1 IS DISTINCT FROM :one"
    assert parse(source, "postgresql", lists={"ids": "text"}).sql == "SELECT 1 WHERE 1 IS DISTINCT FROM $1"


@given(st.text(max_size=60))
def test_any_text_is_a_statement_or_unsound(text: str) -> None:
    for engine in ("sqlite", "postgresql"):
        try:
            statement = parse(text, engine)
        except Unsound:
            continue
        assert ";" not in statement.sql.replace("';'", "") or any(quote in text for quote in "'\"`$")


@given(st.text(alphabet="ab'\":;-/*$ \n", max_size=40))
def test_a_literal_stays_what_it_is(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    statement = parse(f"SELECT {quoted}, :p", "postgresql")
    assert statement.sql == f"SELECT {quoted}, $1"
