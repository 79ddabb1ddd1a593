"""`triaged doctor`: try everything live, and say what to do."""

import asyncio
import textwrap
from collections.abc import Iterator

import typer

from daemon.cli.output import ConfigOption, JsonOption, emit, resolve_config, say
from daemon.doctor.finding import Finding, exit_code

_WIDTH = 80
_HEAD = 11


def command(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Try everything live: configuration, store, mailboxes, mail server, model, clock, disk; no mail is sent.

    Exit code 1: there are faults; 3: there are none but servers that do not answer.
    """
    from daemon.doctor.examine import examine

    findings = asyncio.run(examine(resolve_config(config)))
    if as_json:
        emit({"findings": findings}, as_json=True)
    else:
        for finding in findings:
            for line in lines(finding):
                say(line)
    raise typer.Exit(exit_code(findings))


def lines(finding: Finding) -> Iterator[str]:
    """A finding as a person reads it."""
    told = f"{finding.area}: {finding.told}" + (f" {finding.do}" if finding.do else "")
    yield from textwrap.wrap(
        told,
        _WIDTH,
        initial_indent=f"{finding.level:<{_HEAD}}",
        subsequent_indent=" " * _HEAD,
        break_long_words=False,
        break_on_hyphens=False,
    )
