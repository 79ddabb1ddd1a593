"""Mails in short, and entries of a list: what each keeps from an answer, and what only resembles it."""

from dataclasses import dataclass, field

import pytest

from daemon.gate.verdict import Reason
from tests.unit.inbound.mail import mail

TEXT = "Content-Type: text/plain\n\nWhere is my order 1042?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail in short: fields, and what else differs from a person's plain question."""

    fields: tuple[str, ...] = ()
    mail_from: str | None = None
    sender: str = "Ana <ana@example.com>"
    body: str = "Where is my order 1042?"

    def raw(self) -> bytes:
        return mail(*self.fields, sender=self.sender, body=self.body.replace("\n", "\r\n"))


def fields(*each: str) -> Mail:
    return Mail(fields=each)


def part(content_type: str, *children: str) -> Mail:
    """A multipart with these children, each of them with its own header."""
    body = "".join(f"--b\n{child}\n" for child in children)
    return Mail(fields=(f"{content_type}; boundary=b",), body=f"{body}--b--")


def hops(number: int) -> Mail:
    return fields(*["Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0000"] * number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the list: mails that it keeps from an answer, and mails that peers suppress by mistake."""

    told: str
    reason: Reason
    suppressed: tuple[Mail, ...]
    answered: tuple[Mail, ...] = field(default=(Mail(),))


def cases(entries: tuple[Entry, ...], *, suppressed: bool) -> list[object]:
    return [
        pytest.param(entry.reason, each, id=f"{entry.told}-{number}")
        for entry in entries
        for number, each in enumerate(entry.suppressed if suppressed else entry.answered)
    ]
