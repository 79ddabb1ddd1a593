"""Decides what should become of a mail: route, handle, gate. It reads, stages and asks, and changes nothing.

The daemon stores what comes out of it (`daemon/pipeline.py`); `triaged try` prints it. There is one road.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from daemon import identity
from daemon.brain.budget import Daily, MessageBudget
from daemon.gate import charges as charging
from daemon.gate.case import Case, Past, Routed
from daemon.gate.decide import decide
from daemon.gate.verdict import Reason, Verdict
from daemon.release import Release
from daemon.route import facts as routing
from daemon.route.rules import Route
from daemon.store.limits import Charge
from handlers.contract import Brain, BrainBusy, Context, Exchange, Handler, Journal, Message, Proposal
from handlers.toolbox import Toolbox
from handlers.work import WORKS
from tools.bound import Bound
from tools.identity import Found, find
from tools.outcome import Failed, Refused

T = TypeVar("T")

_DOUBT = ("verified", "unverified", "failed")
UNREADABLE = frozenset({Reason.UNPARSABLE, Reason.OVERSIZE, Reason.ENCRYPTED, Reason.EMPTY, Reason.ATTACHMENT_ONLY})
"""What leaves nothing for a model to read: such a mail goes to a person as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The mails to answer together, and what is known of their conversation."""

    messages: tuple[Message, ...]
    conversation: str
    journal: Journal
    history: tuple[Exchange, ...] = ()
    last_reply: str = ""
    hint: str = ""
    human: bool = False
    as_human_mail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What should become of the mails."""

    message: Message
    """The mails as one: the newest, with the words of all."""
    route: Route
    proposal: Proposal
    verdict: Verdict
    charges: tuple[Charge, ...] = ()
    deadline: datetime | None = None
    ends_autonomy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mind:
    """What considering a mail needs."""

    release: Release
    brain: Brain
    brain_name: str
    daily: Daily | None
    tools: Executor
    """Threads for tool calls; their deadlines lie in the engines."""
    past: Callable[[Message], Awaitable[Past]]
    """What the store knows of the sender."""
    off: Callable[[str, str | None], Awaitable[str | None]]
    """Mailbox, handler → the switch that keeps its replies from leaving."""
    spent: Callable[[Sequence[Charge]], Awaitable[Sequence[tuple[int, int]]]]
    """What each limit has spent already."""
    scope: Callable[[str, str, str], str]
    """Limit, per, value → look-up value."""
    clock: Callable[[], datetime]


async def consider(mind: Mind, question: Question) -> Answer:
    """Route, handle and judge.

    Raises:
        BrainBusy: the model can't answer now, and the handler's deadline has not passed.
    """
    now = mind.clock()
    message = as_one(question.messages, as_human_mail=question.as_human_mail)
    conversation = routing.Conversation(
        messages=len(question.history) + len(question.messages), replies=sum(each.ours for each in question.history)
    )
    facts = routing.facts(message, now=now, conversation=conversation)
    route = mind.release.rules.route(facts)
    if route.language:
        message = replace(message, language=route.language)
    handler = mind.release.handlers.get(route.handler or "") if route.outcome == "handle" else None
    who = Found()
    proposal = Proposal(language=message.language or "en")
    if handler is not None and not UNREADABLE.intersection(message.notes):
        who, proposal = await _known(mind, question, message, handler, now)
    charges = charging.charges(mind.release.config, handler, message, proposal, question.conversation, scope=mind.scope)
    verdict = decide(
        Case(
            message=message,
            facts=facts,
            mode=mind.release.config.mailbox[message.mailbox].mode,
            routed=_routed(route),
            handler=handler,
            proposal=proposal,
            charges=charges,
            spent=tuple(await mind.spent(charges)),
            off=await mind.off(message.mailbox, route.handler),
            human=question.human,
            now=now,
            max_age=mind.release.config.limits.max_age,
            reply=mind.release.config.reply,
            last_reply=question.last_reply,
            past=await mind.past(message),
            stranger=who.problem,
            customer_tools=identity.asking(handler, mind.release.tools) if handler else frozenset(),
            of_others={tool.name: tool.of_others() for tool in mind.release.tools.values()},
            write_tools=frozenset(tool.name for tool in mind.release.tools.values() if tool.kind == "write"),
        )
    )
    return Answer(
        message=message,
        route=route,
        proposal=proposal,
        verdict=verdict,
        charges=charges,
        deadline=due(message, handler, now) if handler else None,
        ends_autonomy=Reason.HUMAN_WANTED in verdict.reasons,
    )


