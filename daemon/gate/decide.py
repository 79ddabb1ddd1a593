"""Decides whether a reply leaves by itself: only when every check passes (promise P9)."""

from collections.abc import Callable

from daemon.gate import checks
from daemon.gate.case import Case
from daemon.gate.checks import Found
from daemon.gate.verdict import Check, Reason, Verdict


def decide(case: Case) -> Verdict:
    """The verdict, with every check, passed ones too. Never raises: a check that breaks, holds."""
    if case.routed.outcome == "ignore":
        told = Check(name="route", passed=False, reason=Reason.RULE_IGNORE, detail=case.routed.detail)
        return Verdict(outcome="ignore", checks=(told,))
    looked = checks.MAIL if case.handler is None else checks.MAIL + checks.PROPOSAL
    results = tuple(result for name, check in looked for result in _look(name, check, case))
    sends = case.handler is not None and case.routed.outcome == "handle" and all(result.passed for result in results)
    return Verdict(outcome="send" if sends else "hold", checks=results)


def _look(name: str, check: Callable[[Case], Found], case: Case) -> tuple[Check, ...]:
    try:
        found = tuple(Check(name=name, passed=False, reason=reason, detail=detail) for reason, detail in check(case))
    except Exception as error:  # noqa: BLE001 - whatever it is, a person looks
        told = f"The check broke with {type(error).__name__}. Report it with the mail's id."
        return (Check(name=name, passed=False, reason=Reason.CHECK_FAILED, detail=told),)
    return found or (Check(name=name, passed=True),)
