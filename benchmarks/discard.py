"""A bare aiosmtpd that says 250 and forgets: what the library allows at best. `python -m benchmarks.discard`."""

import asyncio
import sys

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session


class Nothing:
    """Keeps nothing."""

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Answer."""
        return "250 2.6.0 Forgotten"


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: LMTP(Nothing(), loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    asked = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    await asked.read()


if __name__ == "__main__":
    asyncio.run(_serve())
