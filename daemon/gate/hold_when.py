"""Evaluates a handler's own conditions for holding a reply; one that fails, holds."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from daemon.gate.case import Case
from daemon.gate.variables import names
from daemon.gate.verdict import Reason
from tools import expression
from tools.expression import Expression, ExpressionFailed, InvalidExpression, Scope


def holds(case: Case) -> Iterator[tuple[Reason, str]]:
    """Each condition that is true or that fails."""
    conditions = case.handler.hold_when if case.handler else ()
    if not conditions:
        return
    try:
        scope = Scope(facts(case))
    except ExpressionFailed as error:
        yield Reason.HOLD_RULE_FAILED, str(error)
        return
    for source in conditions:
        try:
            if _compiled(source).evaluate(scope):
                yield Reason.HOLD_RULE, source
        except (ExpressionFailed, InvalidExpression) as error:
            yield Reason.HOLD_RULE_FAILED, str(error)


@functools.lru_cache(maxsize=1024)
def _compiled(source: str) -> Expression:
    return expression.compile(source, names("hold_when"))


def facts(case: Case) -> Mapping[str, Any]:
    """The variables of a condition: those of rules, and what was decided and proposed."""
    proposal, past = case.proposal, case.past
    return {
        **case.facts,
        "route": {
            "rule": case.routed.rule or "",
            "handler": case.routed.handler or "",
            "priority": case.routed.priority,
        },
        "proposal": {
            "category": proposal.category,
            "body": proposal.body,
            "template": proposal.template or "",
            "language": proposal.language,
            "confidence": -1.0 if proposal.confidence is None else proposal.confidence,
            "missing": list(proposal.missing),
            "escalation": proposal.escalation,
            "fallback": proposal.fallback,
            "calls": len(proposal.results),
        },
        "staged": [
            {
                "tool": write.tool,
                "database": write.database,
                "arguments": dict(write.arguments),
                "amount": write.amount or 0,
                "currency": write.currency or "",
                "impact": write.impact,
                "reversible": write.reversible,
                "protected": list(write.protected),
                "rows": len(write.changes),
            }
            for write in proposal.writes
        ],
        "history": {"messages": past.messages, "replies": past.replies, "held": past.held, "rejected": past.rejected},
    }
