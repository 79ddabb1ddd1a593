"""`triaged try`: what would happen to a mail, without an effect."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli.output import ConfigOption, JsonOption, note, progress, resolve_config, say
from daemon.errors import NotFound
from tools.located import unknown


def command(
    what: Annotated[
        str, typer.Argument(metavar="FILE|DIR|-", help="A mail, a folder of mails, or - for standard input.")
    ],
    mailbox: Annotated[
        str | None, typer.Option("--mailbox", metavar="NAME", help="As if it came to this mailbox.")
    ] = None,
    envelope_from: Annotated[
        str | None, typer.Option("--envelope-from", metavar="A", help="MAIL FROM; '' is <>.")
    ] = None,
    envelope_to: Annotated[str | None, typer.Option("--envelope-to", metavar="B", help="RCPT TO.")] = None,
    no_model: Annotated[bool, typer.Option("--no-model", help="Stop after the screen.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would happen to a mail; nothing is stored or sent. With --json one object a line."""
    asyncio.run(
        _try(_mails(what), mailbox, (envelope_from, envelope_to), resolve_config(config), not no_model, as_json)
    )


def _mails(what: str) -> list[tuple[str, Path | None]]:
    """Name and file of each mail; None is standard input.

    Raises:
        NotFound: there is none.
    """
    if what == "-":
        return [("-", None)]
    path = Path(what)
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith("."))
        if not found:
            raise NotFound(f"There is no mail in {path}. Put mails there, one a file.")
        return [(str(each.relative_to(path)), each) for each in found]
    if not path.is_file():
        raise NotFound(f"{path} does not exist. Give a mail as a file, a folder, or - for standard input.")
    return [(what, path)]


async def _try(
    mails: Sequence[tuple[str, Path | None]],
    name: str | None,
    envelope: tuple[str | None, str | None],
    directory: Path,
    model: bool,
    as_json: bool,
) -> None:
    from daemon import release as releases
    from daemon.inbound.arrival import Envelope
    from daemon.rehearse import Rehearsal

    release = releases.load(directory)
    mailbox = name or next(iter(release.config.mailbox))
    if mailbox not in release.config.mailbox:
        raise NotFound(unknown(mailbox, release.config.mailbox, "mailbox"))
    given = Envelope(mail_from=envelope[0], rcpt_to=(envelope[1],) if envelope[1] else ())
    counts: dict[str, int] = {}
    async with Rehearsal(release, mailbox=mailbox, model=model) as rehearsal:
        with progress(mails, "trying") if len(mails) > 1 else nullcontext(mails) as every:
            for file, path in every:
                result = await _one(rehearsal, file, path, given)
                counts[result["outcome"]] = counts.get(result["outcome"], 0) + 1
                for line in [json.dumps(result, ensure_ascii=False, default=str)] if as_json else _lines(result):
                    say(line)
    if len(mails) > 1:
        note(", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())))


async def _one(rehearsal: Any, file: str, path: Path | None, envelope: Any) -> dict[str, Any]:
    try:
        raw = _read(path)
    except OSError as error:
        return {"file": file, "outcome": "hold", "error": f"The file can't be read: {error.strerror}."}
    report: dict[str, Any] = await rehearsal.report(raw, file=file, envelope=envelope)
    return report


def _read(path: Path | None) -> bytes:
    return sys.stdin.buffer.read() if path is None else path.read_bytes()


def _lines(result: dict[str, Any]) -> Iterator[str]:
    """What a person reads of a result."""
    yield f"{result['file']}: {result['outcome']}{_why(result)}"
    if result.get("error"):
        yield f"  {result['error']}"
    if "sender" not in result:
        return
    yield f"  from {result['sender']['address'] or 'nobody'} ({result['sender']['verdict']})"
    route = result["route"]
    if route["handler"]:
        yield f"  rule {route['rule']} → handler {route['handler']}, category {result['category'] or 'none'}"
    for check in result["checks"]:
        if check["outcome"] != "passed":
            yield f"  ✗ {check['name']}: {check['reason']}{': ' + check['detail'] if check['detail'] else ''}"
    yield from _work(result)


def _work(result: dict[str, Any]) -> Iterator[str]:
    """What was looked up, what would be written, and the reply."""
    for call in result["calls"]:
        arguments = ", ".join(f"{key}={value}" for key, value in call["arguments"].items())
        yield f"  looked up {call['tool']}({arguments}): {call['outcome']}"
    for write in result["staged"]:
        yield f"  would write {write['tool']}: {len(write['changes'])} row(s)"
    if result["draft"]:
        yield f"  to {result['draft']['to']}: {result['draft']['subject']}"
        yield from (f"  ▏ {line}" for line in result["draft"]["body"].splitlines())


def _why(result: dict[str, Any]) -> str:
    reasons = result.get("reasons") or []
    return f" ({', '.join(reasons)})" if reasons else ""
