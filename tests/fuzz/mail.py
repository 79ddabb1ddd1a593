"""Looks for mails that break the reader: made by a grammar, or mutated from the mails that the tests keep.

`python -m tests.fuzz.mail [--seconds 60] [--seed N] [--keep DIR]` prints executions a second and every mail that breaks
a property (`tests/fuzz/properties.py`), and ends with 1 if there was one. A mail that did belongs into
`tests/mails/broken`, which the default tests read.
"""

import argparse
import hashlib
import itertools
import sys
import time
import tomllib
import traceback
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from random import Random

from tests.fuzz import grammar
from tests.fuzz.monsters import MONSTERS
from tests.fuzz.properties import BESIDES, TIMES, examine, memory

MAILS = Path(__file__).parents[1] / "mails"
LARGEST = 100_000
"""Octets of a mutated mail; what is larger stands in `tests/fuzz/monsters.py`."""
_TOKENS = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\r\n\r\n",
        b"=?utf-8?b?",
        b"?=",
        b"--",
        b"--b",
        b"--b--",
        b"boundary=b",
        b"multipart/",
        b"(",
        b")",
    ),
    *(
        b'"',
        b"<",
        b">",
        b";",
        b"charset=",
        b"base64",
        b"quoted-printable",
        b"\xff",
        b"\xf3\xa0\x81\x81",
        b"=0D=0A",
        b"=\r\n",
        b"&#x",
        b"<!--",
    ),
    *(
        b"Content-Type: ",
        b"From: ",
        b"> ",
        b"-- \r\n",
        b"On 1 wrote:",
        b"*0*=",
        b"''",
        b"%00",
        b"<style>",
        b"display:none",
        b"format=flowed",
    ),
)


def main() -> int:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--keep", type=Path, help="write each mail that breaks a property into this folder")
    given = parser.parse_args()
    chance, found, done = Random(given.seed), dict[str, bytes](), 0
    swollen = [name for name, monster in MONSTERS.items() if too_much(monster())]
    print(f"{len(MONSTERS)} monsters; over the limit of memory: {', '.join(swollen) or 'none'}")  # noqa: T201 - the answer
    began = time.monotonic()
    for raw in mails(chance):
        if time.monotonic() - began > given.seconds:
            break
        done += 1
        if (what := broken(raw)) and what not in found:
            found[what] = raw
            print(f"{what}\n{raw[:1500]!r}\n", flush=True)  # noqa: T201 - the answer
            if given.keep:
                given.keep.mkdir(parents=True, exist_ok=True)
                (given.keep / f"{hashlib.sha256(raw).hexdigest()[:16]}.eml").write_bytes(raw)
    took = time.monotonic() - began
    print(f"seed {given.seed}: {done} mails in {took:.0f} s, {done / took:.0f} a second, {len(found)} kinds of fault")  # noqa: T201 - the answer
    return 1 if found or swollen else 0


def broken(raw: bytes) -> str:
    """Which property a mail breaks, and where; empty when none."""
    try:
        examine(raw)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}: {str(error)[:200]}"
    return ""


def too_much(raw: bytes) -> bool:
    """Whether reading a mail takes more memory than it may."""
    return memory(raw) > TIMES * len(raw) + BESIDES


def mails(chance: Random) -> Iterator[bytes]:
    """Mails without end."""
    known = corpus()
    while True:
        raw = grammar.mail(chance) if chance.random() < 0.4 else chance.choice(known)
        for _ in range(chance.choice((0, 1, 1, 2, 4, 16))):
            raw = _mutated(chance, raw, known)
        yield raw[:LARGEST]


def corpus() -> list[bytes]:
    """The mails that the tests keep, as octets."""
    kept = [path.read_bytes() for path in sorted(MAILS.rglob("*.eml"))]
    for path in sorted(MAILS.rglob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        tables = (table.get(name, ()) for name in ("mail", "below", "inline", "form"))
        kept += [_mail(each) for each in itertools.chain.from_iterable(tables)]
    return kept


def _mail(each: dict[str, str]) -> bytes:
    """A mail of a table of the tests."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.com", grammar.US, each.get("subject") or "Re: My order"
    made.set_content(each["text"])
    if "html" in each:
        made.add_alternative(each["html"], subtype="html")
    return made.as_bytes(policy=SMTP)


def _mutated(chance: Random, raw: bytes, known: list[bytes]) -> bytes:
    """A mail with one more mistake."""
    start = chance.randrange(len(raw) + 1)
    end = min(len(raw), start + chance.choice((0, 1, 1, 4, 30, 400)))
    piece = raw[start:end]
    other = chance.choice(known)
    cut = chance.randrange(len(other) + 1)
    return raw[:start] + chance.choice(
        (
            raw[end:],
            bytes([chance.randrange(256)]) + raw[end:],
            chance.choice(_TOKENS) + raw[start:],
            chance.choice(_TOKENS) * chance.choice((2, 30, 1000)) + raw[start:],
            piece * chance.choice((2, 20)) + raw[start:],
            other[cut:],
            other[cut : cut + 200] + raw[end:],
            piece.swapcase() + raw[end:],
        )
    )


if __name__ == "__main__":
    sys.exit(main())
