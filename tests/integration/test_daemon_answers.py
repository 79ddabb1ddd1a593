"""A person answers from their own mail program, on a real IMAP server, while the daemon is about to answer too."""

from email import message_from_bytes
from email.message import EmailMessage

import pytest
from sqlmodel import select

from daemon.store import folders
from daemon.store.tables import Conversation
from tests.e2e.house import Fate, Letter
from tests.fixtures.dovecot import Dovecot
from tests.fixtures.imap_office import imap
from tests.fixtures.office import Office

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def by_hand(letter: Letter) -> bytes:
    """What Eve writes to the customer."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Eve <support@shop.example>", letter.sender, "Re: your order"
    mail["Message-ID"], mail["In-Reply-To"] = "<by-hand@eves.computer>", message_from_bytes(letter.raw)["Message-ID"]
    mail.set_content("It is on the roof.\n")
    return mail.as_bytes()


def answered(fate: Fate) -> bool:
    return fate.outcome == "answered-by-human"


async def test_an_answer_in_sent_ends_a_reply_that_waits_for_its_grace(office: Office, dovecot: Dovecot) -> None:
    office.house.change("triaged.toml", "debounce = 0", 'debounce = 0\ngrace = "1h"')
    letter = office.house.letter("status")
    with imap(office, dovecot, poll="200ms") as inbox:
        async with office.open():
            inbox.client.append("INBOX", letter.raw)
            await office.fates(lambda fate: fate.state == "approved")
            inbox.client.append("Sent", by_hand(letter))
            (fate,) = await office.fates(answered)
    assert (fate.state, fate.mails) == ("done", 0)
    assert office.sink.received == []


async def test_an_answer_that_no_poll_has_seen_is_found_before_the_content(office: Office, dovecot: Dovecot) -> None:
    letter = office.house.letter("status")
    office.brain.gate.clear()
    with imap(office, dovecot) as inbox:
        async with office.open():
            inbox.client.append("INBOX", letter.raw)
            await office.until(lambda: bool(office.brain.requests))
            store = office.daemon.store
            await office.until(lambda: store.read_now(lambda s: folders.cursor(s, "support", "Sent")) is not None)
            inbox.client.append("Sent", by_hand(letter))
            office.brain.gate.set()
            (fate,) = await office.fates(answered)
    assert fate.mails == 0
    assert office.sink.phases == ["connect", "mail", "rcpt"], "it was found when the content was to follow"


async def test_a_mail_that_was_answered_while_nobody_ran_gets_no_second_answer_and_our_own_copies_are_no_answers(
    office: Office, dovecot: Dovecot
) -> None:
    letter, other = office.house.letter("status"), office.house.letter("status")
    with imap(office, dovecot, poll="200ms") as inbox:
        inbox.client.append("INBOX", letter.raw)
        inbox.client.append("INBOX", other.raw)
        inbox.client.append("Sent", by_hand(letter))
        async with office.open():
            fates = await office.fates()
            store = office.daemon.store

            def read_up_to() -> int:
                cursor = store.read_now(lambda session: folders.cursor(session, "support", "Sent"))
                return cursor.last_uid if cursor else 0

            await office.until(lambda: read_up_to() == 2)
            human = store.read_now(lambda session: session.exec(select(Conversation.human)).all())
    assert [(fate.outcome, fate.mails) for fate in fates] == [("answered-by-human", 0), ("sent", 1)]
    assert sorted(human) == [False, True]
