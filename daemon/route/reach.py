"""Finds rules that no mail can reach.

What is decided: a rule that can never be true (`false`), and one each of whose alternatives needs all that an
earlier, deciding rule needs (the same condition in another spelling or order, a condition after `true`, `a && b`
after `a`, `a` after `a || b`). Conditions are compared as text, so what follows from the meaning of values (a size
over 100 after a size over 10) or from `!` is not found.
"""

from tools.expression import Expression


class Reach:
    """What the rules so far already take."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: list[tuple[str, frozenset[str]]] = []

    def add(self, name: str, when: Expression, *, decides: bool) -> str | None:
        """Go on to the next rule; a sentence when no mail can reach it.

        Args:
            name: the rule.
            when: its condition.
            decides: whether mail that it takes goes no further.
        """
        alternatives = when.alternatives
        if not alternatives:
            return f"Rule `{name}` is never true. Correct its condition, or delete it."
        earlier = [self._taker(alternative) for alternative in alternatives]
        if all(earlier):
            takers = " and ".join(f"`{rule}`" for rule in dict.fromkeys(rule for rule in earlier if rule))
            return f"No mail can reach rule `{name}`: {takers} takes them all before. Move it up, or delete it."
        if decides:
            self._taken += [(name, alternative) for alternative in alternatives]
        return None

    def _taker(self, alternative: frozenset[str]) -> str | None:
        return next((name for name, needed in self._taken if needed <= alternative), None)
