"""Calls from several threads at once neither disturb nor block each other."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

from tests.fixtures.business import Business, bound, staging
from tools import ledger
from tools.apply import Applied, apply
from tools.confine import Database, connect
from tools.read import read


def test_reads_stages_and_deliveries_run_side_by_side(business: Business) -> None:
    business.run(*(f"INSERT INTO orders VALUES ('{n}', 2, 'processing', 5, NULL, NULL)" for n in range(3000, 3012)))
    with business.load() as catalogue, ThreadPoolExecutor(8) as pool:
        put = staging(catalogue, "bob@example.com")

        def deliver(number: int) -> bool:
            write = put("cancel_order", order_id=str(number))
            return apply([write], catalogue, key=f"{number}:1") == Applied(key=f"{number}:1")

        def look(number: int) -> int:
            sender = "ana@example.com" if number % 2 else "bob@example.com"
            return len(read(catalogue["find_order"], {"order_id": "1001"}, bound(sender), catalogue).rows)

        delivered = [pool.submit(deliver, number) for number in range(3000, 3012)]
        looked = [pool.submit(look, number) for number in range(40)]
        assert all(done.result(30) for done in delivered)
        assert [done.result(30) for done in looked] == [0, 1] * 20
    assert business.run("SELECT count(*) FROM triaged_ledger WHERE state = 'applied'") == [(12,)]


def test_a_sqlite_file_in_wal_mode_works_the_same(sqlite_business: Business) -> None:
    path = sqlite_business.database.url.removeprefix("sqlite:///")
    server = sqlite3.connect(path)
    server.execute("PRAGMA journal_mode = WAL")
    with sqlite_business.load() as catalogue:
        write = staging(catalogue)("cancel_order", order_id="1001")
        assert write.changes[0].before != write.changes[0].after
        assert apply([write], catalogue, key="d:1") == Applied(key="d:1")
    assert server.execute("SELECT status FROM orders WHERE order_id = '1001'").fetchone() == ("cancelled",)
    server.close()


def test_the_ledger_can_be_made_more_than_once(business: Business) -> None:
    business.run("DROP TABLE triaged_ledger")
    for _ in range(2):
        ledger.create(Database(name="shop", url=business.database.url))
    engine = connect(business.database)
    assert ledger.missing(engine) is None
    assert ledger.state("d:1", engine) is None
    engine.close()
