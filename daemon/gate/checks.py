"""The checks of the gate: pure functions of a case, each of which yields the reasons that it finds to hold.

A check that finds nothing has passed. They are ordered as a reviewer reads: what turns sending off, the mail, what was
proposed, what it would change.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from daemon.gate import facts, hold_when, words
from daemon.gate.case import Case
from daemon.gate.verdict import Reason
from daemon.store.limits import CAPS, Charge, exceeds
from handlers.propose import UNKNOWN_CUSTOMER
from tools import money
from tools.staged import ORIGINS

Found = Iterator[tuple[Reason, str]]
"""Reason and detail for the operator."""
LEAST_CONFIDENCE = 0.5
"""Below it a brain that says how sure it is, isn't."""
SAMPLED = 0.2
"""Share of the mails of a `sampled` category that a person sees."""
_LEVELS = ("off", "sampled", "on")
_SHOWN = 5
_VALUE = 80
_STRANGERS = {
    "unknown": "The address is verified and belongs to no customer.",
    "ambiguous": "The address belongs to several customers. Make it unique in the database.",
}


def switches(case: Case) -> Found:
    """Nobody turned sending off."""
    if case.off == "breaker":
        yield (
            Reason.BREAKER,
            "The breaker turned sending off. See `triaged status`, then run `triaged resume breaker`.",
        )
    elif case.off:
        yield Reason.PAUSED, f"{case.off}. `triaged resume` ends it."


def mode(case: Case) -> Found:
    """The mailbox may send."""
    if case.mode != "live":
        yield Reason.SHADOW, 'The mailbox is in mode = "shadow": nothing leaves.'


def route(case: Case) -> Found:
    """A rule sent the mail to a handler that exists."""
    routed = case.routed
    if routed.outcome != "handle":
        yield Reason(routed.reason or Reason.NO_RULE), routed.detail
    elif case.handler is None:
        yield Reason.RULE_FAILED, f"There is no handler `{routed.handler}`."


def mail(case: Case) -> Found:
    """Parser and screen found nothing that a person should see."""
    known = {reason.value for reason in Reason}
    for note in case.message.notes:
        yield (Reason(note), "") if note in known else (Reason.CHECK_FAILED, f"Unknown note `{note}`.")


def age(case: Case) -> Found:
    """The mail is not old, by our clock and by its own Date."""
    times = [_aware(time) for time in (case.message.received_at, case.message.date) if time is not None]
    oldest = min(times, default=None)
    if oldest is None:
        yield Reason.OLD_MAIL, "Nobody knows when it came."
    elif case.now - oldest > timedelta(seconds=case.max_age):
        yield Reason.OLD_MAIL, f"It is of {oldest:%Y-%m-%d %H:%M} UTC."


def _aware(time: datetime) -> datetime:
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def sender(case: Case) -> Found:
    """The sender is who the mail says; a visitor of a contact form never is, and `auto` of the form lets that pass."""
    given = case.message.sender
    if case.message.form and given.address and Reason.CONTACT_FORM not in case.message.notes:
        return
    if given.verdict != "verified" or not given.address:
        yield Reason.UNVERIFIED, given.detail


def attachments(case: Case) -> Found:
    """Nothing is attached that no one has read."""
    if case.message.attachments:
        yield (
            Reason.ATTACHMENTS,
            ", ".join(part.name or part.content_type for part in case.message.attachments[:_SHOWN]),
        )


def tone(case: Case) -> Found:
    """The mail neither threatens nor rages."""
    for section in ("legal", "angry"):
        if word := words.found(section, _said(case), case.message.language):
            yield Reason.LEGAL, f"It says “{word}”."


def human(case: Case) -> Found:
    """No person takes part, and none is asked for."""
    if case.human:
        yield Reason.HUMAN_WANTED, "A person takes part in this conversation."
    elif match := words.of_words(case.reply.human_words).search(_said(case)):
        yield Reason.HUMAN_WANTED, f"It says “{match.group()}”."


def _said(case: Case) -> str:
    return f"{case.message.subject}\n{case.message.text}"


def language(case: Case) -> Found:
    """The handler speaks the language of the mail and of the reply."""
    if case.handler is None:
        return
    for spoken in dict.fromkeys((case.message.language, case.proposal.language)):
        if spoken and spoken not in case.handler.languages:
            yield Reason.LANGUAGE, f"`{spoken}`; the handler answers in {', '.join(case.handler.languages)}."


