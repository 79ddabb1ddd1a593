"""`triaged rules` on mail files and on a real store."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from daemon import cli
from daemon.caps import BreakerConfig
from daemon.store import ingest
from daemon.store.queue import Queue
from tests.fixtures.mails import NOW, incoming
from tests.fixtures.store import open_at

CONFIG = """\
[store]
url = "sqlite:///triaged.db"
master_key_file = "master.key"
keys_url = "sqlite:///keys.db"
[mailbox.support]
kind = "lmtp"
address = "support@shop.example"
listen = "127.0.0.1:0"
trust = ["mx.shop.example"]
"""
RULES = """\
[[rule]]
name = "bills"
when = '"invoice" in subject.lower()'
move = "Invoices"

# all the rest
[[rule]]
name = "rest"
when = 'to.exists(t, t.endsWith("@shop.example"))'
handler = "orders"
"""
MAIL = b"""\
From: Ana <ana@example.com>\r
To: support@shop.example\r
Subject: Your invoice 12\r
Date: Mon, 23 Nov 2026 09:00:00 +0000\r
Message-ID: <a@example.com>\r
\r
Please send it again, I can't find it anywhere.\r
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "triaged.toml").write_text(CONFIG)
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "handlers" / "orders").mkdir(parents=True)
    (tmp_path / "handlers" / "orders" / "handler.toml").touch()
    return tmp_path


@pytest.fixture
def stored(directory: Path, sqlite_template: Path) -> str:
    """The id of a mail in the configuration's store; beside it stands one that the screen ignored."""
    shutil.copytree(sqlite_template, directory, dirs_exist_ok=True)
    store = open_at(f"sqlite:///{directory / 'triaged.db'}", directory)
    queue = Queue(store)

    def take(mail: ingest.Incoming) -> str:
        return store.write_now(
            lambda session: ingest.ingest(session, store.vault, queue, mail, now=NOW, debounce=0, most=BreakerConfig())
        ).message

    take(replace(incoming(sender="list@example.com", ignored="bulk"), received_at=NOW - timedelta(hours=1)))
    taken = take(incoming())
    queue.close()
    store.close()
    return taken


def run(directory: Path, *words: str) -> int:
    return cli.invoke(["rules", *words, "--config", str(directory)])


def test_the_rule_that_takes_each_mail_file_is_told(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mails = tmp_path / "mails"
    mails.mkdir()
    (mails / "1.eml").write_bytes(MAIL)
    (mails / "2.eml").write_bytes(b"Auto-Submitted: auto-replied\r\n" + MAIL)
    (mails / "3.eml").write_bytes(b"\x00 no mail at all")
    assert run(directory, "test", str(mails), "--json") == 0
    human, automatic, broken = json.loads(capsys.readouterr().out)
    assert (human["outcome"], human["handler"], human["rule"], human["move"]) == (
        "handle",
        "orders",
        "rest",
        "Invoices",
    )
    assert (automatic["outcome"], automatic["reason"]) == ("ignore", "automatic")
    assert broken["outcome"] in {"hold", "ignore"}
    assert run(directory, "test", str(mails / "1.eml")) == 0
    assert "Invoices" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [("test",), ("test", "x.eml", "--last", "3"), ("test", "none.eml"), ("test", "x.eml", "--mailbox", "suport")],
)
def test_wrong_use_is_a_sentence(directory: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(directory, *words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_faults_of_the_rules_are_told_with_their_line(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "rules.toml").write_text(RULES.replace("subject.lower()", "subjct.lower()"))
    assert run(directory, "test", "x.eml") == 1
    assert "rules.toml:3: Rule `bills`: Unknown variable `subjct`. Did you mean `subject`?" in capsys.readouterr().err


def test_stored_mails_are_tried_with_the_rules_of_today(
    directory: Path, stored: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(directory, "test", "--last", "5", "--json") == 0
    row, ignored = json.loads(capsys.readouterr().out)
    assert (ignored["outcome"], ignored["rule"], ignored["reason"]) == ("ignore", None, "bulk")
    assert (row["mail"], row["rule"], row["move"]) == (stored, "rest", None)


def test_explain_shows_every_rule_with_the_values_that_decided(
    directory: Path, stored: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(directory, "explain", stored[:8]) == 0
    told = capsys.readouterr().out
    assert "goes to orders by rule rest" in told
    assert "no     bills" in told
    assert "subject = 'Where is my order?'" in told
    assert "yes    rest  ← decides" in told
    assert run(directory, "explain", stored, "--json") == 0
    assert [step["value"] for step in json.loads(capsys.readouterr().out)["rules"]] == [False, True]


def test_a_rule_is_written_from_a_mail_before_the_one_that_takes_it(
    directory: Path, stored: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "rules.toml").chmod(0o640)
    assert run(directory, "add", "--from", stored, "--hold", "Ana's mails", "--label", "vip", "--yes") == 0
    block = """\
[[rule]]
name = "sender-ana-example-com"
when = 'sender.address == "ana@example.com"'
hold = "Ana's mails"
label = ["vip"]
"""
    assert block in capsys.readouterr().out
    assert (directory / "rules.toml").read_text() == RULES.replace("# all the rest", f"{block}\n# all the rest")
    assert (directory / "rules.toml").stat().st_mode & 0o777 == 0o640
    assert run(directory, "test", "--last", "5", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["rule"] == "sender-ana-example-com"


def test_a_rule_that_would_be_a_fault_is_not_written(
    directory: Path, stored: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ("--handler", "oders"),
        (),
        ("--ignore", "--hold", "x"),
        ("--ignore", "--by", "list"),
        ("--ignore", "--by", "x"),
    ):
        assert run(directory, "add", "--from", stored, "--yes", *words) == 2
    assert (directory / "rules.toml").read_text() == RULES
    assert "Did you mean `orders`" in capsys.readouterr().err


def test_a_mail_that_the_screen_ignored_is_said_to_be_so_before_the_rules_are_told(
    directory: Path, stored: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(directory, "test", "--last", "5", "--json") == 0
    ignored = json.loads(capsys.readouterr().out)[1]["mail"]
    assert run(directory, "explain", ignored) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"{ignored} was ignored before any rule was asked: bulk. If it had not been:"
    assert run(directory, "explain", ignored, "--json") == 0
    assert json.loads(capsys.readouterr().out)["ignored_before"] == "bulk"
    assert run(directory, "explain", stored, "--json") == 0
    assert json.loads(capsys.readouterr().out)["ignored_before"] is None
