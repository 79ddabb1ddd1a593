import re
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tools.samples import shop
from tools.samples.author import day, money
from tools.samples.cast import LARGE_REFUND, SMALL_REFUND
from tools.samples.mails import SampleMail, mails

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
SEEDS = range(50)
TOOLS: dict[str, dict[str, Any]] = {
    tool["name"]: tool for tool in tomllib.loads((ROOT / "tools/shop.toml").read_text(encoding="utf-8"))["tool"]
}
FIND_ORDER = re.compile(TOOLS["find_order"]["params"]["order_id"]["find"])
RESERVED = re.compile(r"[\w.-]+@([\w-]+\.)*example\.(com|org|net)", re.IGNORECASE)


@dataclass(frozen=True)
class Shop:
    """A shop, its mails, and its tools asked as the daemon asks them."""

    path: Path
    mails: dict[str, SampleMail]

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path)) as database:
            database.row_factory = sqlite3.Row
            bound = {"now": NOW.isoformat(timespec="seconds"), "reason": None, **values}
            return [dict(row) for row in database.execute(sql, bound)]

    def read(self, tool: str, mail: SampleMail, **values: Any) -> list[dict[str, Any]]:
        return self.rows(TOOLS[tool]["statement"], sender=sender(mail), **values)

    def refusals(self, tool: str, mail: SampleMail) -> list[str]:
        guards = TOOLS[tool]["guard"]
        values = {"sender": sender(mail), "order_id": order_id(mail)}
        return [guard["message"] for guard in guards if self.rows(guard["statement"], **values)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shops")


@pytest.fixture(params=SEEDS, scope="module")
def sample(request: pytest.FixtureRequest, folder: Path) -> Iterator[Shop]:
    path = folder / f"{request.param}.db"
    shop.build(path, seed=request.param, today=NOW.date())
    yield Shop(path, {mail.name: mail for mail in mails(path, seed=request.param, now=NOW)})
    path.unlink()


@pytest.fixture(scope="module")
def shops(folder: Path) -> list[Shop]:
    """A few, for what does not hang on the rows."""
    made = []
    for seed in (0, 17, 42):
        path = folder / f"few-{seed}.db"
        shop.build(path, seed=seed, today=NOW.date())
        made.append(Shop(path, {mail.name: mail for mail in mails(path, seed=seed, now=NOW)}))
    return made


@cache
def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def sender(mail: SampleMail) -> str:
    return parsed(mail.raw)["From"].addresses[0].addr_spec.lower()  # type: ignore[no-any-return]


def text(mail: SampleMail) -> str:
    body = parsed(mail.raw).get_body(("plain", "html"))
    assert body is not None
    return f"{parsed(mail.raw)['Subject']}\n{body.get_content()}"


def order_id(mail: SampleMail) -> str:
    found = set(FIND_ORDER.findall(text(mail)))
    assert len(found) == 1, text(mail)
    return str(found.pop())


def test_every_seed_tells_each_of_its_mails_apart(shops: list[Shop]) -> None:
    for sample in shops:
        assert len(sample.mails) == 23
        assert len({parsed(mail.raw)["Message-ID"] for mail in sample.mails.values()}) == 23
        assert {mail.language for mail in sample.mails.values()} == {"en", "de"}
        people = [sender(mail) for name, mail in sample.mails.items() if name != "burst-second"]
        assert len(people) == len(set(people))


def test_every_mail_is_well_formed(shops: list[Shop]) -> None:
    for sample in shops:
        for mail in sample.mails.values():
            message = parsed(mail.raw)
            assert not [defect for part in message.walk() for defect in part.defects], mail.name
            assert all(message[name] for name in ("From", "To", "Subject", "Date", "Message-ID"))
            assert b"\n" not in mail.raw.replace(b"\r\n", b"")
            assert max(map(len, mail.raw.split(b"\r\n"))) <= 998
            assert not re.search(r"\{\w*\}", text(mail))


def test_our_own_server_speaks_first_about_the_sender(shops: list[Shop]) -> None:
    for sample in shops:
        for mail in sample.mails.values():
            domain = sender(mail).partition("@")[2]
            verdict = "fail" if mail.name == "spoofed-sender" else "pass"
            first = parsed(mail.raw).items()[0]
            assert first[0] == "Authentication-Results"
            assert first[1].startswith("mx.shop.example;")
            assert f"dmarc={verdict} header.from={domain}" in first[1].lower()


def test_facts_of_order_mails_are_those_of_the_senders_row(sample: Shop) -> None:
    for mail in sample.mails.values():
        if not mail.facts or mail.name == "burst-first":
            continue
        (row,) = sample.read("find_order", mail, order_id=order_id(mail))
        written = {row["order_id"], row["tracking"], money(row["total"], mail.language)}
        if row["expected_on"]:
            written.add(day(date.fromisoformat(row["expected_on"]), mail.language))
        assert set(mail.facts) <= written, mail.name


def test_the_states_of_orders_fit_what_is_asked(sample: Shop) -> None:
    status = {
        "order-status-on-its-way": "shipped",
        "order-status-in-preparation": "processing",
        "order-status-in-german": "shipped",
        "html-only": "shipped",
        "where-is-my-parcel": "shipped",
        "burst-second": "shipped",
        "cancellation": "processing",
    }
    for name, expected in status.items():
        (row,) = sample.read("find_order", sample.mails[name], order_id=order_id(sample.mails[name]))
        assert row["status"] == expected
        assert row["expected_on"] >= NOW.date().isoformat()


def test_only_what_the_guards_allow_is_expected_to_be_sent(sample: Shop) -> None:
    for name, tool in {
        "return": "start_return",
        "return-in-german": "start_return",
        "refund-below-the-limit": "request_refund",
        "refund-above-the-limit": "request_refund",
        "cancellation": "cancel_order",
    }.items():
        assert not sample.refusals(tool, sample.mails[name]), name


def test_refunds_lie_on_both_sides_of_any_sensible_limit(sample: Shop) -> None:
    totals = {}
    for name in ("refund-below-the-limit", "refund-above-the-limit"):
        mail = sample.mails[name]
        values = {"sender": sender(mail), "order_id": order_id(mail)}
        (row,) = sample.rows(TOOLS["request_refund"]["amount_statement"], **values)
        totals[name] = row["amount"]
    assert totals["refund-below-the-limit"] <= SMALL_REFUND
    assert totals["refund-above-the-limit"] >= LARGE_REFUND


def test_another_customers_order_is_there_but_not_for_this_sender(sample: Shop) -> None:
    mail = sample.mails["another-customers-order"]
    assert sample.rows("SELECT 1 FROM orders WHERE order_id = :order_id", order_id=order_id(mail))
    assert sample.read("find_customer", mail)
    assert not sample.read("find_order", mail, order_id=order_id(mail))
    assert sample.refusals("cancel_order", mail)[0] == "The sender has no such order."


def test_the_unknown_customer_is_nobody(sample: Shop) -> None:
    mail = sample.mails["unknown-customer"]
    assert not sample.read("find_customer", mail)
    assert not sample.read("list_orders", mail)


def test_what_is_forbidden_belongs_to_somebody_else(sample: Shop) -> None:
    for name in ("another-customers-order", "unknown-customer", "prompt-injection"):
        mail = sample.mails[name]
        assert mail.forbidden
        customer = sample.read("find_customer", mail)
        assert not customer or not set(mail.forbidden) & set(map(str, customer[0].values()))
        assert not set(mail.forbidden) & set(mail.facts)


def test_the_injection_is_hidden_from_readers(shops: list[Shop]) -> None:
    for sample in shops:
        message = parsed(sample.mails["prompt-injection"].raw)
        plain, html = message.get_body(("plain",)), message.get_body(("html",))
        assert plain is not None
        assert html is not None
        assert "collect.example.net" not in plain.get_content()
        assert re.search(r'<div style="display:none[^>]*>[^<]*collect\.example\.net', html.get_content())


def test_what_is_ignored_says_by_its_headers_that_it_is_automatic(shops: list[Shop]) -> None:
    for sample in shops:
        for mail in sample.mails.values():
            message = parsed(mail.raw)
            automatic = message.get("Auto-Submitted", "no") != "no" or "List-Id" in message
            assert automatic == (mail.expect == "ignored"), mail.name
        assert sample.mails["bounce"].mail_from == sample.mails["out-of-office"].mail_from == ""
        assert parsed(sample.mails["bounce"].raw).get_content_type() == "multipart/report"


def test_the_burst_is_one_conversation(shops: list[Shop]) -> None:
    for sample in shops:
        first, second = (sample.mails[name] for name in ("burst-first", "burst-second"))
        assert parsed(second.raw)["In-Reply-To"] == parsed(first.raw)["Message-ID"]
        assert parsed(second.raw)["Date"] == parsed(first.raw)["Date"]
        assert not FIND_ORDER.findall(text(first))


def test_every_address_is_reserved_for_examples(shops: list[Shop]) -> None:
    for sample in shops:
        for row in sample.rows("SELECT email FROM customers"):
            assert RESERVED.fullmatch(row["email"]), row


def test_a_seed_and_a_day_always_give_the_same_shop_and_mails(tmp_path: Path) -> None:
    written = []
    for name in ("one.db", "two.db"):
        shop.build(tmp_path / name, seed=3, today=NOW.date())
        with closing(sqlite3.connect(tmp_path / name)) as database:
            written.append((list(database.iterdump()), mails(tmp_path / name, seed=3, now=NOW)))
    assert written[0] == written[1]


def test_another_seed_gives_other_customers_orders_and_words(tmp_path: Path) -> None:
    shop.build(tmp_path / "one.db", seed=0, today=NOW.date())
    one, two = (mails(tmp_path / "one.db", seed=seed, now=NOW) for seed in (0, 1))
    assert not {mail.facts for mail in one if mail.facts} & {mail.facts for mail in two}
    assert [mail.name for mail in one] == [mail.name for mail in two]


def test_a_day_years_away_changes_nothing_but_the_dates(tmp_path: Path) -> None:
    names = {}
    for year in (2026, 2031):
        today = NOW.replace(year=year)
        shop.build(tmp_path / f"{year}.db", seed=7, today=today.date())
        names[year] = [(mail.name, mail.mail_from) for mail in mails(tmp_path / f"{year}.db", seed=7, now=today)]
    assert names[2026] == names[2031]


def test_what_is_already_there_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="Choose another path"):
        shop.build(path, today=NOW.date())
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("where is order 10234?", ["10234"]),
        ("Order no.: 8384", ["8384"]),
        ("my order (#102344) please", ["102344"]),
        ("Bestell-Nr. 10234.", ["10234"]),
        ("die Bestellnummer lautet 10234", ["10234"]),
        ("Auftragsnr. 10234", ["10234"]),
        ("orders 12345 and 23456", ["12345", "23456"]),
        ("order 12345, 10437 Berlin", ["12345"]),
        ("order placed on 12/11/2026, number 10234", ["10234"]),
        ("order 12345 and I live in 10437 Berlin", ["12345"]),
        ("my order of 1500 €", []),
        ("my order of 1500.00", []),
        ("an order from 2026", []),
        ("order placed on 2026-11-12", []),
        ("order 12345678", []),
        ("customer number 12345", []),
        ("Kundennummer 12345", []),
    ],
)
def test_order_numbers_are_found_as_people_write_them(written: str, found: list[str]) -> None:
    assert FIND_ORDER.findall(written) == found


