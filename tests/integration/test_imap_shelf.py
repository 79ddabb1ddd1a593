"""What became of mails, shown in the mailboxes of a real Dovecot."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from imapclient import IMAPClient

from daemon.outbound.imap_filing import Folders, find, show
from daemon.store.filing import Done, Lying, Shelved, Shown
from tests.fixtures.dovecot import PASSWORD, Dovecot

PLAIN = Folders(home="INBOX")
BOTH = Folders(home="INBOX", held="Zurückgehalten", done="Erledigt & fertig")


class Box:
    """A mailbox with some mails, ours and another client's view of it."""

    def __init__(self, dovecot: Dovecot) -> None:
        user = dovecot.user()
        self.ours, self.other = (IMAPClient("127.0.0.1", dovecot.imap, ssl=False, timeout=10) for _ in range(2))
        for client in (self.ours, self.other):
            client.login(user, PASSWORD)

    def mails(self, count: int, shown: Shown = Shown.TAKEN, **changes: Any) -> list[Lying]:
        """So many new mails, as their rows tell of them."""
        uidvalidity = self.other.select_folder("INBOX")[b"UIDVALIDITY"]
        lying = []
        for _ in range(count):
            uid = int(self.other.folder_status("INBOX", ["UIDNEXT"])[b"UIDNEXT"])
            self.other.append("INBOX", f"Message-ID: <{uid}@example.com>\r\nSubject: {uid}\r\n\r\nHello\r\n".encode())
            values: dict[str, Any] = {"folder": "INBOX", "uidvalidity": uidvalidity, "uid": uid, "before": None}
            values |= {"message": f"m{uid}", "file": None, "wanted": shown, "move_to": None} | changes
            lying.append(Lying(**values))
        return lying

    def show(self, mails: list[Lying], folders: Folders = PLAIN) -> Shelved:
        return show(self.ours, mails, folders)

    def flags(self, folder: str = "INBOX") -> list[set[bytes]]:
        """The flags of each mail, as another client sees them."""
        self.other.select_folder(folder, readonly=True)
        uids = self.other.search()
        return [set(row) - {b"\\Recent"} for _, row in sorted(self.other.get_flags(uids).items())] if uids else []


@pytest.fixture
def box(dovecot: Dovecot) -> Iterator[Box]:
    box = Box(dovecot)
    yield box
    box.ours.logout()
    box.other.logout()


def next_state(done: Done, shown: Shown) -> Lying:
    """The row after `done` was kept and a decision was made."""
    mail = replace(done.mail, before=done.mail.wanted, wanted=shown)
    if done.to is None:
        return mail
    return replace(mail, folder=done.to.folder, uidvalidity=done.to.uidvalidity, uid=done.to.uid)


def test_a_mail_is_marked_through_its_life_as_a_person_would_mark_it(box: Box) -> None:
    (mail,) = box.mails(1)
    (done,) = box.show([mail]).done
    assert box.flags() == [{b"$Triaged"}]
    (done,) = box.show([next_state(done, Shown.HELD)]).done
    assert box.flags() == [{b"$Triaged", b"$TriagedHeld"}]
    (done,) = box.show([next_state(done, Shown.ANSWERED)]).done
    assert box.flags() == [{b"$Triaged", b"\\Seen", b"\\Answered"}]
    (done,) = box.show([next_state(done, Shown.HELD)]).done
    assert box.flags() == [{b"$Triaged", b"$TriagedHeld"}], "a reply that came back is unread work again"
    box.show([next_state(done, Shown.READ)])
    assert box.flags() == [{b"$Triaged", b"\\Seen"}]


