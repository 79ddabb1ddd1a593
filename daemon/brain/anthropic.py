"""Claude, or any server that speaks the Anthropic Messages API, as the brain."""

from daemon.brain import messages
from daemon.brain.connection import Connection
from handlers import transcript, untrusted
from handlers.contract import Reply, Request


class Anthropic:
    """A model behind the Messages API; each `answer` is exactly one request for a message."""

    name = "anthropic"

    def __init__(self, connection: Connection, *, model: str, max_tokens: int = 2000, key: bytes) -> None:
        """Ask nothing yet.

        Args:
            connection: where the model is.
            model: its name.
            max_tokens: output tokens of one answer.
            key: a secret of this installation; the fence around text from outside is made from it, so that it is the
                same for all turns of a run and after a restart.
        """
        self.model = model
        self._connection = connection
        self._max_tokens = max_tokens
        self._key = key

    async def start(self) -> None:
        """Load what takes long and ask what the model accepts, before the first mail needs it."""
        await self._connection.start()
        await self._connection.abilities(self.model)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def answer(self, request: Request) -> Reply:
        """One turn.

        Raises:
            BrainBusy: try again later.
            BrainFailed: trying again is of no use.
        """
        boundary = untrusted.code(self._key, request.message.id or request.message.message_id)
        body = messages.parameters(
            transcript.render(request, boundary),
            model=self.model,
            max_tokens=self._max_tokens,
            abilities=await self._connection.abilities(self.model),
            turns=request.turns,
        )
        return messages.reply(await self._connection.create(body), model=self.model, sent=body)
