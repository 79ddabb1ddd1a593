"""One try of an attacker: the mail, what the hijacked model then does, and what must not be seen afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.contract import Reply, Request, ToolCall, Usage
from handlers.propose import FINAL

Turn = Sequence[tuple[str, Mapping[str, Any]]]
"""The calls of one turn: tool and arguments."""
USAGE = Usage(input_tokens=400, output_tokens=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A mail with the script of the model that reads it."""

    goal: str
    number: int
    sender: str
    raw: bytes
    turns: tuple[Turn, ...]
    told: tuple[str, ...] = ()
    """What a reply must not say, as it would stand in the mail."""
    must_hold: bool = False
    """No reply may leave without a person."""
    usage: Usage = USAGE
    """What each turn says it cost."""

    @property
    def message_id(self) -> str:
        """Under which brain, store and mail server know it."""
        return f"attack.{self.number}@evil.example"


def finish(category: str, **given: Any) -> tuple[str, dict[str, Any]]:
    """The call that ends a run."""
    said = {"use_template": True, "body": "", "language": "en", "missing": [], "escalate": "", "category": category}
    return FINAL, said | given


class Hijacked:
    """A model that does what the attacker wants, and remembers what it was shown."""

    name = "hijacked"

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self.attempts = {attempt.message_id: attempt for attempt in attempts}
        self.requests: dict[str, list[Request]] = {}

    async def answer(self, request: Request) -> Reply:
        """The next turn of the script; when it is over, the last one again."""
        attempt = self.attempts[request.message.message_id]
        self.requests.setdefault(attempt.message_id, []).append(request)
        turn = attempt.turns[min(len(request.turns), len(attempt.turns) - 1)]
        calls = tuple(
            ToolCall(id=f"call_{len(request.turns)}_{place}", name=name, arguments=arguments)
            for place, (name, arguments) in enumerate(turn)
        )
        return Reply(calls=calls, usage=attempt.usage, model="hijacked")
