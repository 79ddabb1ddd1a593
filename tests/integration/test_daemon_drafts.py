"""Held drafts lie in the mailbox's drafts folder, on a real IMAP server, and a person may send them from there."""

import re
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message

import pytest
from imapclient import IMAPClient

from daemon.outbound.drafts_folder import HEADER
from daemon.review import decide
from daemon.store import placing
from daemon.store.tables import Draft
from handlers.contract import Reply, ToolCall
from tests.fixtures.dovecot import Dovecot
from tests.fixtures.imap_office import Inbox, imap
from tests.fixtures.office import Office, propose

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, office: Office) -> None:
    monkeypatch.setattr("daemon.outbound.drafts_folder.EVERY", 0.1)
    office.house.change("triaged.toml", "[limits]", "[review]\ndrafts_folder = true\n[limits]")


def lying(inbox: Inbox) -> dict[int, Message]:
    """What is in Drafts."""
    client: IMAPClient = inbox.client
    client.select_folder("Drafts", readonly=True)
    rows = client.fetch(client.search(), ["BODY[]"]).items()
    return {uid: message_from_bytes(row[b"BODY[]"]) for uid, row in rows if row[b"BODY[]"] is not None}


def change(office: Office, work: Callable[..., object], **arguments: object) -> None:
    store = office.daemon.store
    store.write_now(lambda session: work(session, store.vault, **arguments, by="eve", now=office.daemon._clock()))


async def test_a_held_draft_lies_there_as_it_stands_until_it_is_decided(office: Office, dovecot: Dovecot) -> None:
    letter = office.house.letter("question")
    with imap(office, dovecot) as inbox:
        async with office.open():
            inbox.client.append("INBOX", letter.raw)
            await office.until(lambda: len(lying(inbox)) == 1)
            ((uid, mail),) = lying(inbox).items()
            store = office.daemon.store
            (draft,) = store.read_now(lambda session: [str(mail[HEADER]).partition(".")[0]])
            asked = message_from_bytes(letter.raw)["Message-ID"]
            assert (mail["To"], mail["In-Reply-To"], mail["References"]) == (letter.sender, asked, asked)
            assert mail["X-Triaged-Loop"] is None
            assert mail["Auto-Submitted"] is None
            assert {b"\\Draft", b"\\Seen"} <= set(inbox.client.get_flags([uid])[uid])

            store.write_now(lambda session: placing.forget(session, [draft]))  # killed before it was remembered
            await office.until(lambda: bool(store.read_now(lambda session: session.get_one(Draft, draft).placed)))
            assert list(lying(inbox)) == [uid], "it is found again, not laid down twice"

            change(office, decide.edit, prefix=draft, body="It is on its way, honestly.")
            await office.until(lambda: [str(each[HEADER]) for each in lying(inbox).values()] == [f"{draft}.2"])
            assert "honestly" in next(iter(lying(inbox).values())).as_string()
            change(office, decide.reject, prefix=draft, reason="by telephone")
            await office.until(lambda: lying(inbox) == {})


async def test_one_that_a_person_deletes_stays_held_and_one_that_they_send_is_closed(
    office: Office, dovecot: Dovecot
) -> None:
    first, second = office.house.letter("question"), office.house.letter("question")
    with imap(office, dovecot, poll="200ms") as inbox:
        async with office.open():
            inbox.client.append("INBOX", first.raw)
            inbox.client.append("INBOX", second.raw)
            await office.until(lambda: len(lying(inbox)) == 2)
            drafts = {str(mail["To"]): (uid, mail) for uid, mail in lying(inbox).items()}
            inbox.client.select_folder("Drafts")
            inbox.client.delete_messages([drafts[first.sender][0], drafts[second.sender][0]])
            inbox.client.expunge()
            sent = re.sub(r"on its way", "on the roof", drafts[second.sender][1].as_string())
            inbox.client.append("Sent", sent.encode())

            await office.until(lambda: any(fate.outcome == "answered-by-human" for fate in office.house.fates()))
            fates = office.house.fates()
            assert [(fate.state, fate.mails) for fate in fates] == [("held", 0), ("done", 0)]
            assert lying(inbox) == {}, "it is not laid down again"


async def test_nothing_lies_there_of_what_would_change_something_or_once_it_is_turned_off(
    office: Office, dovecot: Dovecot
) -> None:
    office.house.change("handlers/desk/handler.toml", 'name = "cancel"\nauto = "on"', 'name = "cancel"')
    cancel, question = office.house.letter("cancel"), office.house.letter("question")
    call = ToolCall(id="1", name="cancel_order", arguments={"order_id": cancel.order})
    office.brain.answers = [Reply(calls=(call,), model="scripted"), propose("cancel")]
    with imap(office, dovecot) as inbox:
        async with office.open():
            for letter in (cancel, question):
                inbox.client.append("INBOX", letter.raw)
                await office.until(lambda: office.house.fates()[0].state == "held")
            await office.until(lambda: [str(each["To"]) for each in lying(inbox).values()] == [question.sender])
            office.house.change("triaged.toml", "drafts_folder = true", "drafts_folder = false")
            await office.daemon.reload()
            await office.until(lambda: lying(inbox) == {})
