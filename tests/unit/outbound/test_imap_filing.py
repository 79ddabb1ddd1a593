"""Which flags and which folder a mail should have, and what COPYUID tells."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.outbound.imap_filing import FLAGS, Folders, changes, copied, keeps_keywords, permitted_flags, target
from daemon.store.filing import Lying, Shown, wanted
from daemon.store.position import Position

PLAIN = Folders(home="INBOX")
BOTH = Folders(home="INBOX", held="Held", done="Done")
ALL = permitted_flags({b"PERMANENTFLAGS": (b"\\Answered", b"\\Seen", b"\\Deleted", b"\\*")})


def lying(shown: Shown, **changes: Any) -> Lying:
    values: dict[str, Any] = {
        "message": "m1",
        "folder": "INBOX",
        "uidvalidity": 7,
        "uid": 1,
        "file": None,
        "before": None,
        "wanted": shown,
        "move_to": None,
    }
    return Lying(**(values | changes))


def changed(mail: Lying, *has: bytes) -> tuple[set[bytes], set[bytes]]:
    """What is added and what is removed where everything is permitted."""
    add, remove = changes(mail, has, ALL)
    return set(add), set(remove)


@pytest.mark.parametrize(
    ("state", "outcome", "shown"),
    [
        ("screened", None, Shown.TAKEN),
        ("working", None, Shown.TAKEN),
        ("approved", None, Shown.TAKEN),
        ("delivering", None, Shown.TAKEN),
        ("held", None, Shown.HELD),
        ("held", "sent", Shown.HELD),
        ("done", "ignored", Shown.IGNORED),
        ("done", "rejected", Shown.READ),
        ("done", "sent", Shown.ANSWERED),
        ("done", "answered-by-human", Shown.ANSWERED),
    ],
)
def test_what_is_shown_follows_from_state_and_outcome(state: str, outcome: str | None, shown: Shown) -> None:
    assert wanted(state, outcome) is shown


@pytest.mark.parametrize(
    ("shown", "flags"),
    [
        (Shown.TAKEN, {b"$Triaged"}),
        (Shown.HELD, {b"$Triaged", b"$TriagedHeld"}),
        (Shown.IGNORED, {b"$Triaged"}),
        (Shown.READ, {b"$Triaged", b"\\Seen"}),
        (Shown.ANSWERED, {b"$Triaged", b"\\Seen", b"\\Answered"}),
    ],
)
def test_a_mail_is_flagged_as_a_person_would_who_did_the_same(shown: Shown, flags: set[bytes]) -> None:
    assert changed(lying(shown)) == (flags, set())


def test_what_stands_there_already_in_whatever_case_is_not_set_again() -> None:
    assert changed(lying(Shown.HELD), b"$triaged", b"$TRIAGEDHELD") == (set(), set())


def test_the_held_keyword_goes_when_it_is_decided_also_when_nobody_remembers_setting_it() -> None:
    mail = lying(Shown.ANSWERED, before=None)
    assert changed(mail, b"$Triaged", b"$TriagedHeld") == ({b"\\Seen", b"\\Answered"}, {b"$TriagedHeld"})


def test_a_mail_that_comes_back_to_people_is_unread_again_but_a_persons_own_flags_stay() -> None:
    ours = lying(Shown.HELD, before=Shown.ANSWERED)
    assert changed(ours, b"$Triaged", b"\\Seen", b"\\Answered", b"\\Flagged") == (
        {b"$TriagedHeld"},
        {b"\\Seen", b"\\Answered"},
    )
    theirs = lying(Shown.HELD, before=Shown.TAKEN)
    assert changed(theirs, b"$Triaged", b"\\Seen") == ({b"$TriagedHeld"}, set())


@pytest.mark.parametrize(
    ("selected", "keywords", "add"),
    [
        ({b"PERMANENTFLAGS": (b"\\Seen", b"\\Answered")}, False, {b"\\Seen", b"\\Answered"}),
        ({b"PERMANENTFLAGS": (b"\\Seen",)}, False, {b"\\Seen"}),
        ({b"PERMANENTFLAGS": ()}, False, set()),
        ({b"PERMANENTFLAGS": (b"\\Seen", b"$triaged")}, False, {b"\\Seen", b"$Triaged"}),
        ({b"PERMANENTFLAGS": (b"\\Seen", b"$triaged", b"$TriagedHeld")}, True, {b"\\Seen", b"$Triaged"}),
        ({}, True, {b"\\Seen", b"\\Answered", b"$Triaged"}),
    ],
)
def test_only_what_the_folder_keeps_is_set(selected: dict[bytes, Any], keywords: object, add: set[bytes]) -> None:
    permitted = permitted_flags(selected)
    assert keeps_keywords(permitted) is keywords
    assert set(changes(lying(Shown.ANSWERED), (), permitted)[0]) == add


@pytest.mark.parametrize(
    ("mail", "folders", "to"),
    [
        (lying(Shown.TAKEN), BOTH, None),
        (lying(Shown.TAKEN, move_to="Invoices"), BOTH, "Invoices"),
        (lying(Shown.TAKEN, folder="Held"), BOTH, None),
        (lying(Shown.HELD), PLAIN, None),
        (lying(Shown.HELD), BOTH, "Held"),
        (lying(Shown.HELD, folder="Held"), BOTH, None),
        (lying(Shown.HELD, move_to="Invoices"), PLAIN, "Invoices"),
        (lying(Shown.HELD, move_to="Invoices"), BOTH, "Held"),
        (lying(Shown.HELD, folder="Done"), Folders(home="INBOX", done="Done"), "INBOX"),
        (lying(Shown.IGNORED), BOTH, None),
        (lying(Shown.IGNORED, folder="Held"), BOTH, "INBOX"),
        (lying(Shown.IGNORED, move_to="News"), BOTH, "News"),
        (lying(Shown.READ), BOTH, "Done"),
        (lying(Shown.ANSWERED), PLAIN, None),
        (lying(Shown.ANSWERED, folder="Held"), BOTH, "Done"),
        (lying(Shown.ANSWERED, folder="Held"), Folders(home="inbox", held="Held"), "inbox"),
        (lying(Shown.ANSWERED, folder="Held", move_to="Invoices"), BOTH, "Invoices"),
        (lying(Shown.ANSWERED, folder="Inbox", move_to="INBOX"), BOTH, None),
    ],
)
def test_a_mail_lies_where_its_state_the_rule_and_the_operator_want_it(
    mail: Lying, folders: Folders, to: str | None
) -> None:
    assert target(mail, folders) == to


@pytest.mark.parametrize(
    ("codes", "places"),
    [
        ([b"38505 304,319:320 3956:3958"], {304: 3956, 319: 3957, 320: 3958}),
        ([b"38505 1 9", b"38505 2 10"], {1: 9, 2: 10}),
        ([b"38505 4:2 7:9"], {2: 7, 3: 8, 4: 9}),
        ([None], {}),
        ([b"nonsense"], {}),
    ],
)
def test_copyuid_tells_the_new_places(codes: list[bytes | None], places: dict[int, int]) -> None:
    expected = {old: Position(folder="Done", uidvalidity=38505, uid=new) for old, new in places.items()}
    assert copied(codes, "Done") == expected


@given(
    st.sampled_from(Shown),
    st.sampled_from([None, *Shown]),
    st.sets(st.sampled_from([b"$Triaged", b"$TriagedHeld", b"\\Seen", b"\\Answered", b"\\Flagged"])),
)
def test_what_was_changed_once_needs_no_change_again(shown: Shown, before: Shown | None, has: set[bytes]) -> None:
    mail = lying(shown, before=before)
    add, remove = changes(mail, has, ALL)
    now = (has | add) - remove
    assert now >= FLAGS[shown]
    assert (b"$TriagedHeld" in now) is (shown is Shown.HELD)
    assert (b"\\Flagged" in now) is (b"\\Flagged" in has)
    assert changed(mail, *now) == (set(), set())