def as_one(messages: Sequence[Message], *, as_human_mail: bool = False) -> Message:
    """A burst as one mail: the newest, with the words, attachments and doubts of all, as old as the oldest."""
    newest = messages[-1]
    worst = max((message.sender for message in messages), key=lambda sender: _DOUBT.index(sender.verdict))
    notes = dict.fromkeys(note for message in messages for note in message.notes)
    if as_human_mail:
        notes[Reason.AUTOMATIC.value] = None
    return replace(
        newest,
        sender=worst,
        received_at=min((message.received_at for message in messages if message.received_at), default=None),
        text="\n\n".join(message.text for message in messages if message.text),
        attachments=tuple(part for message in messages for part in message.attachments),
        notes=tuple(notes),
        form=all(message.form for message in messages),
    )


async def _known(
    mind: Mind, question: Question, message: Message, handler: Handler, now: datetime
) -> tuple[Found, Proposal]:
    """Find out which customer wrote, where a tool has to know it, and handle the mail."""
    asking = identity.asking(handler, mind.release.tools)
    try:
        who = await _who(mind, message, now) if asking else Found()
    except (Failed, Refused) as error:
        told = f"Nobody could say which customer wrote: {error.detail}"
        language = message.language or "en"
        return Found(), Proposal(language=language, faults=(Reason.TOOL_FAILED.value,), fault_details=(told,))
    proposal = await _handle(mind, question, message, handler, now, who.customer)
    if who.problem == "unknown":
        columns = {tool.name: tool.columns for tool in mind.release.tools.values()}
        proposal = identity.as_stranger(handler, message, proposal, columns, asking)
    return who, proposal


async def _who(mind: Mind, message: Message, now: datetime) -> Found:
    """Which customer a verified sender is; without `[identity.NAME]` for the mailbox nobody is."""
    proven, catalogue = mind.release.identities.get(message.mailbox), mind.release.tools
    if proven is None or message.sender.verdict != "verified" or not message.sender.address:
        return Found()
    return await _hop(mind.tools)(lambda: find(proven, message.sender.address, now, catalogue))


async def _handle(
    mind: Mind, question: Question, message: Message, handler: Handler, now: datetime, customer: str | None
) -> Proposal:
    if mind.daily is not None and (gone := await mind.daily.gone()):
        return Proposal(language=message.language or "en", faults=(Reason.BUDGET.value,), fault_details=(gone,))
    settings = mind.release.config.brain
    sender = message.sender
    bound = Bound(
        sender=sender.address if sender.verdict == "verified" else None,
        customer=customer,
        conversation=question.conversation,
        now=now,
    )
    toolbox = Toolbox(
        handler=handler,
        catalogue=mind.release.tools,
        bound=bound,
        sender=sender,
        run=_hop(mind.tools),
        words=f"{message.subject}\n{message.text}",
    )
    context = Context(
        brain=mind.brain,
        tools=toolbox,
        journal=question.journal,
        budget=MessageBudget(
            max_turns=settings.max_turns,
            tokens_per_message=settings.tokens_per_message,
            daily=mind.daily,
            replayed=len(question.journal.turns()),
        ),
        now=now,
        columns={tool.name: tool.columns for tool in mind.release.tools.values()},
        history=question.history,
        hint=question.hint,
    )
    try:
        return await WORKS[handler.pattern]().run(handler, message, context)
    except BrainBusy as error:
        if now < due(message, handler, now):
            raise
        # past the deadline people answer, undrafted; the customer never hears of it (promise P10)
        told = (Reason.DEADLINE.value,), (str(error),)
        return Proposal(language=message.language or "en", faults=told[0], fault_details=told[1])


def due(message: Message, handler: Handler, now: datetime) -> datetime:
    """When a mail that no model could answer goes to people."""
    return (message.received_at or now) + timedelta(seconds=handler.deadline)


def _hop(executor: Executor) -> Callable[[Callable[[], T]], Awaitable[T]]:
    async def run(call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, call)

    return run


def _routed(route: Route) -> Routed:
    return Routed(
        outcome=route.outcome,
        rule=route.rule,
        handler=route.handler,
        reason=route.reason.value if route.reason else None,
        detail=route.detail,
        priority=route.priority,
    )
