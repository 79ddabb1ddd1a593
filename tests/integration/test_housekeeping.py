"""What the daemon forgets while it runs."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlmodel import col, select

from daemon.store import limits
from daemon.store.limits import Charge
from daemon.store.tables import LimitRow
from tests.fixtures.office import Office


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_what_no_limit_counts_any_more_is_forgotten_and_the_rest_is_not(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.housekeeping.INTERVAL", 0.05)
    now = datetime.now(UTC)

    def scopes() -> set[str]:
        query = select(LimitRow.scope_mac).where(col(LimitRow.name) == "refunds")
        return office.daemon.store.read_now(lambda session: set(session.exec(query)))

    async with office.open():
        for scope, age in (("ended", timedelta(days=2)), ("counts", timedelta(hours=20))):
            spent = Charge(name="refunds", scope=scope, window=86400)
            await office.daemon.store.write(partial(limits.spend, charge=spent, now=now - age))
        await office.until(lambda: scopes() == {"counts"})
