"""Decides what becomes of a message by the operator's rules: the first that matches wins, and every step is kept."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from daemon.gate.verdict import Reason
from daemon.route.declaration import FILE, Declaration, RuleDeclaration
from daemon.route.facts import NAMES, SAMPLE
from daemon.route.reach import Reach
from tools import expression, located
from tools.expression import Expression, ExpressionFailed, InvalidExpression, Scope
from tools.located import Document, Fault, Faults, unknown

Outcome = Literal["handle", "hold", "ignore"]
Priority = Literal["high", "normal", "low"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One `[[rule]]`."""

    name: str
    when: Expression
    outcome: Outcome | None
    """None: it files, and the next rule is looked at."""
    handler: str | None = None
    hold: str = ""
    """Why a person should look, in the operator's words."""
    priority: Priority | None = None
    move: str | None = None
    label: tuple[str, ...] = ()
    assign: str | None = None
    language: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A rule that was looked at, and what it said."""

    rule: str
    value: bool | None
    """None: it could not be evaluated."""
    error: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What its condition names, and what that was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What the rules decided."""

    outcome: Outcome
    handler: str | None = None
    rule: str | None = None
    """The rule that decided; None: no rule did."""
    reason: Reason | None = None
    """Why it is held or ignored."""
    detail: str = ""
    priority: Priority = "normal"
    move: str | None = None
    """Folder that the mail is moved to."""
    label: tuple[str, ...] = ()
    assign: str | None = None
    """Reviewer."""
    language: str | None = None
    """Language to answer in; None: the sender's."""
    trace: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of a configuration, in their order."""

    rules: tuple[Rule, ...] = ()

    def route(self, facts: Mapping[str, Any]) -> Route:
        """Where a message with these facts goes (`daemon.route.facts`). Never raises: what fails, holds."""
        trace: list[Step] = []
        filing: list[Rule] = []
        try:
            scope = Scope(facts)
        except ExpressionFailed as error:
            return Route(outcome="hold", reason=Reason.RULE_FAILED, detail=str(error))
        for rule in self.rules:
            step = _look(rule, scope)
            trace.append(step)
            if step.value is None:
                failed = f"Rule {rule.name}: {step.error}"
                return _filed(filing, trace, outcome="hold", rule=rule.name, reason=Reason.RULE_FAILED, detail=failed)
            if step.value:
                filing.append(rule)
            if step.value and rule.outcome:
                return _decided(rule, filing, trace)
        reason = Reason.ROUTE_ONLY_FILED if filing else Reason.NO_RULE
        told = "Rules filed it, and none says what to do with it." if filing else "No rule matches."
        return _filed(filing, trace, outcome="hold", reason=reason, detail=told)

    def explain(self, facts: Mapping[str, Any]) -> tuple[Step, ...]:
        """Every rule, in order, also those after the one that decides."""
        scope = Scope(facts)
        return tuple(_look(rule, scope) for rule in self.rules)


def _look(rule: Rule, scope: Scope) -> Step:
    values = rule.when.values(scope.facts)
    try:
        return Step(rule=rule.name, value=rule.when.evaluate(scope), values=values)
    except ExpressionFailed as error:
        return Step(rule=rule.name, value=None, error=str(error), values=values)


def _decided(rule: Rule, filing: Sequence[Rule], trace: Sequence[Step]) -> Route:
    reasons = {"handle": None, "hold": Reason.RULE_HOLD, "ignore": Reason.RULE_IGNORE}
    outcome = rule.outcome or "hold"
    return _filed(
        filing, trace, outcome=outcome, rule=rule.name, reason=reasons[outcome], detail=rule.hold, handler=rule.handler
    )


def _filed(filing: Sequence[Rule], trace: Sequence[Step], **decision: Any) -> Route:
    """A route with what the matching rules say about filing: the first word on each counts, labels add up."""

    def first(name: str) -> Any:
        return next((value for rule in filing if (value := getattr(rule, name)) is not None), None)

    return Route(
        priority=first("priority") or "normal",
        move=first("move"),
        label=tuple(dict.fromkeys(label for rule in filing for label in rule.label)),
        assign=first("assign"),
        language=first("language"),
        trace=tuple(trace),
        **decision,
    )


def load(path: Path, *, handlers: Collection[str], people: Collection[str] | None = None) -> Rules:
    """Read `rules.toml`.

    Args:
        path: the file.
        handlers: the names of the handlers that rules may send mail to.
        people: the reviewers that rules may assign mail to; None or empty: anybody.

    Raises:
        Faults: everything that is wrong with it.
    """
    return read(located.load(path), handlers=handlers, people=people)


def read(document: Document, *, handlers: Collection[str], people: Collection[str] | None = None) -> Rules:
    """Read rules from a document.

    Raises:
        Faults: everything that is wrong with it.
    """
    declaration = located.validate(document, Declaration)
    faults: list[Fault] = []
    rules: list[Rule] = []
    reach = Reach()
    for number, declared in enumerate(declaration.rule):
        at = ("rule", number)
        faults += _name_faults(declared, declaration.rule[:number], document, at)
        faults += _target_faults(declared, handlers, people, document, at)
        when = _compiled(declared, document, at, faults)
        if when is None:
            continue
        rule = _rule(declared, when, document.line(at))
        if told := reach.add(rule.name, when, decides=rule.outcome is not None):
            faults.append(document.fault((*at, "when"), told))
        rules.append(rule)
    if declaration.route.default == "classify":
        told = 'default = "classify" is not in this version. Use "hold", or end with a rule that takes every mail.'
        faults.append(document.fault(("route", "default"), told))
    if faults:
        raise Faults(faults)
    return Rules(rules=tuple(rules))


def _rule(declared: RuleDeclaration, when: Expression, line: int | None) -> Rule:
    outcome: Outcome | None = None
    if declared.handler is not None:
        outcome = "handle"
    elif declared.hold is not None:
        outcome = "hold"
    elif declared.ignore:
        outcome = "ignore"
    return Rule(
        name=declared.name,
        when=when,
        outcome=outcome,
        handler=declared.handler,
        hold=declared.hold or "",
        priority=declared.priority,
        move=declared.move,
        label=declared.label,
        assign=declared.assign,
        language=declared.language,
        line=line,
    )


def _name_faults(
    declared: RuleDeclaration, earlier: Sequence[RuleDeclaration], document: Document, at: located.Key
) -> list[Fault]:
    if any(rule.name == declared.name for rule in earlier):
        return [document.fault((*at, "name"), f"There is another rule `{declared.name}`. Give this one its own name.")]
    return []


def _target_faults(
    declared: RuleDeclaration,
    handlers: Collection[str],
    people: Collection[str] | None,
    document: Document,
    at: located.Key,
) -> list[Fault]:
    faults = []
    if declared.handler is not None and declared.handler not in handlers:
        faults.append(document.fault((*at, "handler"), unknown(declared.handler, handlers, "handler")))
    if declared.assign is not None and people and declared.assign not in people:
        faults.append(document.fault((*at, "assign"), unknown(declared.assign, people, "person")))
    return faults


def _compiled(declared: RuleDeclaration, document: Document, at: located.Key, faults: list[Fault]) -> Expression | None:
    try:
        when = expression.compile(declared.when, NAMES)
    except InvalidExpression as error:
        faults.append(document.fault((*at, "when"), f"Rule `{declared.name}`: {error}"))
        return None
    if told := when.problem(SAMPLE):
        faults.append(document.fault((*at, "when"), f"Rule `{declared.name}`: {told}"))
    return when


__all__ = ["FILE", "Outcome", "Priority", "Route", "Rule", "Rules", "Step", "load", "read"]
