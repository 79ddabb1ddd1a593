"""The listener on a socket that systemd opened (sd_listen_fds(3))."""

import asyncio
import smtplib
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MAIL = "From: ana@example.com\r\nTo: support@shop.example\r\nSubject: x\r\n\r\nHello\r\n"
_SERVICE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "support"}
import asyncio
from daemon.accounts import MailboxConfig
from daemon.inbound.arrival import Receipt
from daemon.inbound.lmtp import Listener

async def main():
    config = MailboxConfig(kind="lmtp", address="support@shop.example", listen="systemd:support")
    done = asyncio.Event()
    async def receive(arrival):
        asyncio.get_running_loop().call_later(0.1, done.set)
        return Receipt(message=f"got{len(arrival.raw)}")
    listener = Listener("support", config, receive)
    await listener.start()
    await done.wait()
    await listener.stop()

asyncio.run(main())
"""


async def test_a_socket_of_systemd_takes_mail_before_the_daemon_runs_and_stays_after_it(
    tmp_path: Path,
) -> None:
    """As systemd does it: the socket is there first, and is passed as descriptor 3 to the process in LISTEN_PID."""
    path = tmp_path / "lmtp"
    with socket.socket(socket.AF_UNIX) as early, ThreadPoolExecutor(1) as thread:
        early.bind(str(path))
        early.listen()

        def send() -> str:
            with smtplib.LMTP(str(path)) as lmtp:
                lmtp.sendmail("a@example.com", ["support@shop.example"], MAIL)
            return "taken"

        sending = asyncio.get_running_loop().run_in_executor(thread, send)
        command = [sys.executable, "-c", _SERVICE, str(early.fileno())]
        service = await asyncio.create_subprocess_exec(*command, pass_fds=(early.fileno(),))
        assert await asyncio.wait_for(sending, 20) == "taken"
        assert await asyncio.wait_for(service.wait(), 20) == 0
        assert path.exists(), "systemd keeps it: mail waits there until the next start"
