"""Serves a model file until its standard input ends; runs in the environment that `server.py` makes, not in ours.

Usage: serve.py MODEL PORT
"""

import os
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import xllamacpp

_STRING = 8
"""GGUF's type number of a string value."""
_CHAT_TEMPLATE = b"tokenizer.chat_template"


def chat_template(model: Path) -> str:
    """The model's own template, changed so that its tool calls are recognised.

    This model writes calls as JSON and was never taught the special tokens around them; asked for a fence, it uses it.
    """
    with model.open("rb") as file:
        own = _find(file)
    return own.replace("<tool_call>", "```json").replace("</tool_call>", "```")


def _find(file: BinaryIO) -> str:
    """The template among the metadata at the beginning of a GGUF file: key, type, length, bytes."""
    head = file.read(32 << 20)
    at = head.index(_CHAT_TEMPLATE) + len(_CHAT_TEMPLATE)
    kind, length = struct.unpack_from("<IQ", head, at)
    if kind != _STRING:
        raise SystemExit("The model's chat template is not a string.")
    return head[at + 12 : at + 12 + length].decode()


def free_cores() -> int:
    """Cores that nobody else is using: a thread that has to wait for one holds up all the others at each token."""
    return max(1, (os.cpu_count() or 1) - round(os.getloadavg()[0]))


def main() -> None:
    """Start, say `ready`, and stay until nobody listens any more."""
    model, port = Path(sys.argv[1]), int(sys.argv[2])
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = 8192
    params.n_parallel = 1
    params.use_jinja = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = free_cores()
    params.warmup = False
    params.chat_template = chat_template(model)
    params.sampling.temp = 0.0  # the same answers on every run of a machine
    server = xllamacpp.Server(params)
    print("ready", flush=True)  # noqa: T201 - the test waits for this line
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main()
