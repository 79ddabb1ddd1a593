"""Writes a configuration directory that `triaged check` accepts at once: in shadow mode, from which nothing leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from daemon import config
from daemon.errors import NotFound, NotPossible
from daemon.scaffold.example import Values, commented
from tools.located import unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A kind of work that is packaged with its tools and a sample database."""

    tools: str
    """File name under tools/."""
    database: str
    """Name of the business database that the tools ask for."""
    texts: str
    """Folder under tools/samples/ with the texts of knowledge/."""


EXAMPLES: Mapping[str, Example] = {"customer_service": Example(tools="shop.toml", database="shop", texts="knowledge")}
"""Packaged handlers by name."""

_RULES = """\
# rules.toml: the first rule that matches a mail and says where it goes wins. docs/rules.md explains all of it.
#
# [[rule]]
# name = "invoices"
# when = '"invoice" in subject.lower() && sender.verified'
# hold = "Bookkeeping looks at invoices."      # or: handler = "NAME", ignore = true
# priority = "high"

[route]
default = "hold"                               # what no rule takes waits for a person
"""
_CUSTOMERS = """
[[rule]]
name = "customers"
when = 'mailbox == "support"'
handler = "{handler}"
"""
_KNOWLEDGE = "Texts (*.md) that handlers may quote from go into this folder.\n"


def write(
    directory: Path, *, example: str | None = None, force: bool = False, values: Values | None = None
) -> tuple[Path, ...]:
    """Write triaged.toml, rules.toml, handlers/, tools/ and knowledge/.

    Args:
        directory: the configuration to be; made if it does not exist.
        example: a packaged handler; it comes with its tools and its sample database.
        force: write into a directory that is not empty. Files of the same name are overwritten, others are left alone.
        values: keys of triaged.toml that are set, over what `init` sets by itself.

    Returns:
        The files that were written.

    Raises:
        NotFound: there is no such example.
        NotPossible: the directory is not empty, or can't be written.
    """
    if example is not None and example not in EXAMPLES:
        raise NotFound(unknown(example, EXAMPLES, "example"))
    try:
        if not force and directory.exists() and any(directory.iterdir()):
            raise NotPossible(
                f"{directory} is not empty. Choose another directory, or overwrite what is there: --force"
            )
        return _write(directory, example, values or {})
    except OSError as error:
        raise NotPossible(
            f"{directory} can't be written: {error.strerror}. Choose another directory, or its owner."
        ) from error


def _write(directory: Path, example: str | None, values: Values) -> tuple[Path, ...]:
    for folder in ("handlers", "tools", "knowledge"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    rules = _RULES + (_CUSTOMERS.format(handler=example) if example else "")
    texts = {config.FILE: commented(_merged(_defaults(directory, example), values)), "rules.toml": rules}
    for name, text in {**texts, "knowledge/README": _KNOWLEDGE}.items():
        (directory / name).write_text(text, encoding="utf-8")
    written = [directory / name for name in texts]
    if example is not None:
        written += _copy(files("handlers") / example, directory / "handlers" / example)
        written += _copy(files("tools") / EXAMPLES[example].tools, directory / "tools" / EXAMPLES[example].tools)
        written += _copy(files("tools.samples") / EXAMPLES[example].texts, directory / "knowledge")
        written.append(_sample(directory / f"{EXAMPLES[example].database}.db"))
    return tuple(written)


def _defaults(directory: Path, example: str | None) -> dict[tuple[str, ...], dict[str, object]]:
    """What `init` sets: the embedded brain, LMTP on loopback, the local mail server for replies, and shadow mode."""
    installed = directory.absolute().is_relative_to("/etc")
    values: dict[tuple[str, ...], dict[str, object]] = {
        ("store",): {"url": f"sqlite:///{'/var/lib/triaged' if installed else 'state'}/triaged.db"},
        ("mailbox", "support"): {
            "kind": "lmtp",
            "address": "support@shop.example",
            "mode": "shadow",
            "trust": ["mx.shop.example"],
            "listen": "127.0.0.1:2424",
        },
        ("smtp",): {"host": "127.0.0.1", "port": 25, "tls": "none"},
        ("brain",): {"provider": "embedded"},
    }
    if example is not None:
        database = EXAMPLES[example].database
        values["database", database] = {"url": f"sqlite:///{database}.db"}
    return values


def _merged(base: dict[tuple[str, ...], dict[str, object]], over: Values) -> Values:
    return {path: {**base.get(path, {}), **over.get(path, {})} for path in dict.fromkeys((*base, *over))}


def _copy(source: Traversable, target: Path) -> list[Path]:
    """Copy declarations, not code."""
    if source.is_file():
        target.write_bytes(source.read_bytes())
        return [target]
    target.mkdir(exist_ok=True)
    inner = sorted(source.iterdir(), key=lambda item: item.name)
    wanted = [item for item in inner if item.name != "__pycache__" and not item.name.endswith(".py")]
    return [path for item in wanted for path in _copy(item, target / item.name)]


def _sample(path: Path) -> Path:
    """Build the sample shop; an earlier one is kept, since its rows may have been changed on purpose."""
    from tools.samples import shop

    if not path.exists():
        shop.build(path, today=date.today())  # noqa: DTZ011 - the day of this machine is the day that its user means
    return path
