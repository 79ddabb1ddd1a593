"""CEL, the language of rules: compiles conditions, says what is wrong with them, and evaluates them over plain facts.

The engine is `common-expression-language` (the Rust crate `cel`): kept up to date, microseconds an evaluation, regular
expressions in linear time, a bound on nesting. Two things are added, both for text: `.lower()`, `.upper()`,
`.trim()` and `header("name")` as functions, and `in` (`"invoice" in subject`).
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.errors import Permanent
from tools.expression_source import Path, Token, bound_by_macros, disjuncts, normal, paths, tokens, with_text_in
from tools.located import unknown

LENGTH = 4000
"""Characters that an expression may have."""
SHOWN = 200
"""Characters of a text that a trace shows."""
FUNCTIONS: Mapping[str, str] = {
    "lower": "`subject.lower()`: in lower case",
    "upper": "`subject.upper()`: in upper case",
    "trim": "`subject.trim()`: without white space at both ends",
    "header": '`header("list-id")`: the value of that field of the mail, or `""` when it has none',
    "contains": '`subject.contains("invoice")`',
    "startsWith": '`subject.startsWith("Re:")`',
    "endsWith": '`sender.address.endsWith("@example.com")`',
    "matches": "`subject.matches('(?i)order +[0-9]+')`: a regular expression that occurs in the text (RE2 syntax)",
    "size": "`to.size()`: elements of a list or map; octets of a text in UTF-8",
    "duration": '`duration("90m")`',
    "timestamp": '`timestamp("2026-11-03T00:00:00Z")`',
    "getFullYear": "of a time, as are the following, all in UTC",
    "getMonth": "from 0",
    "getDate": "day of the month, from 1",
    "getDayOfMonth": "from 0",
    "getDayOfWeek": "from 0 = Sunday",
    "getDayOfYear": "from 0",
    "getHours": "",
    "getMinutes": "",
    "getSeconds": "",
    "getMilliseconds": "",
    "int": '`int(header("x-score"))`: as a whole number',
    "uint": "as a whole number without sign",
    "double": "as a number",
    "string": "as text",
    "bytes": "as octets",
    "type": "the type of a value",
    "dyn": "no effect",
}
"""The functions of rules. Beside them stand the macros `has`, `exists`, `exists_one`, `all`, `map` and `filter`."""

_TYPES = frozenset({"string", "int", "uint", "double", "bool", "bytes", "list", "map", "null_type"})
_WHERE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_OURS = re.compile(r"Python function call failed: \w+: ([^.]+)")
_UNDEFINED = re.compile(r"Undefined variable or function: '(\w+)'")


class InvalidExpression(Permanent, ValueError):
    """The source is not an expression that could ever be evaluated."""


class ExpressionFailed(Permanent):
    """An expression could not be evaluated over these facts, or is neither true nor false."""


class Scope:
    """Facts made ready for many expressions. Not for several threads at once."""

    __slots__ = ("context", "facts")

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """Convert the facts.

        Raises:
            ExpressionFailed: a fact is of a type that CEL does not know.
        """
        import cel

        headers = facts.get("headers", {})
        self.facts = facts
        try:
            self.context: Any = cel.Context(
                dict(facts), {**_text_functions(), "header": lambda name: headers.get(str(name).lower(), "")}
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise ExpressionFailed(
                f"The facts can't be used in a rule: {error}. Report this with the mail's id."
            ) from error


def _text_functions() -> dict[str, Callable[[Any], Any]]:
    def on_text(name: str, function: Callable[[str], str]) -> Callable[[Any], str]:
        def called(value: Any) -> str:
            if not isinstance(value, str):
                raise TypeError(f"{name}() is for text")
            return function(value)

        return called

    return {
        "lower": on_text("lower", str.lower),
        "upper": on_text("upper", str.upper),
        "trim": on_text("trim", str.strip),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A condition that is ready to be evaluated."""

    source: str
    tokens: tuple[Token, ...] = field(repr=False)
    _program: Any = field(repr=False, compare=False)

    def evaluate(self, facts: "Mapping[str, Any] | Scope") -> bool:
        """Whether the condition holds.

        Raises:
            ExpressionFailed: it can't be evaluated (a missing key, a wrong type), or its value is not true or false.
        """
        scope = facts if isinstance(facts, Scope) else Scope(facts)
        value = self._run(scope)
        if not isinstance(value, bool):
            raise ExpressionFailed(
                f"`{self.source}` is {type(value).__name__}, not true or false. Compare it with something."
            )
        return value

    def _run(self, scope: Scope) -> Any:
        try:
            return self._program.execute(scope.context)
        except KeyError as error:
            raise ExpressionFailed(
                f"`{self.source}` names {error}, which is not there. Guard it with has()."
            ) from error
        except Exception as error:
            raise ExpressionFailed(
                f"`{self.source}` can't be evaluated: {_first_sentence(error)}. Correct the condition."
            ) from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # pyo3's, when the engine itself breaks: not an Exception
                raise
            raise ExpressionFailed(f"`{self.source}` broke the expression engine. Write it differently.") from error

    def problem(self, sample: Mapping[str, Any]) -> str | None:
        """What would go wrong with every mail, found by trying it over sample facts; None when nothing was found.

        Only the types of values are judged: a key or an element that the sample lacks says nothing.
        """
        try:
            self.evaluate(sample)
        except ExpressionFailed as error:
            wrong_type = error.__cause__ is None or isinstance(error.__cause__, TypeError | RuntimeError)
            return str(error) if wrong_type else None
        return None

    def values(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What the condition names, and what it was: `{"sender.verified": True}`. Long text is cut."""
        return {path.text: _shown(_value(path, facts)) for path in paths(self.tokens)}

    @property
    def normal(self) -> str:
        """The source in one spelling."""
        return normal(self.tokens)

    @property
    def alternatives(self) -> frozenset[frozenset[str]]:
        """The sets of conditions each of which makes it true, as far as the outermost `&&` and `||` tell."""
        return disjuncts(self.tokens)


def compile(source: str, variables: Collection[str] | None = None) -> Expression:  # noqa: A001 - `expression.compile` reads as `re.compile` does
    """Make an expression ready.

    Args:
        source: CEL.
        variables: the names that may stand in it, with their members where these are fixed (`sender`,
            `sender.address`); None: any name.

    Raises:
        InvalidExpression: it is not CEL, or names a variable, a member or a function that does not exist. The
            message says which, with the nearest that does.
    """
    _parsed(source)
    parts = tokens(source)
    program = _parsed(with_text_in(source))
    _check_functions(program.functions())
    _check_patterns(parts)
    if variables is not None:
        _check_names(parts, program.variables(), variables)
    return Expression(source=source, tokens=parts, _program=program)


def _parsed(source: str) -> Any:
    import cel

    if not source.strip():
        raise InvalidExpression('The condition is empty. Write "true" for a rule that takes every mail.')
    if len(source) > LENGTH:
        raise InvalidExpression(f"The condition has {len(source)} characters. Keep it under {LENGTH}: split the rule.")
    try:
        return cel.compile(source)
    except ValueError as error:
        raise InvalidExpression(_syntax(str(error))) from error


def _syntax(told: str) -> str:
    found = _WHERE.search(told)
    if not found:
        return "The condition is not CEL. Correct it."
    line, column, what = found.groups()
    what = what.split(", expecting", 1)[0].split(" expecting", 1)[0].removeprefix("Syntax error: ").strip(" .")
    if "Recursion limit" in what:
        what = "it is nested too deeply"
    place = f"column {column}" if line == "1" else f"its line {line}, column {column}"
    return f"The condition is not CEL: at {place}, {what}. Correct it."


def _check_functions(named: Collection[str]) -> None:
    for name in named:
        if name[0].isalpha() and name not in FUNCTIONS:
            raise InvalidExpression(unknown(name, FUNCTIONS, "function"))


def _check_patterns(parts: tuple[Token, ...]) -> None:
    """A regular expression that stands in the rule is tried at once: CEL itself finds it wrong only with a mail."""
    for before, bracket, literal in zip(parts, parts[1:], parts[2:], strict=False):
        if before.text != "matches" or bracket.text != "(" or literal.kind != "string":
            continue
        try:
            _parsed(f'"".matches({literal.text})').execute({})
        except RuntimeError as error:
            reason = str(error).split("error: ")[-1].split(". Check")[0].split("\n")[-1].strip(" .")
            raise InvalidExpression(f"{literal.text} is not a regular expression: {reason}. Correct it.") from error


def _check_names(parts: tuple[Token, ...], named: Collection[str], variables: Collection[str]) -> None:
    roots = {name.split(".")[0] for name in variables}
    for name in sorted(set(named) - bound_by_macros(parts) - _TYPES):
        if name not in roots:
            raise InvalidExpression(unknown(name, roots, "variable"))
    for path in paths(parts):
        _check_member(path, variables)


def _check_member(path: Path, variables: Collection[str]) -> None:
    root = path.parts[0]
    known = {name for name in variables if name.startswith(f"{root}.")}
    if len(path.parts) > 1 and known and f"{root}.{path.parts[1]}" not in known:
        raise InvalidExpression(unknown(f"{root}.{path.parts[1]}", known, "variable"))


def _value(path: Path, facts: Mapping[str, Any]) -> Any:
    if path.text.startswith("header("):
        return facts.get("headers", {}).get(path.parts[1], "")
    value: Any = facts
    for part in path.parts:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _shown(value: Any) -> Any:
    return value[:SHOWN] + "…" if isinstance(value, str) and len(value) > SHOWN else value


def _first_sentence(error: Exception) -> str:
    told = str(error)
    if found := _OURS.search(told):
        return found.group(1)
    if found := _UNDEFINED.search(told):
        return f"{found.group(1)}() is not for a value of this type"
    if isinstance(error, TypeError):
        return "an operation does not fit the types of its values"
    return re.split(r"\. |\n", told, maxsplit=1)[0].strip(" .")
