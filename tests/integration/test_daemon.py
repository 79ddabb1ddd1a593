"""The whole daemon in one process: mail over LMTP, a scripted model, a real shop and a real mail server."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from imapclient import IMAPClient

from handlers.contract import BrainBusy, BrainFailed, Reply, ToolCall
from tests.fixtures.dovecot import PASSWORD, Dovecot
from tests.fixtures.office import Office, propose
from tools.located import Faults


async def test_each_mail_ends_as_the_gate_decides(office: Office) -> None:
    letters = [office.house.letter(kind) for kind in ("status", "question", "newsletter")]
    async with office.open():
        await office.post(*(letter.raw for letter in letters))
        fates = await office.fates()
    assert [(fate.state, fate.outcome or fate.reason) for fate in fates] == [
        ("done", "sent"),
        ("held", "category-not-automatic"),
        ("done", "ignored"),
    ]
    assert len(office.brain.requests) == 2, "no model is asked about a newsletter"
    assert b"Your order 1000 is on its way." in office.sink.received[0].raw


async def test_a_write_happens_once_and_before_the_mail_says_so(office: Office) -> None:
    letter = office.house.letter("cancel")
    call = ToolCall(id="1", name="cancel_order", arguments={"order_id": letter.order})
    office.brain.answers = [Reply(calls=(call,), model="scripted"), propose("cancel")]
    async with office.open():
        await office.post(letter.raw)
        (fate,) = await office.fates()
    assert (fate.outcome, fate.mails, fate.cancellations) == ("sent", 1, 1)


async def test_a_model_that_is_busy_is_asked_again_and_the_customer_never_notices(office: Office) -> None:
    letter = office.house.letter("status")
    office.brain.answers = [
        BrainBusy("Overloaded.", retry_after=0.2),
        BrainBusy("Overloaded.", retry_after=0.2),
        propose(),
    ]
    async with office.open():
        await office.post(letter.raw)
        (fate,) = await office.fates()
    assert (fate.outcome, fate.mails, len(office.brain.requests)) == ("sent", 1, 3)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (BrainFailed("The key is wrong. Correct it."), "model-failed"),
        (RuntimeError("a fault of ours"), "unexpected-error"),
    ],
)
async def test_whatever_goes_wrong_the_mail_reaches_a_person(office: Office, fault: Exception, reason: str) -> None:
    letter = office.house.letter("status")
    office.brain.answers = [fault]
    async with office.open():
        await office.post(letter.raw)
        (fate,) = await office.fates()
    assert (fate.state, fate.reason, fate.mails) == ("held", reason, 0)


async def test_past_the_deadline_a_mail_goes_to_people_undrafted(office: Office) -> None:
    letter = office.house.letter("status")
    office.brain.answers = [BrainBusy("Overloaded.", retry_after=0.2) for _ in range(50)]
    async with office.open():
        await office.post(letter.raw)
        await asyncio.sleep(0.5)
        office.ahead = timedelta(hours=5)
        (fate,) = await office.fates()
    assert (fate.state, fate.mails) == ("held", 0)
    assert fate.reason in {"deadline-passed", "old-mail"}


async def test_two_mails_of_one_conversation_get_one_reply(office: Office) -> None:
    first = office.house.letter("status")
    office.brain.gate.clear()
    second = first.raw.replace(b"Message-ID: <", b"Message-ID: <again.").replace(b"Hello", b"And one more thing")
    async with office.open():
        await office.post(first.raw)
        await asyncio.sleep(0.5)
        await office.post(second)
        office.brain.gate.set()
        (fate,) = await office.fates()
    assert fate.outcome == "sent"
    assert len(office.sink.received) == 1
    assert "And one more thing" in office.brain.requests[-1].message.text


async def test_a_mail_that_comes_twice_is_answered_once(office: Office) -> None:
    letter = office.house.letter("status")
    async with office.open():
        await office.post(letter.raw, b"Received: by elsewhere\r\n" + letter.raw)
        (fate,) = await office.fates()
    assert (fate.rows, fate.mails) == (1, 1)


async def test_a_copy_that_a_list_sent_does_not_swallow_the_one_that_came_to_us(office: Office) -> None:
    letter = office.house.letter("status")
    async with office.open():
        await office.post(b"Precedence: list\r\n" + letter.raw, letter.raw)
        (fate,) = await office.fates(lambda fate: fate.mails == 1)
    assert fate.rows == 2


async def test_a_reload_takes_the_new_rules_and_refuses_broken_ones(office: Office) -> None:
    async with office.open():
        before = office.daemon.release.id
        office.house.change("rules.toml", "sender.verified", "sender.verifid")
        with pytest.raises(Faults, match=r"rules\.toml:4.*sender\.verified"):
            await office.daemon.reload()
        assert office.daemon.release.id == before
        office.house.change(
            "rules.toml", 'when = "sender.verifid"\nhandler = "desk"', 'when = "true"\nhold = "a person looks"'
        )
        await office.daemon.reload()
        assert office.daemon.release.id != before
        letter = office.house.letter("status")
        await office.post(letter.raw)
        (fate,) = await office.fates()
    assert (fate.state, fate.reason) == ("held", "rule-hold")
    assert office.brain.requests == []


async def test_a_reload_that_needs_a_restart_says_so(office: Office) -> None:
    async with office.open():
        office.house.change("triaged.toml", 'mode = "live"', 'mode = "shadow"')
        with pytest.raises(Faults, match="restart"):
            await office.daemon.reload()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_mail_of_an_imap_mailbox_is_answered_and_the_copy_stands_in_sent(
    office: Office, dovecot: Dovecot, tmp_path: Path
) -> None:
    user = dovecot.user()
    (tmp_path / "imap.password").write_text(PASSWORD)
    (tmp_path / "imap.password").chmod(0o600)
    account = f'host = "127.0.0.1"\nport = {dovecot.imap}\ntls = "none"\nuser = "{user}"\npoll = "300ms"\nsince = "all"'
    office.house.change("triaged.toml", 'kind = "lmtp"', f'kind = "imap"\npassword_file = "imap.password"\n{account}')
    office.house.change("triaged.toml", 'listen = "127.0.0.1:0"\n', "")
    letter = office.house.letter("status")
    with IMAPClient("127.0.0.1", dovecot.imap, ssl=False, timeout=10) as client:
        client.login(user, PASSWORD)
        client.append("INBOX", letter.raw)
        async with office.open():
            (fate,) = await office.fates()
            for _ in range(100):
                if client.select_folder("Sent")[b"EXISTS"]:
                    break
                await asyncio.sleep(0.1)
        (copy,) = client.fetch(client.search(), ["BODY[]"]).values()
        assert copy[b"BODY[]"] == office.sink.received[0].raw
        client.select_folder("INBOX")
        assert b"$Triaged" in client.get_flags([1])[1]
    assert (fate.outcome, fate.mails) == ("sent", 1)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_a_stop_does_not_wait_for_the_model_and_the_mail_is_answered_after_the_next_start(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.main.DRAIN", 3600.0)
    office.brain.gate.clear()
    letters = [office.house.letter("status") for _ in range(3)]
    async with asyncio.timeout(60), office.open():
        await office.post(*(letter.raw for letter in letters))
        await office.until(lambda: len(office.brain.requests) == len(letters))
    assert {fate.state for fate in office.house.fates()} == {"working"}
    office.brain.gate.set()
    async with office.open():
        fates = await office.fates()
    assert [(fate.outcome, fate.mails) for fate in fates] == [("sent", 1)] * 3


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_old_mail_is_drafted_behind_fresh_mail_and_waits_for_a_person(office: Office) -> None:
    letter = office.house.letter("status")
    office.brain.gate.clear()
    office.ahead = timedelta(days=2)
    async with office.open():
        await office.post(letter.raw)
        await office.until(lambda: bool(office.brain.requests))
        assert [mail.priority for mail in office.house.mails()] == ["low"]
        office.brain.gate.set()
        (fate,) = await office.fates()
    assert (fate.state, fate.reason, fate.mails) == ("held", "old-mail", 0)
