"""The commands with which people look and decide, on a store that a daemon left behind."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.caps import BreakerConfig
from daemon.cli import invoke
from daemon.store import breaker
from daemon.store.notification import Notification
from daemon.store.queue import Queue
from daemon.store.tables import Delivery, Draft, Mail
from tests.e2e.house import House
from tests.fixtures.mails import Desk, incoming
from tests.fixtures.store import open_at

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


class Shell:
    """Runs commands on one configuration."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory, self.capsys = directory, capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        self.capsys.readouterr()
        assert invoke([*words, "--config", str(self.directory)]) == code, self.capsys.readouterr()
        said = self.capsys.readouterr()
        return said.out if code == 0 else said.err


@pytest.fixture
def shell(tmp_path: Path, store_url: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    House(directory=tmp_path, store_url=store_url, lmtp=0).build(smtp=9, model="http://127.0.0.1:9")
    return Shell(tmp_path, capsys)


@pytest.fixture
def desk(tmp_path: Path, store_url: str, shell: Shell) -> Iterator[Desk]:
    store = open_at(store_url, tmp_path)
    queue = Queue(store)
    yield Desk(store=store, queue=queue)
    queue.close()
    store.close()


def test_a_held_draft_is_listed_shown_edited_and_approved(desk: Desk, shell: Shell, tmp_path: Path) -> None:
    draft = desk.draft()
    assert [each["id"] for each in json.loads(shell("drafts", "list", "--json"))] == [draft]
    shown = shell("drafts", "show", draft[:5])
    for word in ("category-not-automatic", "Where is order 1042?", "It has been shipped.", f"approve {draft} --config"):
        assert word in shown
    text = tmp_path / "new.txt"
    text.write_text("It left on Monday.")
    assert "revision 2" in shell("drafts", "edit", draft, "--file", str(text))
    assert "as soon as `triaged run` starts" in shell("drafts", "approve", draft)
    assert [row.revision for row in desk.rows(Delivery)] == [2]
    assert "can't be decided any more" in shell("drafts", "approve", draft, code=1)
    assert "It left on Monday." in shell("drafts", "show", draft)


@pytest.mark.parametrize("prefix", ["_", "%", "", "nothing"])
def test_an_id_is_never_guessed(desk: Desk, shell: Shell, prefix: str) -> None:
    draft = desk.draft()
    assert "There is no draft" in shell("drafts", "approve", prefix + draft[1:] if prefix else "", code=2)
    assert desk.rows(Draft)[0].state == "held"


@pytest.mark.parametrize(("text", "word"), [("  \n", "empty"), ("It costs {{order.total}}.", "slot")])
def test_a_text_that_must_not_leave_is_refused_when_it_is_written(
    desk: Desk, shell: Shell, tmp_path: Path, text: str, word: str
) -> None:
    draft = desk.draft()
    file = tmp_path / "new.txt"
    file.write_text(text)
    assert word in shell("drafts", "edit", draft, "--file", str(file), code=1)


@pytest.mark.parametrize("file", ["absent.txt", "binary.txt"])
def test_a_file_that_is_no_text_is_told(desk: Desk, shell: Shell, tmp_path: Path, file: str) -> None:
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    assert "can't be read" in shell("drafts", "edit", desk.draft(), "--file", str(tmp_path / file), code=2)


def test_a_rejection_is_kept_with_its_reason(desk: Desk, shell: Shell) -> None:
    draft = desk.draft()
    shell("drafts", "reject", draft, "--reason", "not ours")
    assert "not ours" in shell("drafts", "show", draft)
    assert json.loads(shell("messages", "list", "--outcome", "rejected", "--json"))[0]["draft"] == draft


def test_a_draft_is_sent_back(desk: Desk, shell: Shell) -> None:
    shell("drafts", "redraft", desk.draft(), "--hint", "be brief")
    assert json.loads(shell("drafts", "list", "--json")) == []
    shell("drafts", "list", "--all")


def test_a_hint_that_nobody_can_follow_costs_no_draft(desk: Desk, shell: Shell, tmp_path: Path) -> None:
    draft = desk.draft()
    config = tmp_path / "triaged.toml"
    config.write_text(config.read_text().replace('provider = "anthropic"', 'provider = "embedded"'))
    assert "can't follow a hint" in shell("drafts", "redraft", draft, "--hint", "be brief", code=1)
    assert desk.rows(Draft)[0].state == "held"


def test_ignored_mail_is_seen_and_taken_up(desk: Desk, shell: Shell) -> None:
    message = desk.take(incoming(ignored="bulk")).message
    assert json.loads(shell("messages", "list", "--outcome", "ignored", "--json"))[0]["reason"] == "bulk"
    assert "--as-human-mail" in shell("messages", "retry", message, code=1)
    shell("messages", "retry", message, "--as-human-mail")
    assert "retried" in shell("messages", "explain", message)
    assert "Where is order 1042?" in shell("messages", "show", message)
    assert "From: ana@example.com" in shell("messages", "show", message, "--raw")
    assert "Known" in shell("messages", "list", "--outcome", "lost", code=2)


def test_each_pause_names_the_command_that_ends_it(desk: Desk, shell: Shell) -> None:
    assert "triaged resume --mailbox support --config" in shell("pause", "--mailbox", "support", "--reason", "look")
    shell("pause")
    assert "pause:mailbox:support" in shell("status")
    said = shell("resume")
    assert "Resumed everything" in said
    assert "Still paused: mailbox support. To take it up again: triaged resume --mailbox support" in said
    assert "Resumed mailbox support" in shell("resume", "--mailbox", "support")
    assert "Was not paused" in shell("resume")
    assert "not both" in shell("pause", "--mailbox", "support", "--handler", "desk", code=2)
    assert "Did you mean `support`" in shell("pause", "--mailbox", "suport", code=2)


def test_the_breaker_is_closed_by_its_name_and_by_nothing_else(desk: Desk, shell: Shell) -> None:
    assert "Was not open: the breaker." in shell("resume", "breaker")
    most, vault = BreakerConfig(bounces=1), desk.store.vault
    for _ in range(2):
        desk.store.write_now(lambda session: breaker.bounced(session, vault, most, now=desk.now))
    said = shell("status")
    assert "OFF  breaker, by triaged" in said
    assert "more than 1 of our mails came back within an hour" in said
    assert "until `triaged resume breaker --config" in said
    assert "Still open: the breaker. To take it up again: triaged resume breaker --config" in shell("resume")
    assert "not both" in shell("resume", "breaker", "--mailbox", "support", code=2)
    assert "Resumed the breaker. Replies that waited for it: 0." in shell("resume", "breaker")
    assert "OFF" not in shell("status")


def test_status_counts(desk: Desk, shell: Shell) -> None:
    desk.draft()
    assert json.loads(shell("status", "--json"))["held"] == {"category-not-automatic": 1}
    assert "held        1" in shell("status")


def test_the_configuration_may_be_named_by_its_file(desk: Desk, shell: Shell) -> None:
    desk.draft()
    shell.directory /= "triaged.toml"
    assert len(json.loads(shell("drafts", "list", "--json"))) == 1


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('listen = "127.0.0.1:0"', 'listen = "foo"', "is no address"),
        ('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:99999"', "is no address"),
        ('url = "sqlite:///shop.db"', 'url = "mysql://shop"', "no database we know"),
        ('keys_url = "sqlite:///keys.db"', 'keys_url = "hello"', "no store we know"),
    ],
)
def test_check_tells_what_run_would_refuse(shell: Shell, old: str, new: str, word: str) -> None:
    config = shell.directory / "triaged.toml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    assert word in shell("check", code=1)


