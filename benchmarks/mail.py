"""Measures mail on its way in, each figure beside its floor in the same run.

`python -m benchmarks.mail [--only latency|lmtp|imap|parse|try] [--mails N]`. Dovecot and PostgreSQL run for it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import doors, parse
from benchmarks.pipeline import house
from daemon.inbound.arrival import Arrival
from daemon.inbound.screen import screen
from tests.fixtures.dovecot import running
from tests.fuzz.mail import corpus

PARTS = ("parse", "try", "imap", "lmtp", "latency")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="only this part")
    parser.add_argument("--mails", type=int, default=1000, help="mails over LMTP; a twentieth of them for the latency")
    given = parser.parse_args()
    wanted = [given.only] if given.only else PARTS
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before, temporary files in {tempfile.gettempdir()}")
    if "parse" in wanted:
        print()
        parse.main()
    if "try" in wanted:
        trying()
    if not {"imap", "lmtp", "latency"} & set(wanted):
        return
    with running() as dovecot:
        if "imap" in wanted:
            doors.fetching(dovecot)
        if "lmtp" in wanted:
            doors.lmtp(dovecot, given.mails)
        if "latency" in wanted:
            doors.latency(dovecot, max(20, given.mails // 20))


def trying() -> None:
    """`triaged try` over a folder of mails, beside the same mails screened in one process without anything around."""
    mails = corpus()
    with house("sqlite") as (here, _), tempfile.TemporaryDirectory() as folder:
        for number, raw in enumerate(mails):
            (Path(folder) / f"{number:05}.eml").write_bytes(raw)
        now = datetime.now(UTC)
        started = time.process_time()
        for raw in mails:
            screen(Arrival(mailbox="support", raw=raw, received_at=now), parse.CONFIG, id="m1")
        bare = time.process_time() - started
        print(f"\n`triaged try` over a folder of {len(mails)} mails: mails a second, with its start and without")
        print(f"    the screen alone, in one process   {len(mails) / bare:8.0f}")
        for model in (False, True):
            if model:
                here.change("triaged.toml", 'provider = "anthropic"', 'provider = "embedded"')
            one = _try(here.directory, str(Path(folder) / "00000.eml"), model=model)
            all_of_them = _try(here.directory, folder, model=model)
            what = "with the embedded brain" if model else "--no-model"
            rate = (len(mails) - 1) / max(all_of_them - one, 0.001)
            print(f"    {what:<34} {len(mails) / all_of_them:8.0f} {rate:8.0f}   (its start takes {one:.1f} s)")


def _try(directory: Path, what: str, *, model: bool) -> float:
    """Seconds that the command takes."""
    command = [str(Path(sys.executable).with_name("triaged")), "try", "--json", "--config", str(directory), what]
    started = time.monotonic()
    subprocess.run([*command, *([] if model else ["--no-model"])], check=True, capture_output=True)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
