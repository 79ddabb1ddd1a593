"""`triaged doctor` against a real Dovecot and a real submission server."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon import cli, config
from daemon.doctor import doors, past
from daemon.doctor.examine import examine
from daemon.doctor.finding import Finding
from daemon.doctor.habits import Seen
from daemon.inbound.lmtp import Listener
from daemon.outbound.sink import Sink
from daemon.store import schema
from daemon.store.engine import prepared
from tests.fixtures.dovecot import PASSWORD, Dovecot
from tests.fixtures.mails import Desk, incoming

_TOML = """\
[store]
url = "sqlite:///state/triaged.db"

[mailbox.support]
kind = "imap"
address = "support@shop.example"
host = "127.0.0.1"
port = {imap}
tls = "none"
user = "{user}"
password_file = "imap.password"

[mailbox.forms]
kind = "lmtp"
address = "forms@shop.example"
listen = "127.0.0.1:{lmtp}"

[mailbox.old]
kind = "maildir"
address = "old@shop.example"
path = "Maildir"

[smtp]
host = "127.0.0.1"
port = {smtp}
tls = "none"
"""


@pytest.fixture
async def directory(tmp_path: Path, dovecot: Dovecot, start_sink: Callable[..., Awaitable[Sink]]) -> Path:
    sink = await start_sink()
    for folder in ("new", "cur", "tmp"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    (tmp_path / "imap.password").write_text(PASSWORD)
    (tmp_path / "imap.password").chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        lmtp = free.getsockname()[1]
    values = {"imap": dovecot.imap, "user": dovecot.user(), "smtp": sink.port, "lmtp": lmtp}
    (tmp_path / "triaged.toml").write_text(_TOML.format(**values))
    (tmp_path / "rules.toml").write_text("")
    store = prepared(config.load(tmp_path))
    schema.upgrade(store)
    store.close()
    return tmp_path


def change(directory: Path, old: str, new: str) -> None:
    text = (directory / "triaged.toml").read_text()
    assert old in text
    (directory / "triaged.toml").write_text(text.replace(old, new))


def of(findings: list[Finding], area: str) -> list[tuple[str, str]]:
    return [(each.level, f"{each.told} {each.do}".strip()) for each in findings if each.area == area]


async def test_what_works_is_told_to_work(directory: Path) -> None:
    findings = await examine(directory)
    assert [each for each in findings if each.level != "ok"] == []
    assert {each.area for each in findings} == {
        *("configuration", "store", "disk", "clock", "smtp", "brain"),
        *("mail support", "mail forms", "mail old", "mailbox support", "mailbox forms", "mailbox old"),
    }
    assert ("ok", "The server offers IDLE, MOVE, UIDPLUS, CONDSTORE.") in of(findings, "mailbox support")
    assert ("ok", "The folder INBOX holds 0 mails.") in of(findings, "mailbox support")


async def test_each_thing_that_does_not_work_is_told_with_what_to_do(directory: Path, dovecot: Dovecot) -> None:
    (directory / "imap.password").write_text("wrong")
    (directory / "Maildir" / "cur").rmdir()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = closed.getsockname()[1]
    text = (directory / "triaged.toml").read_text()
    used = text.partition('listen = "127.0.0.1:')[2].partition('"')[0]
    sink = text.rpartition("port = ")[2].partition("\n")[0]
    change(directory, f'listen = "127.0.0.1:{used}"', f'listen = "127.0.0.1:{dovecot.lmtp}"')
    change(directory, f"port = {sink}", f"port = {gone}")
    findings = await examine(directory)
    faults = {each.area: each for each in findings if each.level == "fault"}
    assert "Check `user` and `password_file`" in faults["mailbox support"].told
    assert faults["mailbox forms"].told.startswith("Another program listens on 127.0.0.1:")
    assert faults["mailbox old"].do == "Correct `path`, or make the Maildir."
    assert "Connection refused" in faults["smtp"].told
    assert [area for area, each in faults.items() if each.unreachable] == ["smtp"]


async def test_a_folder_that_is_not_there_is_told(directory: Path) -> None:
    change(directory, 'address = "support@shop.example"', 'address = "support@shop.example"\nfolder = "Nope"')
    ((level, told),) = [each for each in of(await examine(directory), "mailbox support") if each[0] != "ok"]
    assert level == "fault"
    assert "The folder Nope can't be opened" in told
    change(directory, 'folder = "Nope"', 'sent = "Gesendet"')
    assert of(await examine(directory), "mailbox support")[-1] == (
        "warn",
        "There is no folder Gesendet. Make it, or write its name into `sent`.",
    )


async def test_an_address_where_we_listen_already_is_ours(tmp_path: Path) -> None:
    text = '[store]\nurl = "sqlite:///x.db"\n[mailbox.a]\nkind = "lmtp"\naddress = "a@b.example"\nlisten = "unix:{}"\n'
    (tmp_path / "triaged.toml").write_text(text.format(tmp_path / "lmtp"))
    mailbox = config.load(tmp_path).mailbox["a"]
    assert doors.listener("a", mailbox)[0].told.endswith("is free.")

    async def take(_: Any) -> Any:
        raise AssertionError

    listening = Listener("a", mailbox, take)
    await listening.start()
    try:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as thread:
            (found,) = await loop.run_in_executor(thread, doors.listener, "a", mailbox)
    finally:
        await listening.stop()
    assert (found.level, found.told[:20]) == ("ok", "The daemon listens o")


def test_a_configuration_with_faults_is_one_finding_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "triaged.toml").write_text("[store]\nurl = 'x'\n[mailbox.a]\nkind = 'imap'\n")
    assert cli.invoke(["doctor", "--config", str(tmp_path), "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {each["level"] for each in findings} == {"fault"}
    assert all("triaged.toml:" in each["told"] for each in findings)
    assert cli.invoke(["doctor", "--config", str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("fault      configuration:")


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_store_s_mails_are_read_as_far_as_they_tell_something(desk: Desk) -> None:
    usual = incoming()
    listed = {"list-id": "Team <team.shop.example>", "authentication-results": "MX.shop.example; dmarc=pass"}
    desk.take(usual)
    desk.take(
        replace(
            incoming(sender="bob@example.com", verdict="unverified", ignored="bulk"),
            detail="it carries list-id",
            message=replace(incoming(sender="bob@example.com", verdict="unverified").message, headers=listed),
        )
    )
    desk.take(incoming(sender="eve@example.com", ignored="spam"))
    form = incoming(sender="zoe@example.com")
    desk.take(replace(form, message=replace(form.message, form=True)))
    vault = desk.store.vault
    found = desk.store.read_now(lambda session: past.seen(session, vault, "support"))
    assert sorted(found, key=lambda mail: mail.ignored) == [
        Seen(verified=True),
        Seen(ignored="it carries list-id", list="team.shop.example", server="mx.shop.example"),
    ]