def test_a_reply_that_is_about_to_leave_is_listed_with_its_time_and_taken_back(desk: Desk, shell: Shell) -> None:
    draft = desk.draft(outcome="send")
    leaves = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    desk.set(Delivery, desk.rows(Delivery)[0].id, next_try=leaves)
    (line,) = json.loads(shell("drafts", "list", "--json"))
    assert (line["state"], line["leaves_at"]) == ("approved", leaves.isoformat())
    assert "leaves" in shell("drafts", "list").splitlines()[0]
    assert f"triaged drafts recall {draft}" in shell("drafts", "show", draft)
    assert "It is held" in shell("drafts", "recall", draft, "--reason", "a typo")
    assert "recalled" in shell("drafts", "show", draft)
    assert "a typo" in shell("drafts", "show", draft)
    assert "is held" in shell("drafts", "recall", draft, code=1)


def test_a_bounce_is_shown_with_the_draft_and_explained_with_the_mail(desk: Desk, shell: Shell) -> None:
    draft = desk.draft(outcome="send")
    answered = desk.rows(Draft)[0].message_id
    desk.set(Delivery, desk.rows(Delivery)[0].id, state="done")
    desk.set(Draft, draft, state="done")
    desk.set(Mail, answered, state="done", outcome="sent")
    told = Notification(answered=answered, revision=1, action="failed", status="5.1.1", diagnostic="550 no such user")
    bounce = desk.take(replace(incoming(sender="mailer-daemon@mx.example.com", ignored="bounce"), told=told)).message
    for words in (
        ("drafts", "show", draft),
        ("messages", "show", bounce),
        ("messages", "explain", bounce),
        ("messages", "explain", answered),
    ):
        assert "550 no such user" in " ".join(shell(*words).split())
    assert "failed, status 5.1.1" in shell("messages", "explain", answered)
    assert "failed, status 5.1.1" in shell("messages", "explain", bounce)
    assert "--resend" in shell("drafts", "approve", draft, code=1)
    assert "It left and came back" in shell("drafts", "show", draft)
