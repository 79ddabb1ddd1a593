"""From where a folder is read: whatever a server does to it, nothing new is lost and nothing old is taken for new."""

from dataclasses import replace
from datetime import date, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.inbound.imap_cursor import CLOCKS, Begin, GoOn, ReadAgain, Selected, plan
from daemon.inbound.imap_look import Memory
from daemon.store.position import FolderCursor
from tests.fixtures.imap_reader import Intake
from tests.unit.inbound.imap_folder import START, Cut, Folder, Lying, look, read_all

DAY = timedelta(days=1)
HERE = Selected(uidvalidity=7, uidnext=101, modseq=50)


def known(**changes: object) -> FolderCursor:
    values: dict[str, object] = {"uidvalidity": 7, "last_uid": 100, "since": START, "caught_up_at": START + 30 * DAY}
    return FolderCursor(**(values | changes))  # type: ignore[arg-type]


def step(cursor: FolderCursor | None, selected: Selected = HERE) -> object:
    return plan(cursor, selected, since="now", now=START)


def test_the_first_run_begins_where_the_operator_wants() -> None:
    assert step(None) == Begin(after=100, since=START - CLOCKS)
    assert plan(None, HERE, since="all", now=START) == Begin(after=0, since=None)
    assert plan(None, HERE, since=date(2026, 1, 5), now=START) == Begin(
        after=None, since=START.replace(month=1, day=4, hour=0)
    )


def test_a_folder_that_kept_its_uids_is_read_behind_the_last() -> None:
    assert step(known(modseq=50)) == GoOn(after=100)


@pytest.mark.parametrize(
    "selected",
    [
        Selected(uidvalidity=8, uidnext=101, modseq=50),
        Selected(uidvalidity=7, uidnext=100, modseq=50),
        Selected(uidvalidity=7, uidnext=101, modseq=49),
    ],
    ids=["made anew", "put back, by UIDNEXT", "put back, by HIGHESTMODSEQ"],
)
def test_a_folder_that_changed_is_read_again_a_week_back(selected: Selected) -> None:
    assert step(known(modseq=50), selected) == ReadAgain(floor=START + 23 * DAY)


def test_a_folder_that_changed_is_never_read_from_before_we_began() -> None:
    changed = Selected(uidvalidity=8, uidnext=101)
    assert step(known(caught_up_at=START + 2 * DAY), changed) == ReadAgain(floor=START)
    assert step(known(caught_up_at=None), changed) == ReadAgain(floor=START)
    assert step(known(caught_up_at=None, since=None), changed) == ReadAgain(floor=None)


class Mailbox(RuleBasedStateMachine):
    """A folder that lives for weeks: a server that makes it anew, puts it back, a reader that is cut off."""

    @initialize(old=st.integers(0, 4), modseq=st.booleans())
    def begin(self, old: int, *, modseq: bool) -> None:
        self.folder = Folder(modseq=1 if modseq else None)
        self.intake, self.memory = Intake(), Memory()
        self.now = START
        self.count = 0
        self.backup: tuple[dict[int, Lying], int, int | None] | None = None
        self.expected: set[str] = set()
        for number in range(old):
            came = START - (number + 1) * DAY
            self.folder.add(f"old{number}", received=came, written=came)
        assert look(self.folder, self.intake, self.memory, since="now").run(self.now)

    def read(self, cut_after: int | None = None) -> None:
        try:
            read_all(lambda: look(self.folder, self.intake, self.memory, cut_after=cut_after, since="now"), self.now)
        except Cut:
            return

    @rule(hours=st.integers(1, 200))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(count=st.integers(1, 4))
    def mail_comes(self, count: int) -> None:
        for _ in range(count):
            self.now += timedelta(minutes=1)
            self.count += 1
            self.folder.add(f"new{self.count}", received=self.now, written=self.now)
            self.expected.add(f"new{self.count}")

    @rule(hours=st.integers(1, 140))
    def somebody_moves_a_mail_here_that_came_elsewhere_some_days_ago(self, hours: int) -> None:
        received = self.now - timedelta(hours=hours)
        if received < START:
            return
        self.count += 1
        self.folder.add(f"new{self.count}", received=received, written=received)
        self.expected.add(f"new{self.count}")

    @rule()
    def the_reader_looks(self) -> None:
        self.read()

    @rule(mails=st.integers(0, 3), forgotten=st.booleans())
    def the_reader_is_cut_off_amid_a_look(self, mails: int, *, forgotten: bool) -> None:
        self.read(cut_after=mails)
        if forgotten:  # the process ended
            self.memory = Memory()

    @precondition(lambda self: self.folder.mails)
    @rule(data=st.data())
    def another_client_deletes_a_mail(self, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(self.folder.mails)))
        self._gone({uid: self.folder.mails.pop(uid)})
        self.folder.touch()

    @rule(order=st.randoms(use_true_random=False), delivered_anew=st.booleans())
    def the_folder_is_made_anew(self, order: object, *, delivered_anew: bool) -> None:
        """By a move to another server, which keeps INTERNALDATEs or not, in any order."""
        mails = list(self.folder.mails.values())
        order.shuffle(mails)  # type: ignore[attr-defined]
        self.folder.mails = {}
        self.folder.uidvalidity += 1
        self.folder.uidnext, self.backup = 1, None
        for mail in mails:
            received = self.now if delivered_anew else mail.received
            self.folder.mails[self.folder.uidnext] = replace(mail, received=received)
            self.folder.uidnext += 1
        self.folder.modseq = None if self.folder.modseq is None else 1

    @rule()
    def a_backup_is_made(self) -> None:
        self.backup = dict(self.folder.mails), self.folder.uidnext, self.folder.modseq

    @precondition(lambda self: self.backup is not None)
    @rule(cut_after=st.none() | st.integers(0, 2))
    def the_folder_is_put_back(self, cut_after: int | None) -> None:
        """The reader reconnects before more mail came than was lost: after that nobody could tell."""
        assert self.backup is not None
        mails, self.folder.uidnext, self.folder.modseq = self.backup
        self._gone({uid: mail for uid, mail in self.folder.mails.items() if uid not in mails})
        self.folder.mails = dict(mails)
        self.read(cut_after)
        if cut_after is not None:
            self.read()

    def _gone(self, mails: dict[int, Lying]) -> None:
        """Mail that nobody can read any more need not have been read."""
        self.expected -= {mail.raw.split(b"\r\n")[0].removeprefix(b"Subject: ").decode() for mail in mails.values()}

    @invariant()
    def nothing_old_is_taken_in(self) -> None:
        if hasattr(self, "intake"):
            assert not [name for name in self.intake.subjects if name.startswith("old")]

    def teardown(self) -> None:
        if hasattr(self, "intake"):
            self.read()
            assert self.expected <= set(self.intake.subjects)
            assert len(self.intake.subjects) == len(set(self.intake.subjects))


Mailbox.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestMailbox = Mailbox.TestCase
