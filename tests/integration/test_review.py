"""What a person does with a held draft, on both engines; delivery itself is in tests/promises."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from daemon.accounts import MailboxConfig
from daemon.config import Config, PersonConfig, ReviewConfig, StoreConfig
from daemon.errors import Ambiguous, NotFound, NotPossible
from daemon.review import counts, decide, mails, paused, view
from daemon.store import switches
from daemon.store.engine import Store
from daemon.store.queue import Queue
from daemon.store.tables import Conversation, Delivery, Draft, Record, Revision, Run
from tests.fixtures.mails import NOW, Desk, incoming


def config(mode: str = "live", people: dict[str, PersonConfig] | None = None) -> Config:
    mailbox = MailboxConfig(kind="lmtp", listen="127.0.0.1:0", address="support@shop.example", mode=mode)
    return Config(
        store=StoreConfig(url="sqlite:///triaged.db"),
        mailbox={"support": mailbox},
        review=ReviewConfig(people=people or {}),
    )


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    queue = Queue(store)
    yield Desk(store=store, queue=queue)
    queue.close()


def approve(desk: Desk, draft: str, *, by: str = "eve", mode: str = "live") -> str:
    return desk.store.write_now(
        lambda session: decide.approve(session, desk.store.vault, desk.queue, config(mode), draft, by=by, now=desk.now)
    )


def edit(desk: Desk, draft: str, body: str) -> int:
    return desk.store.write_now(
        lambda session: decide.edit(session, desk.store.vault, draft, body, by="eve", now=desk.now)
    )


def page(desk: Desk, draft: str) -> view.DraftView:
    return desk.store.read_now(lambda session: view.show_draft(session, desk.store.vault, draft))


def test_the_list_shows_what_is_held_and_urgent_drafts_first(desk: Desk) -> None:
    first, second = desk.draft(), desk.draft(sender="bo@example.com")
    desk.set(Draft, second, priority="high")
    lines = desk.store.read_now(lambda session: view.list_drafts(session, desk.store.vault))
    assert [line.id for line in lines] == [second, first]
    assert lines[1].reasons == ("category-not-automatic",)


def test_a_page_holds_the_mail_the_text_and_why_it_waits(desk: Desk) -> None:
    shown = page(desk, desk.draft()[:6])
    assert shown.messages[0].text == "Where is order 1042?"
    assert shown.text.body == "It has been shipped."
    assert shown.line.category == "order_status"


def test_an_unknown_or_ambiguous_id_is_told(desk: Desk) -> None:
    desk.draft()
    desk.draft(sender="bo@example.com")
    with pytest.raises(NotFound, match="drafts list"):
        page(desk, "nothing")
    first, second = (row.id for row in desk.rows(Draft))
    desk.set(Draft, first, id="aaa1")
    desk.set(Draft, second, id="aaa2")
    with pytest.raises(Ambiguous):
        page(desk, "aaa")
    with pytest.raises(NotFound):
        page(desk, "")


def test_an_approval_enqueues_exactly_the_revision_that_stands(desk: Desk) -> None:
    draft = desk.draft()
    assert edit(desk, draft, "It left on Monday.") == 2
    assert page(desk, draft).text.body == "It left on Monday."
    approve(desk, draft)
    delivery = desk.rows(Delivery)[0]
    assert (delivery.revision, delivery.state, delivery.automatic) == (2, "approved", False)
    assert [row.kind for row in desk.rows(Record)][-2:] == ["edit", "approve"]


def test_a_draft_can_be_decided_once_only(desk: Desk) -> None:
    draft = desk.draft()
    approve(desk, draft)
    with pytest.raises(NotPossible, match="approved"):
        approve(desk, draft)
    with pytest.raises(NotPossible, match="approved"):
        edit(desk, draft, "Something else.")


def test_a_newer_mail_refuses_the_approval_of_the_draft_before_it(desk: Desk) -> None:
    draft = desk.draft()
    conversation = desk.rows(Conversation)[0]
    desk.set(Conversation, conversation.id, inbound_seq=2)
    with pytest.raises(NotPossible, match="newer mail"):
        approve(desk, draft)


def test_in_shadow_mode_an_approval_says_what_to_change(desk: Desk) -> None:
    with pytest.raises(NotPossible, match='mode = "live"'):
        approve(desk, desk.draft(), mode="shadow")


@pytest.mark.parametrize("body", ["  ", "It costs {{order.total}}."])
def test_a_text_that_must_not_leave_is_refused_when_it_is_written(desk: Desk, body: str) -> None:
    draft = desk.draft()
    with pytest.raises(NotPossible):
        edit(desk, draft, body)
    assert page(desk, draft).revision == 1


def test_a_claimed_draft_is_the_claimants_until_the_lease_ends(desk: Desk) -> None:
    draft = desk.draft()
    desk.set(Draft, draft, claimed_by="bob", claimed_until=NOW + timedelta(minutes=5))
    with pytest.raises(NotPossible, match="bob"):
        approve(desk, draft)
    desk.later(minutes=6)
    assert approve(desk, draft) == draft


def test_a_rejected_mail_is_done_and_can_be_taken_up_again(desk: Desk) -> None:
    draft = desk.draft()
    desk.store.write_now(
        lambda session: decide.reject(session, desk.store.vault, draft, by="eve", reason="spam", now=desk.now)
    )
    message = desk.rows(Draft)[0].message_id
    assert (desk.mail(message).state, desk.mail(message).outcome) == ("done", "rejected")
    assert page(desk, draft).reviews[0][3] == "spam"
    desk.store.write_now(
        lambda session: mails.retry(
            session, desk.store.vault, desk.queue, message, "s", as_human_mail=False, by="eve", now=desk.now
        )
    )
    claimed = desk.claim(desk.rows(Conversation)[0].id, 2)
    assert claimed is not None
    assert claimed.as_human_mail


def test_a_redraft_gives_the_agent_the_hint_and_the_mails_back(desk: Desk) -> None:
    draft = desk.draft()
    desk.store.write_now(
        lambda session: decide.redraft(
            session, desk.store.vault, desk.queue, draft, by="eve", hint="Be brief.", now=desk.now
        )
    )
    assert desk.rows(Draft)[0].state == "superseded"
    claimed = desk.claim(desk.rows(Conversation)[0].id, 2)
    assert claimed is not None
    assert (claimed.hint, len(claimed.messages)) == ("Be brief.", 1)
    assert len(desk.rows(Run)) == 2


def test_what_a_reviewer_wrote_is_sealed(desk: Desk) -> None:
    draft = desk.draft()
    edit(desk, draft, "A secret sentence.")
    assert all(b"secret" not in row.content for row in desk.rows(Revision))


def test_ignored_mail_is_taken_up_only_when_somebody_says_that_a_person_wrote_it(desk: Desk) -> None:
    stored = desk.take(incoming(ignored="bulk"))

    def retry(*, as_human_mail: bool) -> str:
        return desk.store.write_now(
            lambda session: mails.retry(
                session,
                desk.store.vault,
                desk.queue,
                stored.message,
                "s",
                as_human_mail=as_human_mail,
                by="eve",
                now=desk.now,
            )
        )

    with pytest.raises(NotPossible, match="--as-human-mail"):
        retry(as_human_mail=False)
    retry(as_human_mail=True)
    assert desk.claim(desk.rows(Conversation)[0].id) is not None
    with pytest.raises(NotPossible, match="working"):
        retry(as_human_mail=True)


def test_ignored_mail_stays_visible_with_its_reason(desk: Desk) -> None:
    desk.take(incoming(ignored="bulk"))
    desk.take(incoming())
    lines = desk.store.read_now(
        lambda session: mails.list_messages(session, desk.store.vault, outcome="ignored", state=None, limit=10)
    )
    assert [(line.outcome, line.reason) for line in lines] == [("ignored", "bulk")]


def test_a_message_tells_its_story(desk: Desk) -> None:
    draft = desk.draft()
    approve(desk, draft)
    message = desk.rows(Draft)[0].message_id
    shown = desk.store.read_now(lambda session: mails.show_message(session, desk.store.vault, message))
    assert [each["what"] for each in shown.records] == ["received", "handled", "approve"]
    assert shown.runs[0]["release"] == "r1"


def test_status_counts_what_is_where(desk: Desk) -> None:
    desk.draft()
    desk.take(incoming(ignored="bulk"))
    desk.store.write_now(
        lambda session: paused.pause(session, desk.store.vault, switches.ALL, by="eve", reason="why", now=desk.now)
    )
    vault = desk.store.vault
    found = desk.store.read_now(lambda session: counts.status(session, vault, {}, running=True, now=desk.now))
    assert found.messages == {"held": 1, "ignored": 1}
    assert found.held == {"category-not-automatic": 1}
    assert [(each.switch, each.by, each.reason) for each in found.off] == [("pause:*", "eve", "why")]


def test_only_declared_people_may_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    class User:
        pw_name = "mallory"

    monkeypatch.setattr("pwd.getpwuid", lambda _: User)
    assert decide.reviewer(config()) == "mallory"
    with pytest.raises(NotPossible, match=r"review\.people\.mallory"):
        decide.reviewer(config(people={"eve": PersonConfig()}))
    with pytest.raises(NotPossible, match="decide"):
        decide.reviewer(config(people={"mallory": PersonConfig(may=("read",))}))
