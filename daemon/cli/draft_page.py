"""Prints everything that a person needs to decide about a draft, on one page."""

import textwrap
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from daemon.cli.output import age, say
from daemon.review.view import DraftView
from handlers.contract import Message, Sender, ToolResult
from tools import money
from tools.staged import ORIGINS, Change, StagedWrite

WIDTH = 80
_OUT = {"delivery-uncertain": "It may have left already.", "bounced": "It left and came back."}


def show(page: DraftView, *, suffix: str = "") -> None:
    """Print the page; `suffix` ends the commands that it names, so that they can be copied as they stand."""
    for line in lines(page, suffix):
        say(line)


def lines(page: DraftView, suffix: str = "") -> Iterator[str]:
    """The page, line by line."""
    line = page.line
    yield f"Draft {line.id}  {line.state}  revision {page.revision} by {page.author}  {age(line.created_at)} old"
    if line.leaves_at is not None:
        when = age(line.leaves_at) if line.leaves_at > datetime.now(UTC) else "now"
        yield f"It leaves {when}. To take it back: triaged drafts recall {line.id}{suffix}"
    yield ""
    yield from _why(page)
    for message in page.messages:
        yield from _mail(message)
    yield from _reply(page)
    yield from _evidence(page.calls)
    yield from _writes(page.writes, applied=page.applied)
    yield from _past(page)
    if line.state == "held":
        yield from _what_now(page, suffix)


def _head(title: str) -> Iterator[str]:
    yield f"── {title} ".ljust(WIDTH, "─")


def _why(page: DraftView) -> Iterator[str]:
    yield from _head("WHY IT WAITS" if page.line.state == "held" else "DECIDED")
    route = page.route
    rule, line = route.get("rule") or "none", page.line
    category = f"category {line.category or 'none'}, {page.brain or 'no'} brain, priority {line.priority}"
    yield _wrapped("", f"rule {rule} → handler {line.handler or 'none'}, {category}")
    if page.line.state == "held":
        told = {check.get("reason"): str(check.get("detail", "")) for check in page.checks if not check.get("passed")}
        for reason in page.line.reasons:
            yield _wrapped(f"✗ {reason}", told.get(reason, ""))
    passed = [str(check["name"]) for check in page.checks if check.get("passed")]
    if passed:
        yield textwrap.fill("✓ " + ", ".join(passed), WIDTH, initial_indent="  ", subsequent_indent="    ")
    if page.proposal.escalation:
        yield _wrapped("the agent says", page.proposal.escalation)
    if page.proposal.missing:
        yield _wrapped("missing", ", ".join(page.proposal.missing))
    yield ""


def who(sender: Sender) -> str:
    """Name, address, and whether that is proved."""
    name = f"{sender.name} " if sender.name else ""
    return f"{name}<{sender.address}>  {sender.verdict}{f' ({sender.detail})' if sender.detail else ''}"


def _mail(message: Message) -> Iterator[str]:
    yield from _head("THE MAIL")
    yield f"  from     {who(message.sender)}"
    yield f"  subject  {message.subject}"
    if message.attachments:
        yield "  attached " + ", ".join(
            f"{part.name or 'unnamed'} ({part.content_type}, {part.size} octets)" for part in message.attachments
        )
    yield ""
    yield _quoted(message.text or "(no text)", "  │ ")
    yield ""


def _reply(page: DraftView) -> Iterator[str]:
    yield from _head("THE REPLY")
    made = f"template {page.text.template}" if page.text.template else "written by the model or a person"
    yield f"  to       {page.messages[-1].sender.address}   ({made}, {page.text.language})"
    yield ""
    yield _quoted(page.text.body or "(no text yet)", "  ▏ ")
    yield ""
    for fact in page.text.facts:
        yield f"  ✓ {fact.shown}  ← {fact.slot} from {fact.tool}"
    if page.text.facts:
        yield ""


