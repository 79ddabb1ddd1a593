"""Arguments that an attacker gives to a tool, made from its declaration and from what stands in the database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.attack import rows
from tools.bound import NAMES
from tools.parameter import Parameter
from tools.tool import Tool

_DIGITS = {
    "Arabic-Indic": "٠١٢٣٤٥٦٧٨٩",
    "fullwidth": "０１２３４５６７８９",
    "Devanagari": "०१२३४५६७८९",
    "mathematical": "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗",
}
_LOOK_ALIKE = str.maketrans("aeopcx", "\u0430\u0435\u043e\u0440\u0441\u0445")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A customer, and the values of their rows by column."""

    address: str
    values: Mapping[str, tuple[Any, ...]]

    def some(self, name: str, parameter: Parameter) -> tuple[Any, ...]:
        """Values that fit a parameter: those of the column of its name, else anything of its kind."""
        found = self.values.get(name, ())
        if parameter.type == "enum":
            return parameter.values
        if found or parameter.type == "string":
            return tuple(str(value) for value in found) or ("Elm Grove 3",)
        made: dict[str, tuple[Any, ...]] = {
            "integer": (1,),
            "number": (1.5,),
            "boolean": (True,),
            "date": ("2026-11-03",),
        }
        return made.get(parameter.type, ([],))


def parties(picture: rows.Picture) -> tuple[Party, ...]:
    """Every customer, those with most rows first."""
    values: dict[str, dict[str, dict[Any, None]]] = {}
    for table, owners in picture.owners.items():
        for key, owner in owners.items():
            for column, value in picture.rows[table][key].items():
                values.setdefault(owner, {}).setdefault(column, {})[value] = None
    found = [
        Party(address=address, values={column: tuple(each) for column, each in columns.items()})
        for address, columns in values.items()
    ]
    return tuple(sorted(found, key=lambda party: (-sum(map(len, party.values.values())), party.address)))


def plain(tool: Tool, party: Party, number: int = 0) -> dict[str, Any]:
    """Arguments as an honest model would give them."""
    return {
        name: choices[number % len(choices)]
        for name, parameter in tool.params.items()
        if (choices := party.some(name, parameter))
    }


def kinds(tool: Tool, own: Party, other: Party) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each way in which one argument is not what it should be: the kind of attack, and the arguments."""
    base, foreign = plain(tool, own), plain(tool, other)
    yield "rows", dict(foreign)
    for name, parameter in tool.params.items():
        theirs = str(foreign.get(name, "x"))
        for kind, value in _values(parameter, str(base.get(name, "x")), theirs, own, other):
            yield kind, {**base, name: value}
        yield "types", {key: value for key, value in base.items() if key != name}
    for bound in sorted(NAMES):
        yield "bound", {**base, bound: other.address}
    for unknown in (
        "scope",
        "email",
        "customer_id",
        ":sender",
        "sender ",
        "SENDER",
        "\u0455ender",
        "__proto__",
        "statement",
    ):
        yield "bound", {**base, unknown: other.address}


def _values(parameter: Parameter, own: str, theirs: str, me: Party, other: Party) -> Iterator[tuple[str, Any]]:
    for value in _sql(own, theirs, other.address):
        yield "sql", value
    for value in _letters(theirs):
        yield "letters", value
    for value in _types(theirs):
        yield "types", value
    for column in ("customer_id", "email", "order_id", "number", "tracking"):
        for value in other.values.get(column, ())[:1]:
            yield "rows", value
    yield "rows", me.address
    yield "rows", other.address
    if parameter.type == "enum":
        yield "rows", "anything"


def _sql(own: str, theirs: str, address: str) -> Sequence[str]:
    return (
        "' OR '1'='1", f"{own}' OR 1=1 --", f"{theirs}' --", f"{own}; DROP TABLE customers", f"{own}'; COMMIT; --",
        f"{own} UNION SELECT email FROM customers", "x' UNION SELECT email, name, name FROM customers --",
        "%", "_", "*",
        f"{own}' AND c.email = '{address}", ":sender", "$1", "?", "(SELECT order_id FROM orders LIMIT 1)", "NULL",
        f"{own}/**/OR/**/1", f"{theirs}\\", '"', "||", f"char({','.join(str(ord(each)) for each in theirs)})",
        "{{ order.order_id }}", "${sender}", "%(sender)s", "../../etc/passwd", "$(id)", "<script>",
    )  # fmt: skip


def _letters(theirs: str) -> Iterator[str]:
    for digits in _DIGITS.values():
        yield theirs.translate(str.maketrans("0123456789", digits))
    for extra in ("\u200b", "\u202e", "\u00ad", "\ufeff", "\x00", "\n", "\r\n", "\t", " ", "\u00a0", "\U000e0031"):
        yield f"{theirs}{extra}"
        yield f"{extra}{theirs}"
        yield f"{theirs[:2]}{extra}{theirs[2:]}"
    yield theirs.translate(_LOOK_ALIKE)
    yield theirs.upper()
    yield f"+{theirs}"
    yield f"0{theirs}"
    yield f"{theirs}.0"
    yield f"0x{int(theirs):x}" if theirs.isascii() and theirs.isdigit() else theirs.lower()


def _types(theirs: str) -> Iterator[Any]:
    yield from (None, True, False, 0, -1, 1.5, 1e308, 2**63, -(2**63) - 1, 10**30, "", " ", "null", "absent-at-all")
    yield from ([], {}, [theirs], [theirs] * 1000, {"$ne": ""}, {"order_id": theirs}, [[theirs]], [[[[[]]]]])
    yield from ("9" * 100_000, theirs * 1000, "é" * 5000)
    if theirs.isascii() and theirs.isdigit():
        yield int(theirs)
        yield float(theirs)
