"""A verified sender who is no customer, or several: what the configuration, the proposal and the gate make of it."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from daemon import release
from daemon.gate.decide import decide
from daemon.gate.verdict import Reason
from daemon.identity import as_stranger, asking
from handlers.contract import Category, Handler, Proposal
from tests.e2e.house import House
from tests.fixtures import desk
from tests.unit.gate.test_decide import CASE, HANDLER, PROPOSAL
from tools.located import Faults

Problem = Literal["", "unknown", "ambiguous"]
ASKS = frozenset({"find_order"})
STRANGER = Category(name="unknown_customer", description="", auto="on", template="stranger")
GREETING = {"stranger": "We do not know this address."}


def proposal(**changes: object) -> Proposal:
    values: dict[str, object] = {
        "category": "order_status",
        "body": "There is no such order.",
        "language": "de",
        "faults": ("missing-information",),
        "fault_details": ("`find_order` was not called.",),
    }
    return Proposal(**(values | changes))  # type: ignore[arg-type]


def known_desk(*categories: Category) -> Handler:
    usual = desk.handler()
    return desk.handler(categories=(*usual.categories, *categories), templates={**usual.templates, **GREETING})


def test_what_needs_the_customer_is_answered_as_to_a_stranger_and_never_as_if_the_order_did_not_exist() -> None:
    found = as_stranger(known_desk(STRANGER), desk.message(), proposal(), {}, ASKS)
    assert (found.category, found.body, found.faults) == ("unknown_customer", "We do not know this address.", ())


def test_what_needs_no_customer_stays_as_it_is() -> None:
    question = proposal(category="question")
    assert as_stranger(known_desk(STRANGER), desk.message(), question, {}, ASKS) is question


def test_without_such_a_category_the_proposal_stays_and_the_gate_holds_it() -> None:
    asked = proposal()
    assert as_stranger(known_desk(), desk.message(), asked, {}, ASKS) is asked


def test_a_person_who_was_asked_for_is_not_forgotten() -> None:
    angry = proposal(escalation="The customer threatens.", fallback=True)
    found = as_stranger(known_desk(STRANGER), desk.message(), angry, {}, ASKS)
    assert (found.escalation, found.fallback) == ("The customer threatens.", True)


def reasons(problem: Problem, category: str = "order_status", *, template: str | None = None) -> tuple[Reason, ...]:
    case = replace(
        CASE,
        stranger=problem,
        customer_tools=ASKS,
        handler=replace(
            HANDLER,
            categories=(
                *HANDLER.categories,
                STRANGER,
                Category(name="hours", description="", auto="on", template="hours"),
            ),
        ),
        proposal=replace(PROPOSAL, category=category, template=template),
    )
    return tuple(reason for reason in decide(case).reasons if reason is Reason.UNKNOWN_CUSTOMER)


@pytest.mark.parametrize(
    ("problem", "category", "template", "holds"),
    [
        ("", "order_status", "status", False),
        ("unknown", "order_status", "status", True),
        ("unknown", "order_status", None, True),
        ("unknown", "unknown_customer", "stranger", False),
        ("unknown", "hours", "hours", False),
        ("unknown", "hours", None, True),
        ("unknown", "other", None, True),
        ("ambiguous", "unknown_customer", "stranger", True),
        ("ambiguous", "order_status", "status", True),
    ],
)
def test_the_gate_lets_a_stranger_s_reply_pass_only_in_the_operator_s_own_words(
    problem: Problem, category: str, template: str | None, *, holds: bool
) -> None:
    assert bool(reasons(problem, category, template=template)) is holds


IDENTITY = """
[identity.shop]
database = "shop"
statement = "SELECT order_id FROM orders WHERE email = :sender"
"""


@pytest.fixture
def house(tmp_path: Path) -> House:
    built = House(directory=tmp_path, store_url=f"sqlite:///{tmp_path}/store.db", lmtp=1)
    built.build(smtp=1, model="http://127.0.0.1:9")
    return built


def told(house: House) -> str:
    with pytest.raises(Faults) as raised:
        release.load(house.directory)
    return str(raised.value).replace(f"{house.directory}/", "")


def test_an_identity_that_holds_is_part_of_the_release(house: House) -> None:
    before = release.load(house.directory)
    house.change("triaged.toml", "[watch]", f"{IDENTITY}[watch]")
    house.change("tools/shop.toml", 'AND email = :sender"', 'AND order_id = :customer"')
    loaded = release.load(house.directory)
    assert list(loaded.identities) == ["support"]
    assert loaded.id != before.id
    assert asking(loaded.handlers["desk"], loaded.tools) == {"find_order"}
    before.tools.close()
    loaded.tools.close()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('database = "shop"\nst', 'database = "shpo"\nst', "Unknown database `shpo`. Did you mean `shop`?"),
        ("= :sender", "= 'x'", "The statement of [identity.shop]: It does not use `:sender`."),
        ("order_id FROM", "order_id, email FROM", "The statement of [identity.shop]: It returns 2 columns."),
        ('database = "shop"\nst', 'mailbox = ["sales"]\ndatabase = "shop"\nst', "Unknown mailbox `sales`."),
    ],
)
def test_an_identity_that_could_not_work_is_told_with_its_line(house: House, old: str, new: str, fault: str) -> None:
    house.change("triaged.toml", "[watch]", IDENTITY.replace(old, new) + "[watch]")
    assert told(house).startswith("triaged.toml:")
    assert fault in told(house)


def test_a_mailbox_has_one_identity(house: House) -> None:
    house.change("triaged.toml", "[watch]", IDENTITY + IDENTITY.replace(".shop]", ".other]") + "[watch]")
    assert "[identity.shop] is for the mailbox `support` too. Leave it to one of them." in told(house)


def test_a_tool_that_asks_for_a_customer_whom_nothing_names_is_told(house: House) -> None:
    house.change("tools/shop.toml", 'AND email = :sender"', 'AND order_id = :customer"')
    assert "`find_order` uses `:customer`, and nothing says who that is. Add [identity.NAME]." in told(house)
