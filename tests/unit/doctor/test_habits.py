"""What the newest mails of a mailbox say about its configuration."""

import pytest

from daemon.doctor.finding import away, exit_code, fault, ok, untried, warn
from daemon.doctor.habits import Seen, judge

PERSON = Seen(verified=True, server="mx.shop.example")
LISTED = Seen(ignored="it carries list-id (RFC 2369, RFC 2919)", list="team.shop.example")


def told(*mails: Seen, trust: tuple[str, ...] = ("mx.shop.example",), dkim: bool = False) -> list[tuple[str, str]]:
    return [
        (found.level, f"{found.told} {found.do}".strip()) for found in judge("support", mails, trust=trust, dkim=dkim)
    ]


def test_a_usual_mailbox_is_well() -> None:
    assert told(*[PERSON] * 180, *[LISTED] * 20) == [("ok", "The last 200 mails show nothing strange.")]


def test_of_few_mails_nothing_is_said() -> None:
    assert told(*[LISTED] * 19) == [("ok", "19 mails so far: too few to say anything about them.")]


def test_a_group_address_that_hides_a_third_of_the_mail_is_named() -> None:
    ((level, said),) = told(*[PERSON] * 130, *[LISTED] * 70)
    assert level == "warn"
    assert said.startswith("70 of the last 200 mails were ignored because it carries list-id (RFC 2369, RFC 2919).")
    assert said.endswith('write own_lists = ["team.shop.example"].')


def test_another_field_that_does_so_is_named_too() -> None:
    machine = Seen(ignored="Auto-Submitted: auto-generated (RFC 3834)")
    ((level, said),) = told(*[PERSON] * 60, *[machine] * 40)
    assert level == "warn"
    assert "40 of the last 100 mails were ignored because of Auto-Submitted: auto-generated" in said


def test_reasons_are_not_added_up() -> None:
    several = [Seen(ignored=f"the sender is {name}") for name in ("a", "b", "c", "d")]
    assert told(*[PERSON] * 60, *several * 10)[0][0] == "ok"


@pytest.mark.parametrize(
    ("mail", "trust", "advice"),
    [
        (Seen(server="mx.google.com"), ("mx.shop.example",), "by mx.google.com. Put yours among them into `trust`."),
        (Seen(server="mx.shop.example"), ("MX.shop.example",), 'Gmail needs results = "below".'),
        (Seen(), ("mx.shop.example",), 'or write dkim = "local".'),
    ],
)
def test_when_nobody_can_be_verified_it_says_whom_to_trust(mail: Seen, trust: tuple[str, ...], advice: str) -> None:
    ((level, said),) = told(*[mail] * 50, trust=trust)
    assert level == "warn"
    assert said.startswith("None of the last 50 senders could be verified.")
    assert said.endswith(advice)


def test_where_nobody_is_trusted_nobody_has_to_be_verified() -> None:
    assert told(*[Seen()] * 50, trust=())[0][0] == "ok"
    assert told(*[Seen()] * 50, trust=(), dkim=True)[0][0] == "warn"


def test_one_verified_sender_shows_that_it_works() -> None:
    assert told(*[Seen()] * 50, PERSON)[0][0] == "ok"


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ((ok("a", ""), warn("b", "", ""), untried("c", "")), 0),
        ((ok("a", ""), fault("b", "")), 1),
        ((away("a", ""), ok("b", "")), 3),
        ((away("a", ""), fault("b", "")), 1),
    ],
)
def test_the_exit_code_tells_a_fault_here_from_a_server_that_is_away(findings: tuple[object, ...], code: int) -> None:
    assert exit_code(findings) == code  # type: ignore[arg-type]