def faults(case: Case) -> Found:
    """The handler came to its end."""
    known = {reason.value for reason in Reason}
    for fault, detail in zip_longest(case.proposal.faults, case.proposal.fault_details, fillvalue=""):
        yield (Reason(fault), detail) if fault in known else (Reason.CHECK_FAILED, f"Unknown fault `{fault}`. {detail}")


def category(case: Case) -> Found:
    """The category is declared, and answers by itself."""
    declared = case.handler.category(case.proposal.category) if case.handler else None
    if declared is None:
        if not case.proposal.faults:
            yield Reason.UNKNOWN_CATEGORY, case.proposal.category
        return
    level = min(declared.auto, case.earned, key=_LEVELS.index)
    if level == "off":
        yield Reason.AUTO_OFF, f"`{declared.name}` is answered by people."
    elif level == "sampled" and _drawn(case.message.id):
        yield Reason.SAMPLED, f"One in {round(1 / SAMPLED)} replies of `{declared.name}` is looked at."


def _drawn(message_id: str) -> bool:
    """Whether a mail is in the sample: decided by its id, so that a second look decides the same."""
    return int.from_bytes(hashlib.sha256(message_id.encode()).digest()[:4]) < SAMPLED * 2**32


def customer(case: Case) -> Found:
    """It is known which customer wrote, or the operator's own words say that it is not, or nothing hangs on it."""
    if not case.stranger:
        # a model may say so of somebody whom a tool has found
        if case.proposal.category == UNKNOWN_CUSTOMER and any(result.rows for result in case.proposal.results):
            yield Reason.UNKNOWN_CUSTOMER, "The reply would say that nobody knows the sender, and rows were found."
        return
    declared = case.handler.category(case.proposal.category) if case.handler else None
    if case.proposal.category == UNKNOWN_CUSTOMER:
        fits = case.stranger == "unknown"
    else:
        needed = case.customer_tools.intersection(declared.tools) if declared else case.customer_tools
        fits = bool(declared and case.proposal.template) and not needed
    if not fits:
        yield Reason.UNKNOWN_CUSTOMER, _STRANGERS[case.stranger]


def escalation(case: Case) -> Found:
    """The agent does not ask for a person."""
    if case.proposal.escalation:
        yield Reason.ESCALATED, case.proposal.escalation


def missing(case: Case) -> Found:
    """The sender told everything."""
    if case.proposal.missing:
        yield Reason.MISSING_INFORMATION, ", ".join(case.proposal.missing)


def confidence(case: Case) -> Found:
    """The brain is sure enough, where it says how sure it is."""
    sure = case.proposal.confidence
    if sure is not None and not sure >= LEAST_CONFIDENCE:  # NaN is not sure either
        yield Reason.LOW_CONFIDENCE, f"{sure:.2f}; at least {LEAST_CONFIDENCE:.2f} is asked for."


def model(case: Case) -> Found:
    """The configured model answered."""
    if case.proposal.fallback:
        yield Reason.FALLBACK_MODEL, "The fallback model wrote a part of it."


def tools(case: Case) -> Found:
    """No tool failed, no write was refused, and the category's own tools succeeded."""
    results = case.proposal.results
    for result in results:
        if result.outcome == "failed":
            yield Reason.TOOL_FAILED, f"`{result.call.name}`: {result.detail}"
        elif result.outcome == "refused" and result.call.name in case.write_tools:
            yield Reason.WRITE_REFUSED, f"`{result.call.name}`: {result.detail}"
    declared = case.handler.category(case.proposal.category) if case.handler else None
    told = {
        result.call.name for result in results if result.outcome != "refused" or result.call.name in case.write_tools
    }
    for name in declared.tools if declared else ():
        if name not in told:
            yield Reason.TOOL_FAILED, f"`{name}` found nothing, and `{case.proposal.category}` needs it."


def rows(case: Case) -> Found:
    """The model read no text that somebody else than the sender may have written to it."""
    found = {
        f"`{column}` of `{row.tool}`": None
        for result in case.proposal.results
        for row in result.rows
        for column in sorted(case.of_others.get(row.tool, ()))
        if str(row.values.get(column) or "").strip()
    }
    for read in found:
        yield Reason.UNTRUSTED_ROW, f"{read} was read, which others than the sender may have written."


