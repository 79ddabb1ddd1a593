from tools import ledger
from tools.grants import Reach, postgresql, quoted, sqlite

REACH = Reach(
    read={"orders": {"order_id", "total"}, "customers": {"email"}, "sales.stock": set()},
    seen={"orders": {"order_id", "status"}, "refunds": {"order_id", "Amount"}},
    updated={"orders": {"status"}},
    inserted={"refunds": {"order_id"}},
    deleted={"items"},
    sequences={"refunds_id_seq"},
    owners={"customers": "email = :me", "hours": "true"},
    shared={"hours"},
    writes=True,
)
GOLDEN = f"""\
-- Run this as the owner of the tables: psql --set ON_ERROR_STOP=1 --single-transaction --file FILE
-- Set the passwords yourself: \\password ROLE
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'r') THEN CREATE ROLE r LOGIN; END IF; END $$;
ALTER ROLE r CONNECTION LIMIT 20;
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'w') THEN CREATE ROLE w LOGIN; END IF; END $$;
ALTER ROLE w CONNECTION LIMIT 20;
GRANT USAGE ON SCHEMA public TO r, w;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM r, w;
GRANT USAGE ON SCHEMA sales TO r, w;
REVOKE ALL ON ALL TABLES IN SCHEMA sales FROM r, w;
GRANT SELECT (email) ON customers TO r;
GRANT SELECT (order_id, total) ON orders TO r;
GRANT SELECT ON sales.stock TO r;
GRANT SELECT (order_id, status) ON orders TO w;
GRANT SELECT ("Amount", order_id) ON refunds TO w;
GRANT UPDATE (status) ON orders TO w;
GRANT INSERT (order_id) ON refunds TO w;
GRANT DELETE ON items TO w;
GRANT USAGE ON SEQUENCE refunds_id_seq TO w;
{ledger.DDL};
GRANT SELECT, INSERT ON triaged_ledger TO w;
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS triaged_others ON customers;
CREATE POLICY triaged_others ON customers USING (true);
DROP POLICY IF EXISTS triaged_own ON customers;
CREATE POLICY triaged_own ON customers AS RESTRICTIVE TO r, w USING (email = :me);
-- No row-level security for hours: a public tool reads it too.
"""


def test_the_sql_gives_what_is_reached_and_no_more() -> None:
    assert postgresql(REACH, reader="r", writer="w") == GOLDEN


def test_reads_alone_need_neither_a_writer_nor_the_ledger() -> None:
    told = postgresql(Reach(read={"orders": {"total"}}), reader="r", writer="r")
    assert "GRANT SELECT (total) ON orders TO r;" in told
    assert "ledger" not in told
    assert "INSERT" not in told


def test_sqlite_gets_the_ledger_and_what_to_know_of_the_file() -> None:
    told = sqlite(Reach(writes=True), path="/srv/shop.db")
    assert f"{ledger.DDL};" in told
    assert "chmod 660 /srv/shop.db" in told
    assert "CREATE" not in sqlite(Reach(), path="/srv/shop.db")


def test_a_name_that_is_not_plain_is_quoted() -> None:
    assert [quoted(name) for name in ("order_id", "Amount", 'a"b', "1st", "größe")] == [
        "order_id",
        '"Amount"',
        '"a""b"',
        '"1st"',
        '"größe"',
    ]