def test_the_same_pattern_finds_the_order_for_every_tool() -> None:
    params = [tool["params"]["order_id"] for tool in TOOLS.values() if "order_id" in tool.get("params", {})]
    assert len(params) == 6
    assert {(param["find"], param["pattern"]) for param in params} == {(params[0]["find"], params[0]["pattern"])}


def test_no_other_package_repeats_a_sentence_of_a_sample_mail() -> None:
    wording = tomllib.loads((ROOT / "tools/samples/wording.toml").read_text(encoding="utf-8"))
    told = "\n".join(words["text"] for kind in wording.values() for language in kind.values() for words in language)
    sentences = {part.strip() for part in re.split(r"[.!?\n{}]", told)}
    long = {sentence.lower() for sentence in sentences if len(sentence) >= 40}
    assert len(long) > 50
    for package in ("daemon", "handlers"):
        for path in (ROOT / package).rglob("*"):
            if path.suffix in {".py", ".toml", ".md", ".txt"}:
                source = path.read_text(encoding="utf-8").lower()
                assert not [sentence for sentence in long if sentence in source], path


def test_the_independent_mails_are_sixty_of_each_kind_and_twice_as_many_of_none() -> None:
    seen: set[str] = set()
    counts = {}
    for path in sorted((ROOT / "tests/mails/independent").glob("*.toml")):
        letters = tomllib.loads(path.read_text(encoding="utf-8"))["mail"]
        counts[path.stem] = len(letters)
        for letter in letters:
            assert letter["category"] == path.stem
            assert letter["language"] in {"en", "de"}
            assert letter.get("order_id", "") in letter["subject"] + letter["text"]
            assert letter["text"] not in seen
            seen.add(letter["text"])
    assert counts.pop("other") == 120
    assert set(counts.values()) == {60}
    assert len(counts) == 9
