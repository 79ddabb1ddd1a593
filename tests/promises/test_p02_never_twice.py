"""P2: an answered message gets at most one reply, and a staged write is applied once, wherever the process dies."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from daemon.accounts import MailboxConfig, SmtpConfig
from daemon.config import Config, StoreConfig
from daemon.errors import NotPossible
from daemon.outbound.deliver import Outbound, deliver
from daemon.outbound.sink import Sink
from daemon.outbound.smtp import Submission
from daemon.review import decide, paused
from daemon.store import drafts, ending, switches
from daemon.store.codec import encode
from daemon.store.engine import Store
from daemon.store.job import Job, load
from daemon.store.limits import Charge
from daemon.store.queue import Queue
from daemon.store.tables import Delivery, Draft
from tests.fixtures.mails import Desk, incoming
from tools.errors import Transient
from tools.staged import StagedWrite

WRITE = StagedWrite(
    tool="start_return",
    database="shop",
    arguments={"order_id": "1042"},
    bound={"sender": "ana@example.com"},
    changes=(),
    preimage="",
)


class Killed(BaseException):
    """The process is gone: nothing after this instant happens."""


class Shop:
    """A business database with a ledger: T2, and what it can go wrong with."""

    def __init__(self) -> None:
        self.ledger: dict[str, str] = {}
        self.applied = 0
        self.refusal = ""
        self.away = False

    async def apply(self, job: Job) -> str | None:
        if self.away:
            raise Transient("The database can't be reached.")
        if self.refusal:
            self.ledger.setdefault(job.key, "refused")
        if self.ledger.setdefault(job.key, "applied") == "refused":
            return self.refusal
        self.applied += 1 if "counted:" + job.key not in self.ledger else 0
        self.ledger["counted:" + job.key] = "yes"
        return None

    async def refuse(self, job: Job, detail: str) -> bool:
        if self.away:
            raise Transient("The database can't be reached.")
        return self.ledger.setdefault(job.key, "refused") == "applied"


class Sent:
    """The Sent folder of the mailbox."""

    def __init__(self) -> None:
        self.holds: list[str] = []
        self.mine = False

    def wanted(self, mailbox: str) -> bool:
        return self.mine

    async def find(self, mailbox: str, message_id: str) -> bool:
        return message_id in self.holds

    async def file(self, mailbox: str, raw: bytes) -> None:
        self.holds.append(raw.decode().partition("Message-ID: <")[2].partition(">")[0])


class Floor:
    """Everything between an approval and the mail server."""

    def __init__(self, desk: Desk, sink: Sink) -> None:
        self.desk, self.sink, self.shop, self.copies = desk, sink, Shop(), Sent()
        self.config = Config(
            store=StoreConfig(url="sqlite:///triaged.db"),
            mailbox={
                "support": MailboxConfig(kind="lmtp", listen="127.0.0.1:0", address="support@shop.example", mode="live")
            },
            smtp=SmtpConfig(host="127.0.0.1", port=sink.port, tls="none", timeout=2.0, claim=2.0),
        )
        self.kill_at = ""
        self.seen: list[str] = []

    async def reached(self, identifier: str, state: str) -> None:
        self.seen.append(state)
        if state == self.kill_at:
            self.kill_at = ""
            raise Killed

    def parts(self) -> Outbound:
        """A new process."""
        return Outbound(
            store=self.desk.store,
            queue=self.desk.queue,
            config=lambda: self.config,
            submission=lambda: Submission(self.config.smtp, None, final=1.0),
            writes=self.shop,
            copies=self.copies,
            clock=lambda: self.desk.now,
            alone=True,
            active=set(),
            reached=self.reached,
        )

    async def run(self, draft: str) -> str:
        """Let the process die where it is told to, restart it until nothing is left to do; the final state."""
        row = self.desk.rows(Delivery, draft_id=draft)[-1]
        try:
            await deliver(self.parts(), row.id)
        except Killed:
            await deliver(self.parts(), row.id)
        return str(self.desk.rows(Delivery, id=row.id)[0].state)

    def held_for(self, draft: str) -> str:
        row = self.desk.rows(Draft, id=draft)[0]
        assert row.state == "held"
        return str(row.reasons)


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    queue = Queue(store)
    yield Desk(store=store, queue=queue)
    queue.close()


@pytest.fixture
async def floor(desk: Desk, smtp_sink: Sink) -> Floor:
    return Floor(desk, smtp_sink)


async def test_an_approved_reply_leaves_once_and_the_mail_is_done(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    assert await floor.run(draft) == "done"
    assert await floor.run(draft) == "done"
    assert [mail.rcpt_to for mail in floor.sink.received] == [("ana@example.com",)]
    assert floor.desk.mail(floor.desk.rows(Draft)[0].message_id).outcome == "sent"


@pytest.mark.parametrize(
    ("boundary", "state", "mails"),
    [
        ("approved", "done", 1),
        ("applying", "done", 1),
        ("written", "done", 1),
        ("ready", "done", 1),
        ("opened", "done", 1),
        ("sending", "uncertain", 0),
        ("answered", "uncertain", 1),
        ("sent", "done", 1),
    ],
)
async def test_killed_at_any_boundary_there_is_one_outcome_at_most_one_mail_and_one_write(
    floor: Floor, boundary: str, state: str, mails: int
) -> None:
    floor.copies.mine = boundary == "sent"
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    floor.kill_at = boundary
    assert await floor.run(draft) == state
    assert floor.kill_at == "", "the boundary was never reached"
    assert len(floor.sink.received) == mails
    assert floor.shop.applied == 1
    if state == "uncertain":
        assert floor.held_for(draft) == "delivery-uncertain"


async def test_a_reply_that_is_found_in_sent_after_a_crash_has_left(floor: Floor) -> None:
    floor.copies.mine = True
    draft = floor.desk.draft(outcome="send")
    floor.kill_at = "answered"
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    with pytest.raises(Killed):
        await deliver(floor.parts(), row.id)
    await floor.copies.file("support", floor.sink.received[0].raw)
    await deliver(floor.parts(), row.id)
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "done"
    assert len(floor.sink.received) == 1
    assert len(floor.copies.holds) == 1


@pytest.mark.parametrize(
    ("phase", "answer", "state", "reason"),
    [
        ("rcpt", "550 5.1.1 No such user", "refused", "refused-by-server"),
        ("content", "554 5.7.1 Spam", "refused", "refused-by-server"),
        ("stored", "drop", "uncertain", "delivery-uncertain"),
        ("stored", "hang", "uncertain", "delivery-uncertain"),
    ],
)
async def test_what_the_server_says_decides(floor: Floor, phase: str, answer: str, state: str, reason: str) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.sink.decide = lambda asked: answer if asked == phase else None
    assert await floor.run(draft) == state
    assert floor.held_for(draft) == reason
    assert await floor.run(draft) == state, "nothing is tried again by itself"


@pytest.mark.parametrize(
    ("phase", "waiting"), [("connect", "approved"), ("rcpt", "approved"), ("data", "ready"), ("content", "ready")]
)
async def test_a_server_that_says_not_now_is_asked_again_and_gets_the_mail_once(
    floor: Floor, phase: str, waiting: str
) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.sink.decide = lambda asked: "451 4.3.0 Later" if asked == phase else None
    assert await floor.run(draft) == waiting
    floor.sink.decide = lambda _: None
    assert await floor.run(draft) == "done"
    assert len(floor.sink.received) == 1


async def test_a_server_that_is_away_for_too_long_leaves_the_reply_to_a_person(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.sink.decide = lambda _: "421 4.3.2 Closing"
    assert await floor.run(draft) == "approved"
    floor.desk.later(days=2)
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) in {"server-unavailable", "old-mail"}


async def test_a_refused_write_holds_and_no_mail_says_that_it_happened(floor: Floor) -> None:
    floor.shop.refusal = "orders.status was open, is shipped"
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) == "stale-write"
    assert floor.sink.received == []


async def test_a_business_database_that_is_away_is_asked_again(floor: Floor) -> None:
    floor.shop.away = True
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    assert await floor.run(draft) == "applying"
    floor.shop.away = False
    assert await floor.run(draft) == "done"
    assert floor.shop.applied == 1


async def test_after_the_write_a_refused_mail_goes_to_the_top_of_the_queue_and_can_be_sent_without_writing_again(
    floor: Floor,
) -> None:
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    floor.sink.decide = lambda asked: "550 5.1.1 No such user" if asked == "rcpt" else None
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) == "applied-not-sent,refused-by-server"
    assert floor.desk.rows(Draft, id=draft)[0].priority == "high"
    floor.sink.decide = lambda _: None
    floor.desk.store.write_now(
        lambda session: decide.approve(
            session, floor.desk.store.vault, floor.desk.queue, floor.config, draft, by="eve", now=floor.desk.now
        )
    )
    assert await floor.run(draft) == "done"
    assert (floor.shop.applied, len(floor.sink.received)) == (1, 1)


async def test_paused_nothing_leaves_and_resumed_it_does(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send")
    desk.store.write_now(
        lambda session: paused.pause(session, desk.store.vault, switches.ALL, by="eve", reason="look", now=desk.now)
    )
    assert await floor.run(draft) == "approved"
    assert floor.sink.received == []
    assert (
        desk.store.write_now(lambda session: paused.resume(session, desk.queue, switches.ALL, by="eve", now=desk.now))
        == 1
    )
    assert await floor.run(draft) == "done"


async def test_a_newer_mail_just_before_the_content_makes_the_reply_moot(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send")

    async def newer(identifier: str, state: str) -> None:
        if state == "opened":
            desk.set(Draft, draft, based_on_seq=0)

    row = desk.rows(Delivery, draft_id=draft)[0]
    await deliver(replace(floor.parts(), reached=newer), row.id)
    assert floor.sink.received == []
    assert desk.rows(Draft, id=draft)[0].state == "superseded"
    assert desk.claim(desk.rows(Draft)[0].conversation_id, 2) is not None


async def test_a_worker_that_wakes_up_late_is_fenced(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    row = floor.desk.rows(Delivery, draft_id=draft)[0]

    async def overtaken(identifier: str, state: str) -> None:
        if state == "opened":
            await deliver(floor.parts(), row.id)

    await deliver(replace(floor.parts(), reached=overtaken), row.id)
    assert len(floor.sink.received) == 1
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "done"


async def test_in_shadow_mode_nothing_leaves_whatever_was_approved(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    shadow = floor.config.mailbox["support"].model_copy(update={"mode": "shadow"})
    floor.config = floor.config.model_copy(update={"mailbox": {"support": shadow}})
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) == "shadow-mode"
    assert floor.sink.received == []


async def test_a_reply_that_may_have_left_is_sent_again_only_on_purpose_and_under_its_message_id(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send")
    floor.sink.decide = lambda asked: "drop" if asked == "stored" else None
    assert await floor.run(draft) == "uncertain"
    floor.sink.decide = lambda _: None

    def approve(why: str | None) -> str:
        return desk.store.write_now(
            lambda session: decide.approve(
                session, desk.store.vault, desk.queue, floor.config, draft, by="eve", now=desk.now, resend=why
            )
        )

    with pytest.raises(NotPossible, match="--resend"):
        approve(None)
    approve("Ana says that nothing came")
    assert await floor.run(draft) == "done"
    ids = {mail.raw.decode().partition("Message-ID: ")[2].partition("\r\n")[0] for mail in floor.sink.received}
    assert (len(floor.sink.received), len(ids)) == (2, 1)


async def test_a_limit_that_fills_up_before_the_content_holds_the_reply(floor: Floor) -> None:
    desk = floor.desk
    charge = Charge(name="refunds", scope="x", window=3600, most_count=1)
    charges = encode(list[Charge], [charge]).decode()
    drafts = []
    for sender in ("ana@example.com", "bo@example.com"):
        claimed = desk.claim(desk.take(incoming(sender=sender)).conversation)
        assert claimed is not None
        drafts.append(desk.finish(claimed, charges=charges))
    assert await floor.run(str(drafts[0])) == "done"
    assert await floor.run(str(drafts[1])) == "refused"
    assert floor.held_for(str(drafts[1])) == "limit-exceeded"
    assert len(floor.sink.received) == 1


async def test_two_deliveries_for_one_mail_can_not_both_be_on_their_way(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    floor.desk.store.write_now(
        lambda session: session.add(Delivery(**{**row.model_dump(), "id": "other", "attempt": 2, "state": "uncertain"}))
    )
    assert await floor.run(draft) in {"refused", "uncertain"}
    assert floor.sink.received == []


async def test_a_reply_whose_write_stands_is_never_superseded_by_the_next_mail(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send", writes=(WRITE,))
    floor.sink.decide = lambda asked: "550 5.1.1 No such user" if asked == "rcpt" else None
    await floor.run(draft)
    desk.take(incoming())
    assert floor.held_for(draft) == "applied-not-sent,refused-by-server"


async def test_a_write_whose_answer_was_lost_is_never_declared_refused_by_time_alone(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    floor.shop.away = True
    assert await floor.run(draft) == "applying"
    floor.shop.ledger[f"{draft}.1"] = "applied"  # the commit that nobody heard of
    floor.desk.later(days=3)
    assert await floor.run(draft) == "applying"
    floor.shop.away = False
    assert await floor.run(draft) in {"done", "refused"}
    assert floor.shop.ledger[f"{draft}.1"] == "applied"
    if not floor.sink.received:
        assert floor.held_for(draft).startswith("applied-not-sent")


@pytest.mark.parametrize("stop", ["pause", "shadow", "newer mail"])
async def test_what_stops_a_reply_stops_a_write_that_was_waiting_for_its_database(floor: Floor, stop: str) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send", writes=(WRITE,))
    floor.shop.away = True
    assert await floor.run(draft) == "applying"
    floor.shop.away = False
    if stop == "pause":
        desk.store.write_now(
            lambda session: paused.pause(session, desk.store.vault, switches.ALL, by="eve", reason="", now=desk.now)
        )
    elif stop == "shadow":
        shadow = floor.config.mailbox["support"].model_copy(update={"mode": "shadow"})
        floor.config = floor.config.model_copy(update={"mailbox": {"support": shadow}})
    else:
        desk.take(incoming())
    assert await floor.run(draft) == ("applying" if stop == "pause" else "refused")
    assert (floor.shop.applied, floor.sink.received) == (0, [])


async def test_a_write_is_not_begun_while_another_reply_to_the_mail_may_be_out(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    row = floor.desk.rows(Delivery, draft_id=draft)[0]
    floor.desk.store.write_now(
        lambda session: session.add(Delivery(**{**row.model_dump(), "id": "other", "attempt": 2, "state": "uncertain"}))
    )
    await deliver(floor.parts(), row.id)
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "refused"
    assert floor.shop.applied == 0


async def test_a_write_that_was_applied_beside_another_reply_goes_to_a_person(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send", writes=(WRITE,))
    row = floor.desk.rows(Delivery, draft_id=draft)[0]

    async def meanwhile(identifier: str, state: str) -> None:
        if state == "written":
            other = {**row.model_dump(), "id": "other", "attempt": 2, "state": "uncertain"}
            floor.desk.store.write_now(lambda session: session.add(Delivery(**other)))

    await deliver(replace(floor.parts(), reached=meanwhile), row.id)
    assert floor.desk.rows(Delivery, id=row.id)[0].state == "refused"
    assert floor.held_for(draft).startswith("applied-not-sent")


async def test_a_resume_in_the_moment_of_the_pause_is_not_missed(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send")
    row = desk.rows(Delivery, draft_id=draft)[0]
    job = desk.store.read_now(lambda session: load(session, desk.store.vault, row.id))
    assert job is not None
    before = desk.rows(Delivery, id=row.id)[0].tries
    desk.store.write_now(lambda session: ending.wait(session, desk.queue, job, "paused", now=desk.now))
    assert desk.rows(Delivery, id=row.id)[0].tries == before + 1, "nothing is off any more, so it is enqueued again"


async def test_a_resume_shortens_no_grace_and_touches_no_other_mailbox(floor: Floor) -> None:
    desk = floor.desk
    draft = desk.draft(outcome="send")
    row = desk.rows(Delivery, draft_id=draft)[0]
    desk.set(Delivery, row.id, next_try=desk.now + timedelta(hours=1))
    other = switches.name(mailbox="billing")
    vault, queue, now = desk.store.vault, desk.queue, desk.now
    for switch, waiting in ((other, 0), (switches.ALL, 1)):
        desk.store.write_now(partial(paused.pause, vault=vault, name=switch, by="eve", reason="", now=now))
        resumed = desk.store.write_now(partial(paused.resume, queue=queue, name=switch, by="eve", now=now))
        assert resumed == waiting
    again = drafts.workflow_of(desk.rows(Delivery, id=row.id)[0])
    assert desk.queue.delayed(again)


async def test_an_automatic_reply_that_waited_too_long_goes_to_a_person(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.desk.later(days=30)
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) == "old-mail"


async def test_a_sent_folder_that_can_not_be_read_leaves_it_uncertain(floor: Floor) -> None:
    async def away(mailbox: str, message_id: str) -> bool:
        raise Transient("The mailbox can't be reached.")

    floor.copies.find = away  # type: ignore[method-assign]  # the server is away
    draft = floor.desk.draft(outcome="send")
    floor.kill_at = "sending"
    assert await floor.run(draft) == "uncertain"


async def test_a_fault_of_ours_holds_the_reply_instead_of_forgetting_it(floor: Floor) -> None:
    draft = floor.desk.draft(outcome="send")
    floor.config = floor.config.model_copy(update={"mailbox": {}})
    assert await floor.run(draft) == "refused"
    assert floor.held_for(draft) == "unexpected-error"
