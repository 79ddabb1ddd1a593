"""P2, P11: in whatever order people, customers, servers and crashes act, a mail gets at most one reply."""

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from daemon.caps import BreakerConfig
from daemon.errors import NotPossible, Refused4xx, Refused5xx, Uncertain
from daemon.outbound.deliver import deliver
from daemon.outbound.parts import Outbound
from daemon.review import decide, paused
from daemon.store import answered, switches
from daemon.store.human_answer import Answer
from daemon.store.notification import Notification
from daemon.store.queue import Queue
from daemon.store.seal import new_id
from daemon.store.tables import Conversation, Delivery, Draft, Mail
from tests.fixtures.floor import WRITE, Floor, Killed
from tests.fixtures.mails import Desk, incoming
from tests.fixtures.store import open_at

BOUNDARIES = ("approved", "applying", "written", "ready", "opened", "sending", "answered", "sent")
OTHERS = ("customer", "recall", "by hand", "pause", "bounce")
FAULTS = ("rcpt later", "rcpt never", "content later", "content never", "silent, stored", "silent, lost")


class Server:
    """A mail server, and what it does with the next mail."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        self.fault = ""

    async def open(self, mail_from: str, rcpt_to: str, *, size: int | None = None) -> "Server":
        if self.fault == "rcpt later":
            raise Refused4xx("Not now.")
        if self.fault == "rcpt never":
            raise Refused5xx("Never.")
        return self

    async def send(self, raw: bytes, *, timeout: float | None = None) -> str:  # noqa: ASYNC109 - as `Opened`
        if self.fault == "content later":
            raise Refused4xx("Not now.")
        if self.fault == "content never":
            raise Refused5xx("Never.")
        if self.fault != "silent, lost":
            self.stored.append(raw)
        if self.fault.startswith("silent"):
            raise Uncertain("No answer.")
        return "250 Stored"

    async def abandon(self) -> None:
        """Nothing was sent."""


class Office(RuleBasedStateMachine):
    """One conversation, and everybody who can touch it."""

    desk: ClassVar[Desk]
    floor: ClassVar[Floor]
    loop: ClassVar[asyncio.AbstractEventLoop]

    @initialize()
    def begin(self) -> None:
        self.sender = f"{new_id()}@example.com"
        self.server = Server()
        self.mails: list[str] = []
        """Message-IDs, oldest first."""
        self.resent: Counter[str] = Counter()
        self.closed: dict[str, int] = {}
        """What a person answered, while nothing was on its way, and how many replies had left then."""
        self.customer_writes()
        self.agent_answers("send", changes=False)

    # --- what can happen --------------------------------------------------------------------------------------------

    def customer_writes(self) -> None:
        name = f"{new_id()}@example.com"
        self.mails.append(name)
        stored = self.desk.take(incoming(sender=self.sender, message_id=name, subject=self.sender))
        self.conversation = stored.conversation

    @rule(outcome=st.sampled_from(["send", "hold"]), changes=st.booleans())
    def mail_comes_and_is_answered(self, outcome: str, *, changes: bool) -> None:
        self.customer_writes()
        self.agent_answers(outcome, changes=changes)

    @rule(outcome=st.sampled_from(["send", "hold"]), changes=st.booleans())
    def agent_answers(self, outcome: str, *, changes: bool) -> None:
        number = self.desk.rows(Conversation, id=self.conversation)[0].enqueued
        if claimed := self.desk.claim(self.conversation, number):
            self.desk.finish(claimed, outcome=outcome, writes=(WRITE,) if changes else ())

    @rule(what=st.sampled_from(["approve", "resend", "recall", "reject"]))
    def reviewer_decides(self, what: str) -> None:
        desk, vault, now = self.desk, self.desk.store.vault, self.desk.now
        for draft in self._drafts()[-1:]:
            with contextlib.suppress(NotPossible):
                if what in {"approve", "resend"}:
                    self.floor.approve(draft.id, resend="on purpose" if what == "resend" else None)
                    self.resent[draft.message_id] += what == "resend"
                    self.closed.pop(draft.message_id, None)
                elif what == "recall":
                    desk.store.write_now(
                        partial(decide.recall, vault=vault, prefix=draft.id, by="eve", reason="", now=now)
                    )
                else:
                    desk.store.write_now(
                        partial(decide.reject, vault=vault, prefix=draft.id, by="eve", reason="x", now=now)
                    )

    @rule(which=st.integers(0, 5))
    def person_answers_by_hand(self, which: int) -> None:
        name = self.mails[which % len(self.mails)]
        under_way = any(each.state in ("sending", "applying") or each.applied for each in self._deliveries())
        given = Answer(parents=(name,), recipients=frozenset({self.sender}))
        self.desk.store.write_now(
            lambda session: answered.by_hand(session, self.desk.store.vault, self.desk.queue, given, now=self.desk.now)
        )
        if not under_way:
            (mail,) = [each for each in self._mails() if each.message_id_mac == self._mac(name)]
            self.closed.setdefault(mail.id, self._left()[mail.id])

    @rule()
    def somebody_pauses(self) -> None:
        vault, now = self.desk.store.vault, self.desk.now
        self.desk.store.write_now(
            lambda session: paused.pause(session, vault, switches.ALL, by="eve", reason="", now=now)
        )

    @rule()
    def somebody_resumes(self) -> None:
        self.desk.store.write_now(
            lambda session: paused.resume(session, self.desk.queue, switches.ALL, by="eve", now=self.desk.now)
        )

    @rule()
    def reply_comes_back(self) -> None:
        for delivery in [each for each in self._deliveries() if each.state in ("done", "uncertain")][-1:]:
            told = Notification(answered=delivery.message_id, revision=delivery.revision, action="failed")
            self.desk.take(replace(incoming(sender="mailer-daemon@mx.example.com", ignored="bounce"), told=told))

    @rule(fault=st.sampled_from(FAULTS))
    def server_fails(self, fault: str) -> None:
        self.worker_delivers(fault=fault)

    @rule(at=st.sampled_from(BOUNDARIES))
    def worker_dies(self, at: str) -> None:
        self.worker_delivers("killed", at)

    @rule(what=st.sampled_from(OTHERS), at=st.sampled_from(BOUNDARIES), fault=st.sampled_from(("", *FAULTS)))
    def others_act_amid_it(self, what: str, at: str, fault: str) -> None:
        self.worker_delivers(what, at, fault)

    @rule()
    def worker_delivers(self, what: str = "", at: str = "", fault: str = "") -> None:
        """A worker takes a delivery as far as it goes; it dies, the server fails, or others act amid it."""
        open_ = [each for each in self._deliveries() if each.state not in ("refused", "done", "uncertain")]
        if not open_:
            return
        self.server.fault = fault
        others: dict[str, Callable[[], object]] = {
            "customer": self.customer_writes,
            "recall": lambda: self.reviewer_decides("recall"),
            "by hand": lambda: self.person_answers_by_hand(len(self.mails) - 1),
            "pause": self.somebody_pauses,
            "bounce": self.reply_comes_back,
        }

        async def reached(identifier: str, state: str) -> None:
            if state == at:
                others.pop(what, lambda: None)()
                if what == "killed":
                    raise Killed

        with contextlib.suppress(Killed):
            self.loop.run_until_complete(deliver(self._parts(reached), open_[-1].id))
        self.server.fault = ""

    # --- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def a_mail_has_at_most_one_reply(self) -> None:
        for mail, replies in self._left().items():
            assert replies <= 1 + self.resent[mail]

    @invariant()
    def nothing_leaves_after_a_person_answered(self) -> None:
        left = self._left()
        for mail, before in self.closed.items():
            assert left[mail] == before

    @invariant()
    def a_write_happens_once(self) -> None:
        ledger = self.floor.shop.ledger
        assert self.floor.shop.applied == sum(1 for value in ledger.values() if value == "applied")

    def teardown(self) -> None:
        """In the end every mail is done, or a person has it."""
        if not hasattr(self, "sender"):
            return
        self.somebody_resumes()
        for _ in range(3):
            self.agent_answers("hold", changes=False)
            for delivery in self._deliveries():
                self.loop.run_until_complete(deliver(self._parts(self._unwatched), delivery.id))
        assert {mail.state for mail in self._mails()} <= {"done", "held"}
        self.a_mail_has_at_most_one_reply()
        self.nothing_leaves_after_a_person_answered()

    # --- the view of it ---------------------------------------------------------------------------------------------

    async def _unwatched(self, identifier: str, state: str) -> None:
        pass

    def _parts(self, reached: "Callable[[str, str], object]") -> Outbound:
        return replace(self.floor.parts(), submission=lambda: self.server, reached=reached)  # type: ignore[arg-type,return-value]  # a server in memory

    def _mails(self) -> list[Mail]:
        return self.desk.rows(Mail, conversation_id=self.conversation)

    def _drafts(self) -> list[Draft]:
        return sorted(self.desk.rows(Draft, conversation_id=self.conversation), key=lambda draft: draft.based_on_seq)

    def _deliveries(self) -> list[Delivery]:
        return [each for draft in self._drafts() for each in self.desk.rows(Delivery, draft_id=draft.id)]

    def _mac(self, name: str) -> str:
        return self.desk.store.vault.mac("message-id", name)

    def _left(self) -> Counter[str]:
        """How many replies the server has, by the message that they answer."""
        return Counter(
            raw.partition(b"Message-ID: <triaged.")[2].partition(b".")[0].decode() for raw in self.server.stored
        )


@pytest.fixture
def _office(tmp_path: Path, sqlite_template: Path) -> Iterator[None]:
    shutil.copytree(sqlite_template, tmp_path, dirs_exist_ok=True)
    store = open_at(f"sqlite:///{tmp_path / 'triaged.db'}", tmp_path)
    queue = Queue(store)
    never = BreakerConfig(replies=10**6, bounces=10**6, refusals=10**6)  # one store for all examples
    Office.desk = Desk(store=store, queue=queue, most=never)
    Office.floor = Floor(Office.desk, _NoSink())  # type: ignore[arg-type]  # each example has a server of its own
    Office.floor.reload("limits", breaker=never)
    Office.loop = asyncio.new_event_loop()
    yield
    Office.loop.close()
    queue.close()
    store.close()


class _NoSink:
    port = 9


_COMMON = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.usefixtures("_office")
def test_in_whatever_order_it_happens_a_mail_gets_at_most_one_reply() -> None:
    run_state_machine_as_test(Office, settings=settings(_COMMON, max_examples=15, stateful_step_count=12))


@pytest.mark.long
@pytest.mark.usefixtures("_office")
def test_in_thousands_of_orders_a_mail_gets_at_most_one_reply() -> None:
    run_state_machine_as_test(
        Office, settings=settings(_COMMON, max_examples=400, stateful_step_count=25, derandomize=False)
    )
