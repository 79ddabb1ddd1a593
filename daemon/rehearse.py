"""Considers a mail as the daemon would, without a store: nothing is kept, nothing leaves, writes are rolled back."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from daemon.accounts import MailboxConfig
from daemon.brain.choice import choose
from daemon.consider import Answer, Mind, Question, consider
from daemon.gate.case import Past
from daemon.inbound import settings
from daemon.inbound.arrival import Arrival, Envelope
from daemon.inbound.resolver import KeyResolver
from daemon.inbound.screen import Screened
from daemon.inbound.screening import Screening
from daemon.outbound.compose import compose
from daemon.release import Release
from daemon.store.limits import Charge
from handlers.contract import Message, Turn
from tools.errors import TriagedError

_KEY = b"rehearsal"
"""Marks of a rehearsal are worth nothing: nothing leaves."""


class _Forgetful:
    """A journal that keeps nothing."""

    def turns(self) -> tuple[Turn, ...]:
        """None were recorded."""
        return ()

    async def record(self, turn: Turn) -> None:
        """Forget it."""


class Rehearsal:
    """The path of a mail up to the verdict, for `triaged try`."""

    def __init__(self, release: Release, *, mailbox: str, model: bool = True) -> None:
        """Prepare.

        Args:
            release: the configuration.
            mailbox: the one that the mails would have come to.
            model: False stops after the screen.
        """
        self._release = release
        self._name = mailbox
        self._mailbox: MailboxConfig = release.config.mailbox[mailbox]
        self._screen = settings.of(release.config, mailbox, mark_key=_KEY)
        self._model = model
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._screening = Screening(keys=KeyResolver())
        self._stack.callback(self._screening.close)
        self._tools = self._stack.enter_context(ThreadPoolExecutor(2, thread_name_prefix="tools"))
        if self._model:
            self._chosen = choose(self._release.config, self._release.handlers.values(), mark_key=_KEY)
            await self._chosen.start()
            self._stack.push_async_callback(self._chosen.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def report(self, raw: bytes, *, file: str, envelope: Envelope) -> dict[str, Any]:
        """What would happen to a mail, as the object that `triaged try --json` prints; never raises for the mail."""
        most = self._mailbox.max_size
        arrival = Arrival(
            mailbox=self._name,
            raw=raw[:most],
            received_at=datetime.now(UTC),
            envelope=envelope,
            oversize=len(raw) if len(raw) > most else None,
        )
        screened = await self._screening.screen(arrival, self._screen, "rehearsal")
        result = _empty(file, screened)
        if screened.automatic is not None:
            return {**result, "outcome": "ignore", "reasons": [screened.automatic.value, *screened.message.notes]}
        if not self._model:
            return {**result, "outcome": "handle", "reasons": list(screened.message.notes)}
        try:
            question = Question(messages=(screened.message,), conversation="rehearsal", journal=_Forgetful())
            answer = await consider(self._mind(), question)
        except TriagedError as error:
            return {**result, "outcome": "hold", "error": str(error)}
        return {**result, **self._told(answer)}

    def _mind(self) -> Mind:
        return Mind(
            release=self._release,
            brain=self._chosen.brain,
            brain_name=self._chosen.brain.name,
            daily=None,
            tools=self._tools,
            past=_no_past,
            off=_nothing_off,
            spent=_nothing_spent,
            scope=lambda *parts: "\0".join(parts),
            clock=lambda: datetime.now(UTC),
        )

    def _told(self, answer: Answer) -> dict[str, Any]:
        proposal = answer.proposal
        return {
            "route": {"rule": answer.route.rule, "handler": answer.route.handler},
            "category": proposal.category or None,
            "outcome": answer.verdict.outcome,
            "reasons": [reason.value for reason in answer.verdict.reasons],
            "checks": [
                {
                    "name": check.name,
                    "outcome": "passed" if check.passed else "held",
                    "reason": check.reason,
                    "detail": check.detail,
                }
                for check in answer.verdict.checks
            ],
            "draft": self._draft(answer.message, answer) if proposal.body else None,
            "staged": [asdict(write) for write in proposal.writes],
            "calls": [
                {"tool": each.call.name, "arguments": dict(each.call.arguments), "outcome": each.outcome}
                for each in proposal.results
            ],
            "input_tokens": sum(turn.reply.usage.input_tokens for turn in proposal.turns),
            "output_tokens": sum(turn.reply.usage.output_tokens for turn in proposal.turns),
        }

    def _draft(self, message: Message, answer: Answer) -> dict[str, str]:
        config = self._release.config
        composed = compose(
            message=message,
            raw_quote=message.text,
            body=answer.proposal.body,
            revision=1,
            mailbox=self._mailbox,
            reply=config.reply,
            mark_key=_KEY,
            automatic=answer.verdict.outcome == "send",
            language=answer.proposal.language,
            now=datetime.now(UTC),
            envelope_from=config.smtp.envelope_from,
        )
        return {"to": composed.rcpt_to, "subject": composed.subject, "body": answer.proposal.body}


def _empty(file: str, screened: Screened) -> dict[str, Any]:
    """Every key of the object, in the documented order."""
    sender = screened.message.sender
    return {
        "file": file,
        "message_id": screened.message.message_id,
        "sender": {"address": sender.address, "verdict": sender.verdict},
        "automatic": screened.automatic is not None,
        "reasons": [],
        "route": {"rule": None, "handler": None},
        "category": None,
        "outcome": "hold",
        "checks": [],
        "draft": None,
        "staged": [],
        "calls": [],
        "input_tokens": 0,
        "output_tokens": 0,
        "error": None,
    }


async def _no_past(_: Message) -> Past:
    return Past()


async def _nothing_off(_: str, __: str | None) -> str | None:
    return None


async def _nothing_spent(charges: Sequence[Charge]) -> list[tuple[int, int]]:
    return [(0, 0) for _ in charges]