def _evidence(calls: tuple[ToolResult, ...]) -> Iterator[str]:
    if not calls:
        return
    yield from _head("WHAT WAS LOOKED UP")
    for result in calls:
        arguments = ", ".join(f"{key}={value}" for key, value in result.call.arguments.items())
        how = " (prefetched)" if result.prefetched else ""
        yield f"  {result.call.name}({arguments}) → {result.outcome}{how}, {result.milliseconds} ms"
        if result.detail and result.outcome != "ok":
            yield _wrapped("", result.detail)
        for row in result.rows:
            yield _wrapped(f"  {row.reference}:", _values(row.values))
    yield ""


def _writes(writes: tuple[StagedWrite, ...], *, applied: bool) -> Iterator[str]:
    if not writes:
        return
    yield from _head("WHAT IT HAS CHANGED" if applied else "WHAT IT WOULD CHANGE")
    for write in writes:
        amount = f", {money.shown(write.amount, write.currency or '')}" if write.amount is not None else ""
        yield f"  {write.tool} on {write.database}{amount}{'' if write.reversible else ', can not be undone'}"
        yield from _arguments(write)
        yield from changes(write)
    yield ""


def changes(write: StagedWrite) -> Iterator[str]:
    """What a write does to each row, line by line."""
    for change in write.changes:
        yield from _change(change)
    if not write.changes:
        yield "    = nothing changes: the rows are so already"


def _arguments(write: StagedWrite) -> Iterator[str]:
    """Each argument and where it comes from; what holds the reply is marked."""
    traces = {trace.parameter: trace for trace in write.traces}
    for name, value in write.arguments.items():
        if value is not None:
            trace = traces.get(name)
            where = ORIGINS[trace.origin] if trace else "not traced"
            yield _wrapped(f"  {'·' if trace and trace.accepted else '✗'} {name}", f"{value} ({where})")


def _change(change: Change) -> Iterator[str]:
    if change.before is None:
        yield _wrapped(f"    + {change.table}", _values(change.after or {}))
    elif change.after is None:
        yield _wrapped(f"    - {change.table}", _values(change.before))
    else:
        for column, after in change.after.items():
            before = change.before.get(column)
            if before != after:
                yield f"    ~ {change.table}.{column}: {before} → {after}"


def _past(page: DraftView) -> Iterator[str]:
    if not (page.answers or page.reviews or page.told):
        return
    yield from _head("SO FAR")
    for at, who, action, note in page.reviews:
        yield f"  {at:%Y-%m-%d %H:%M} UTC  {who}: {action}{f': {note}' if note else ''}"
    for state, answer in page.answers:
        yield _wrapped(f"delivery {state}", answer)
    for told in page.told:
        yield _wrapped(f"{told.at:%Y-%m-%d %H:%M} UTC  told by a mail server ({told.message}):", told.detail)
    yield ""


def _what_now(page: DraftView, suffix: str) -> Iterator[str]:
    yield from _head("WHAT NOW")
    identifier = page.line.id
    if out := next((told for reason, told in _OUT.items() if reason in page.line.reasons), None):
        yield f"  {out} To send it again all the same:"
        yield f'  triaged drafts approve {identifier} --resend "why"{suffix}'
    elif page.text.body.strip():
        yield f"  triaged drafts approve {identifier}{suffix}"
    yield f"  triaged drafts edit {identifier}{suffix}"
    if not out:
        yield f'  triaged drafts redraft {identifier} --hint "…"{suffix}'
    yield f'  triaged drafts reject {identifier} --reason "…"{suffix}'


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items() if value is not None)


def _wrapped(head: str, text: str) -> str:
    whole = f"{head}  {text}".strip() if head else text
    return textwrap.fill(" ".join(whole.split()), WIDTH, initial_indent="  ", subsequent_indent="      ")


def _quoted(text: str, mark: str) -> str:
    wrapped = [piece for line in text.splitlines() for piece in (textwrap.wrap(line, WIDTH - len(mark)) or [""])]
    return "\n".join(f"{mark}{piece}".rstrip() for piece in wrapped)
