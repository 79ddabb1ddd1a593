"""Turns what a model said with `propose_reply` into a proposal: the category's conditions, then the body."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from handlers import faults, slots, templates, untrusted
from handlers.contract import Category, Proposal, ToolResult
from handlers.formats import SlotError
from handlers.propose import OTHER, Answer
from handlers.slots import Filled
from handlers.templates import Material, TemplateFailed
from tools.staged import StagedWrite

_SENTENCE = 500

Found = tuple[str, str]
"""A fault, and one sentence about it for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """The best proposal that an answer gives."""

    proposal: Proposal
    """Complete even when it has faults, since a person will read it then."""
    complaint: str = ""
    """What the model could do better, as a sentence for it; empty: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    filled: Filled
    template: str | None = None
    found: tuple[Found, ...] = ()
    complaint: str = ""


def conclude(answer: Answer, material: Material) -> Conclusion:
    """Make a proposal of an answer."""
    handler, results = material.handler, material.results
    category = handler.category(answer.category)
    language = answer.language if answer.language in handler.languages else handler.languages[0]
    writes = tuple(result.staged for result in results if result.staged is not None)
    conditions = tuple(unmet(category, results))
    body = _body(answer, material, None if conditions else category, language)
    found = (*conditions, *body.found, *_mismatches(category, writes, body.filled))
    proposal = Proposal(
        category=category.name if category else OTHER,
        body=body.filled.body,
        facts=body.filled.facts,
        template=body.template,
        language=body.filled.language,
        missing=tuple(untrusted.line(item, limit=_SENTENCE) for item in answer.missing),
        escalation=untrusted.line(answer.escalate, limit=_SENTENCE),
        writes=writes,
        results=tuple(results),
        faults=tuple(fault for fault, _ in found),
        fault_details=tuple(detail for _, detail in found),
    )
    return Conclusion(proposal=proposal, complaint=body.complaint)


def unmet(category: Category | None, results: Sequence[ToolResult]) -> Iterator[Found]:
    """What is still missing before a mail of the category can be answered."""
    if category is None:
        yield faults.UNKNOWN_CATEGORY, "The mail fits none of the handler's categories. Answer it by hand."
        return
    for tool in category.tools:
        ended = [result for result in results if result.call.name == tool]
        if any(result.outcome == "ok" for result in ended):
            continue
        failed = next((result for result in ended if result.outcome == "failed"), None)
        last = failed or (ended[-1] if ended else None)
        why = f"It answered: {last.detail or last.content}" if last else "It was not called."
        fault = faults.TOOL_FAILED if failed else faults.MISSING_INFORMATION
        yield fault, f"`{category.name}` needs `{tool}`, which did not succeed. {why}"


def _body(answer: Answer, material: Material, category: Category | None, language: str) -> _Body:
    """The operator's template where the category has one and its conditions are met, else what the model wrote.

    Args:
        answer: what the model said.
        material: what there is to write with.
        category: None: unknown, or its conditions are not met, so that the body is a draft for a person at best.
        language: of the reply.
    """
    if category and category.template and not answer.missing:
        return _from_template(material, category.template, language)
    nothing = Filled(body="", language=language)
    if not answer.body.strip():
        wanted = category is not None and not answer.escalate and not answer.missing
        return _Body(filled=nothing, complaint="There is no template for this: write the body." if wanted else "")
    try:
        return _Body(filled=slots.fill(answer.body, material.rows, material.columns, language))
    except SlotError as error:
        found = (faults.TEMPLATE_FAILED, f"The model's text can't be filled: {error}")
        return _Body(filled=nothing, found=(found,), complaint=str(error))


def _from_template(material: Material, template: str, language: str) -> _Body:
    try:
        return _Body(filled=templates.render(material, template, language), template=template)
    except TemplateFailed as error:
        nothing = Filled(body="", language=language)
        return _Body(filled=nothing, template=template, found=((faults.TEMPLATE_FAILED, str(error)),))


def _mismatches(category: Category | None, writes: Sequence[StagedWrite], filled: Filled) -> Iterator[Found]:
    """Writes that the category does not ask for, and writes about another row than the reply speaks of."""
    for write in writes:
        if category and write.tool not in category.tools:
            yield faults.WRITE_MISMATCH, f"`{write.tool}` was staged, which `{category.name}` does not include."
        for column, argument in write.arguments.items():
            told = {str(fact.value) for fact in filled.facts if fact.column == column}
            if told and str(argument) not in told:
                yield (
                    faults.WRITE_MISMATCH,
                    f"The reply tells another `{column}` than `{write.tool}` was staged with. Compare the two.",
                )
