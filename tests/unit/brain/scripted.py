"""A brain that answers from a list."""

from collections.abc import Iterable

from handlers.contract import BrainBusy, BrainFailed, Handler, Message, Reply, Request, Sender

REQUEST = Request(handler=Handler(name="shop"), message=Message(sender=Sender(address="")), tools=())


class Scripted:
    """Raises what is an exception, returns a reply otherwise."""

    def __init__(self, *outcomes: Exception | str, name: str = "scripted") -> None:
        self.name = name
        self.asked = 0
        self._outcomes: Iterable[Exception | str] = iter(outcomes)

    async def answer(self, request: Request) -> Reply:
        self.asked += 1
        outcome = next(iter(self._outcomes), "well")
        if isinstance(outcome, Exception):
            raise outcome
        return Reply(text=outcome)


def busy(*, retry_after: float | None = None) -> BrainBusy:
    return BrainBusy("Busy. Wait.", retry_after=retry_after)


def failed(text: str = "Failed. Look.") -> BrainFailed:
    return BrainFailed(text)