def writes(case: Case) -> Found:
    """The staged writes belong to the category, leave protected columns alone, and can be undone or have a limit."""
    if case.handler is None:
        return
    declared = case.handler.category(case.proposal.category)
    limited = {limit.tool for limit in case.handler.limits if limit.tool}
    for write in case.proposal.writes:
        if declared is None or write.tool not in declared.tools:
            yield Reason.WRITE_MISMATCH, f"`{write.tool}` is not among the tools of `{case.proposal.category}`."
        if write.protected:
            yield Reason.PROTECTED, f"`{write.tool}` changes {', '.join(write.protected)}."
        if not write.reversible and write.tool not in limited:
            yield Reason.IRREVERSIBLE, f"`{write.tool}` can't be undone, and no [[limit]] names it."


def arguments(case: Case) -> Found:
    """Each argument of a write comes from where its declaration accepts it."""
    for write in case.proposal.writes:
        traces = {trace.parameter: trace for trace in write.traces}
        for name, value in write.arguments.items():
            traced = traces.get(name)
            if value is None or (traced is not None and traced.accepted):
                continue
            where = ORIGINS[traced.origin if traced else "invented"]
            yield Reason.UNTRACED_ARGUMENT, f"`{write.tool}`: {name} = {str(value)[:_VALUE]!r} is from {where}."


def reply(case: Case) -> Found:
    """There is something to send."""
    told = case.proposal.faults or case.proposal.escalation or case.proposal.missing
    if not case.proposal.body.strip() and not told:
        yield Reason.EMPTY_REPLY, ""


def repetition(case: Case) -> Found:
    """It does not say what our last automatic reply said."""
    said = " ".join(case.proposal.body.casefold().split())
    if said and said == " ".join(case.last_reply.casefold().split()):
        yield Reason.REPEATED_REPLY, "The sender got this very text last time."


def grounding(case: Case) -> Found:
    """Every figure, date, sum, link, address, state and promise comes from a row or from the operator's template."""
    claims = facts.ungrounded(case.proposal, case.handler)
    if claims:
        more = f" and {len(claims) - _SHOWN} more" if len(claims) > _SHOWN else ""
        yield Reason.UNGROUNDED, "; ".join(map(str, claims[:_SHOWN])) + more


def limits(case: Case) -> Found:
    """It fits into every limit, on top of what was spent."""
    for charge, spent in zip_longest(case.charges, case.spent):
        if charge is None or spent is None:
            yield Reason.CHECK_FAILED, "What the limits have spent is not known."
        elif exceeds(charge, *spent):
            reason = Reason.RATE_CAP if charge.name in CAPS else Reason.LIMIT
            yield reason, _spent(charge, *spent)


def _spent(charge: Charge, count: int, amount: int) -> str:
    """What a limit allows, what was spent, and what this would take: money as people write it."""
    numbers = [f"{charge.most_count}", f"{count}", f"{charge.count}"]
    if charge.most_amount is not None:
        numbers = [money.shown(each, charge.currency or "") for each in (charge.most_amount, amount, charge.amount)]
    return "`{}` allows {}; {} are spent, and this takes {}.".format(charge.name, *numbers)


MAIL: tuple[tuple[str, Callable[[Case], Found]], ...] = (
    ("switches", switches),
    ("mode", mode),
    ("route", route),
    ("mail", mail),
    ("age", age),
    ("sender", sender),
    ("attachments", attachments),
    ("tone", tone),
    ("human", human),
)
"""Checks of every mail."""
PROPOSAL: tuple[tuple[str, Callable[[Case], Found]], ...] = (
    ("language", language),
    ("customer", customer),
    ("faults", faults),
    ("category", category),
    ("escalation", escalation),
    ("missing", missing),
    ("confidence", confidence),
    ("model", model),
    ("tools", tools),
    ("rows", rows),
    ("writes", writes),
    ("arguments", arguments),
    ("reply", reply),
    ("repetition", repetition),
    ("grounding", grounding),
    ("limits", limits),
    ("hold_when", hold_when.holds),
)
"""Checks of what a handler proposed; without a handler there is nothing to check."""
