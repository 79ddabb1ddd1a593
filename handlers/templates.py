"""Renders the operator's reply templates: sandboxed Jinja whose printed values are slots, each recorded as a fact."""

import functools
import re
import string
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from handlers import slots
from handlers.contract import Fact, Handler, Message, Row, ToolResult
from handlers.formats import SlotError
from handlers.slots import Columns, Filled
from tools.errors import Permanent

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

VARIABLES: Final = frozenset({"sender", "language", "every"})
"""What a template sees beside the references."""

_MARK: Final = re.compile("\ufdd0([0-9]+)\ufdd1")
"""A printed slot until its value is put in. Noncharacters: no value brings them, since `untrusted` drops them."""
_STRAY: Final = re.compile("[\ufdd0\ufdd1]")
_GAPS: Final = re.compile(r"[ \t]*\n(?:[ \t]*\n){2,}")
_FILTERS: Final = ("default", "join", "length")
"""Filters that leave a slot's mark whole; any other is a fault at load."""
_GREETED: Final = 60
_NAME_MARKS: Final = frozenset(" -'\u2019.")
_NAME_DOT: Final = re.compile(r"\.(?=\S)")


class TemplateFailed(Permanent):
    """The operator's template can't be compiled, or not be rendered with what was found."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        """Where in the template, counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a run has to write a reply with."""

    handler: Handler
    message: Message
    results: Sequence[ToolResult]
    """Every tool call; their rows are the references."""
    columns: Columns

    @property
    def rows(self) -> tuple[Row, ...]:
        """Each row once, in the order of its return."""
        return tuple({row.reference: row for result in self.results for row in result.rows}.values())


class Slot:
    """A value in a template: compares as the database returned it, prints as people write it, and leaves a fact."""

    __slots__ = ("_print", "_value")

    def __init__(self, value: Any, printed: Callable[[], str]) -> None:
        self._value = value
        self._print = printed

    def __str__(self) -> str:
        return self._print()

    def __eq__(self, other: object) -> bool:
        return bool(self._value == _raw(other))

    def __hash__(self) -> int:
        return hash(self._value)

    def __lt__(self, other: Any) -> bool:
        return bool(self._value < _raw(other))

    def __le__(self, other: Any) -> bool:
        return bool(self._value <= _raw(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self._value > _raw(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self._value >= _raw(other))

    def __bool__(self) -> bool:
        return bool(self._value)


class Reference:
    """A row in a template: `order.total` is a slot."""

    __slots__ = ("_printed", "_rivals", "_row")

    def __init__(self, row: Row, printed: Callable[[Row, str], str], rivals: tuple[str, ...] = ()) -> None:
        self._row = row
        self._printed = printed
        self._rivals = rivals

    def __getitem__(self, column: str) -> Slot:
        if self._rivals:
            several = ", ".join((self._row.reference, *self._rivals))
            raise SlotError(f"`{self._row.reference}` could be any of {several}, and only a person can say which.")
        return Slot(self._row.values[column], functools.partial(self._printed, self._row, column))

    def __str__(self) -> str:
        raise SlotError(f"`{self._row.reference}` is a whole row. Name a column: `{self._row.reference}.column`.")


def render(material: Material, template: str, language: str) -> Filled:
    """Render a template with the rows of a run.

    Args:
        material: what there is to write with. Where two calls found different rows of one name, the bare reference is
            refused: nobody knows which of them the mail is about.
        template: its name, without language.
        language: the language wanted; the reply is in it only if the template exists in it.

    Raises:
        TemplateFailed: a value is missing, NULL or ambiguous, or the template asks for something that does not exist.
    """
    from jinja2 import TemplateError

    name, spoken = choose(material.handler, template, language)
    facts: list[Fact] = []

    def printed(row: Row, column: str) -> str:
        facts.append(slots.fact(row, column, material.columns, spoken))
        return f"\ufdd0{len(facts) - 1}\ufdd1"

    sender = {"name": greeting(material.message.sender.name)}
    variables = {**_references(material.results, printed), "sender": sender, "language": spoken}
    try:
        text = compiled(material.handler.templates[name]).render(variables)
        text = _GAPS.sub("\n\n", text).strip()
        filled = slots.assemble(text, _MARK, lambda mark: facts[int(mark.group(1))], spoken)
    except (TemplateError, SlotError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise TemplateFailed(f"Template `{name}` can't be filled: {error}") from error
    if _STRAY.search(filled.body):
        raise TemplateFailed(f"Template `{name}` changes a slot after it was printed. Print it as it is.")
    return filled


def choose(handler: Handler, template: str, language: str) -> tuple[str, str]:
    """The name of the file that answers in a language, and the language that it is in.

    Raises:
        TemplateFailed: the handler has no such template.
    """
    first = handler.languages[0]
    for name, spoken in ((f"{template}.{language}", language), (template, first), (f"{template}.{first}", first)):
        if name in handler.templates:
            return name, spoken
    raise TemplateFailed(f"There is no template `{template}`. Write templates/{template}.md.")


def compiled(source: str) -> "Template":
    """Compile a template.

    Raises:
        TemplateFailed: what is wrong with it, and in which line.
    """
    from jinja2 import TemplateSyntaxError

    if _STRAY.search(source):
        raise TemplateFailed("The template holds U+FDD0 or U+FDD1, which no text may hold. Delete it.")
    try:
        return _compiled(source)
    except TemplateSyntaxError as error:
        raise TemplateFailed(f"The template does not compile: {error.message}", line=error.lineno) from error


def greeting(name: str) -> str:
    """A display name as it may stand in a greeting: letters only, since its author is the sender; else empty."""
    words = " ".join(name.split())
    harmless = all(character in _NAME_MARKS or unicodedata.category(character)[0] in "LM" for character in words)
    return words if harmless and len(words) <= _GREETED and not _NAME_DOT.search(words) else ""


@functools.cache
def environment() -> "ImmutableSandboxedEnvironment":
    """The one environment: undefined names raise, no filter changes a slot, text has no attributes."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            return not isinstance(obj, str) and super().is_safe_attribute(obj, attr, value)

    made = Sandbox(
        undefined=StrictUndefined,
        autoescape=False,  # replies are plain text; the HTML part is escaped where it is composed
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters = {name: made.filters[name] for name in _FILTERS}
    made.globals = {"namespace": made.globals["namespace"]}
    return made


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> "Template":
    return environment().from_string(source)


def _references(results: Sequence[ToolResult], printed: Callable[[Row, str], str]) -> dict[str, Any]:
    """Each row under its reference, and under `every` all rows of a name: `every.recent`."""
    rows = {row.reference: row for result in results for row in result.rows}
    answers = dict.fromkeys(result.rows[0].reference for result in results if result.rows)
    references: dict[str, Any] = {}
    every: dict[str, list[Reference]] = {}
    for reference, row in rows.items():
        name = reference.rstrip(string.digits)
        rivals = [other for other in answers if other != reference and other.rstrip(string.digits) == name]
        references[reference] = Reference(row, printed, tuple(rivals) if reference == name else ())
        every.setdefault(name, []).append(Reference(row, printed))
    return {**references, "every": every}


def _raw(value: Any) -> Any:
    return value._value if isinstance(value, Slot) else value  # noqa: SLF001 - a slot compares with a slot
