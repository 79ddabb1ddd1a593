"""What a person of ours sent is told from what triaged or another machine sent."""

from datetime import UTC, datetime

import pytest

from daemon import marks
from daemon.inbound import by_hand, parse
from daemon.store.human_answer import Answer

KEY = b"k" * 32
OURS = marks.message_id(KEY, "m1", 1, "shop.example")
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def read(fields: str) -> Answer | None:
    parsed = parse.read(fields.encode(), id="x", mailbox="support", received_at=NOW)
    return by_hand.read(parsed.root, parsed.message, mark_key=KEY)


def test_it_names_what_is_answered_and_to_whom_it_went() -> None:
    assert read(
        "Message-ID: <1@mua>\nTo: Ana <Ana@Example.com>\nCc: b@example.com\nBcc: boss@shop.example\n"
        "In-Reply-To: <abc@x>\nReferences: <first@x> <abc@x>\n"
    ) == Answer(
        parents=("abc@x",),
        ancestors=("first@x", "abc@x"),
        recipients=frozenset({"ana@example.com", "b@example.com", "boss@shop.example"}),
    )


def test_without_in_reply_to_the_last_reference_is_what_it_answers() -> None:
    found = read("Message-ID: <1@mua>\nTo: ana@example.com\nReferences: <first@x>\n <abc@x>\n")
    assert found is not None
    assert found.parents == ("abc@x",)


@pytest.mark.parametrize(
    "fields",
    [
        f"Message-ID: <{OURS}>\nIn-Reply-To: <abc@x>\n",
        f"Message-ID: <rewritten@relay>\nX-Triaged-Loop: {marks.loop_token(KEY, 'm1', 1)}\nIn-Reply-To: <abc@x>\n",
        "Message-ID: <1@mua>\nAuto-Submitted: auto-replied (vacation)\nIn-Reply-To: <abc@x>\n",
        "Message-ID: <1@mua>\nSubject: a new matter\n",
    ],
)
def test_what_triaged_or_a_machine_sent_and_what_answers_nothing_is_no_answer_of_a_person(fields: str) -> None:
    assert read(f"To: ana@example.com\n{fields}") is None


def test_auto_submitted_no_is_a_person() -> None:
    assert read("Message-ID: <1@mua>\nTo: a@x\nAuto-Submitted: no\nIn-Reply-To: <abc@x>\n") is not None