def test_many_mails_take_few_commands(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    mails = [*box.mails(4), *box.mails(4, Shown.HELD), *box.mails(4, Shown.ANSWERED)]
    sent: list[str] = []
    command = box.ours._imap._command

    def counted(name: str, *args: Any) -> Any:
        sent.append(f"{name} {args[0] if name == 'UID' else ''}".strip())
        return command(name, *args)

    monkeypatch.setattr(box.ours._imap, "_command", counted)
    assert len(box.show(mails).done) == 12
    assert sent == ["SELECT", "UID FETCH", "UID STORE", "UID STORE", "UID STORE"]


def test_what_is_shown_already_costs_one_look_and_changes_nothing(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    mails = box.mails(3, Shown.ANSWERED)
    box.show(mails)
    for name in ("add_flags", "remove_flags", "move"):
        monkeypatch.setattr(box.ours, name, lambda *_, **__: pytest.fail("a change"))
    assert [done.missing for done in box.show(mails).done] == [False] * 3


def test_a_mail_goes_through_the_operators_folders_and_its_place_is_known_each_time(box: Box) -> None:
    first, second = box.mails(2, Shown.HELD)
    box.mails(1)
    held = box.show([first, second], BOTH).done
    assert [done.to.folder for done in held if done.to] == ["Zurückgehalten"] * 2
    assert box.flags(BOTH.held) == [{b"$Triaged", b"$TriagedHeld"}] * 2
    answered, ignored = next_state(held[0], Shown.ANSWERED), next_state(held[1], Shown.IGNORED)
    done = box.show([answered, ignored], BOTH).done
    assert sorted(each.to.folder for each in done if each.to) == ["Erledigt & fertig", "INBOX"]
    assert box.flags(BOTH.done) == [{b"$Triaged", b"\\Seen", b"\\Answered"}]
    assert box.flags(BOTH.held) == []
    assert len(box.flags()) == 2
    assert {folder for _, _, folder in box.other.list_sub_folders()} >= {BOTH.held, BOTH.done}


def test_a_rules_folder_is_made_and_the_mail_stays_unread_there(box: Box) -> None:
    (mail,) = box.mails(1, Shown.IGNORED, move_to="News/Wöchentlich")
    (done,) = box.show([mail]).done
    assert done.to is not None
    assert box.flags("News/Wöchentlich") == [{b"$Triaged"}]


def test_a_mail_that_a_person_deleted_or_moved_is_left_alone(box: Box) -> None:
    mails = box.mails(4, Shown.ANSWERED)
    box.other.select_folder("INBOX")
    box.other.create_folder("Mine")
    box.other.move([mails[0].uid], "Mine")
    box.other.delete_messages([mails[1].uid])
    box.other.expunge()
    done = {each.mail.message: each.missing for each in box.show(mails).done}
    assert done == {mails[0].message: True, mails[1].message: True, mails[2].message: False, mails[3].message: False}
    assert box.flags("Mine") == [set()]


def test_a_mail_that_somebody_expunges_between_look_and_move_harms_no_other(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = box.mails(2, Shown.READ)
    box.ours.create_folder("Erledigt & fertig")
    mark = box.ours.add_flags

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        mark(*args, **kwargs)
        box.other.select_folder("INBOX")
        box.other.delete_messages([mails[0].uid])
        box.other.expunge()

    monkeypatch.setattr(box.ours, "add_flags", meanwhile)
    done = {each.mail.message: each for each in box.show(mails, BOTH).done}
    assert done[mails[0].message].missing
    assert done[mails[1].message].to is not None
    assert len(box.flags(BOTH.done)) == 1


@pytest.mark.parametrize("folder", ["INBOX", "Gone"])
def test_a_folder_that_was_rebuilt_or_deleted_is_left_alone(box: Box, folder: str) -> None:
    (mail,) = box.mails(1, Shown.ANSWERED)
    (done,) = box.show([replace(mail, folder=folder, uidvalidity=1)]).done
    assert done.missing
    assert box.flags() == [set()]


def test_a_move_that_nobody_could_note_is_found_again_by_its_message_id(box: Box) -> None:
    (mail,) = box.mails(1, Shown.HELD)
    box.show([mail], BOTH)  # and killed before that was kept
    (done,) = box.show([mail], BOTH).done
    assert (done.missing, done.sought) == (True, BOTH.held)
    found = find(box.ours, BOTH.held, [f"{mail.uid}@example.com", "other@example.com"])
    assert list(found) == [f"{mail.uid}@example.com"]
    back = replace(mail, folder=BOTH.held, uidvalidity=found[f"{mail.uid}@example.com"].uidvalidity)
    back = replace(back, uid=found[f"{mail.uid}@example.com"].uid)
    assert [each.missing for each in box.show([back], BOTH).done] == [False]
    assert find(box.ours, "Nowhere", ["x@example.com"]) == {}


@pytest.mark.parametrize("missing", [{"MOVE"}, {"MOVE", "UIDPLUS"}])
def test_a_server_without_move_gets_a_copy_and_nothing_of_others_is_expunged(
    box: Box, missing: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mail = box.mails(2, Shown.READ)
    assert theirs.uid is not None
    box.other.select_folder("INBOX")
    box.other.delete_messages([theirs.uid])  # marked by a person, not expunged yet
    has = box.ours.has_capability
    monkeypatch.setattr(box.ours, "has_capability", lambda name: name not in missing and has(name))
    (done,) = box.show([mail], BOTH).done
    assert done.moved
    assert box.flags(BOTH.done) == [{b"$Triaged", b"\\Seen"}]
    ours = {b"$Triaged", b"\\Seen", b"\\Deleted"}
    assert box.flags() == [{b"\\Deleted"}] + ([ours] if "UIDPLUS" in missing else [])


def test_where_keywords_are_not_kept_the_folders_tell(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    select = box.ours.select_folder

    def without(folder: str, readonly: bool = False) -> dict[bytes, Any]:  # noqa: FBT001, FBT002 - imapclient's
        selected: dict[bytes, Any] = select(folder, readonly)
        return selected | {b"PERMANENTFLAGS": (b"\\Seen", b"\\Answered", b"\\Deleted")}

    monkeypatch.setattr(box.ours, "select_folder", without)
    (mail,) = box.mails(1, Shown.HELD)
    assert box.show([mail], PLAIN).keywords is False
    assert box.flags() == [set()]
    shelved = box.show([mail], BOTH)
    assert shelved.keywords
    assert box.flags(BOTH.held) == [set()]
    box.show([next_state(shelved.done[0], Shown.ANSWERED)], BOTH)
    assert box.flags(BOTH.done) == [{b"\\Seen", b"\\Answered"}]


def test_a_folder_that_the_server_refuses_keeps_no_other_mail_from_its_place(box: Box) -> None:
    (bad,) = box.mails(1, Shown.READ, move_to="../outside")
    (good,) = box.mails(1, Shown.READ, move_to="Inside")
    shelved = box.show([bad, good])
    assert [done.mail for done in shelved.done] == [good]
    assert len(shelved.refused) == 1
    assert len(box.flags("Inside")) == 1
