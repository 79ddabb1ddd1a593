"""Loads the whole configuration at once, as one versioned value: a release (promise P13)."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import handlers.catalogue
import tools.catalogue
from daemon import config as configuration
from daemon import identity
from daemon.config import Config
from daemon.gate import charges
from daemon.gate.variables import names
from daemon.route import rules as routing
from daemon.route.rules import Rules
from handlers.contract import Handler
from tools.catalogue import Catalogue
from tools.confine import Database
from tools.identity import Identity
from tools.located import Document, Fault, Faults

T = TypeVar("T")

_FOLDERS = ("handlers", "tools", "knowledge")
_BEHAVIOUR = ("brain", "reply", "limits", "review", "identity")
"""Sections of triaged.toml that change what is decided; hosts and secrets are not among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A version of everything that decides what becomes of a mail."""

    id: str
    """SHA-256 over `manifest`, hexadecimal."""
    manifest: bytes
    """JSON: path to SHA-256 of each file, and the settings that change behaviour."""
    config: Config
    document: Document
    rules: Rules
    handlers: Mapping[str, Handler]
    tools: Catalogue
    identities: Mapping[str, Identity]
    """Mailbox to what finds the customer of an address."""


def load(directory: Path) -> Release:
    """Load and prove the configuration in `directory`.

    Raises:
        Faults: everything that is wrong with any of its files.
    """
    config, document = configuration.read(directory)
    faults = list(_limit_faults(config, document))
    shops = _gather(faults, lambda: databases(config, document)) or {}
    declared = _gather(faults, lambda: tools.catalogue.load(directory / "tools", shops, directory / "knowledge"))
    work = None if declared is None else _gather(faults, lambda: _handlers(directory, declared))
    # without handlers (since a tool is broken) their names still tell a wrong rule from a right one
    known = work if work is not None else _folders(directory / "handlers")
    identities = None if declared is None else _gather(faults, lambda: identity.load(config, document, declared))
    people = set(config.review.people)
    rules = _gather(faults, lambda: routing.load(directory / routing.FILE, handlers=known, people=people))
    if faults or declared is None or work is None or rules is None or identities is None:
        if declared is not None:
            declared.close()
        raise Faults(faults)
    manifest = _manifest(config, declared)
    return Release(
        id=hashlib.sha256(manifest).hexdigest(),
        manifest=manifest,
        config=config,
        document=document,
        rules=rules,
        handlers=work,
        tools=declared,
        identities=identities,
    )


def _handlers(directory: Path, declared: Catalogue) -> dict[str, Handler]:
    return handlers.catalogue.load(directory / "handlers", declared, variables=names("hold_when"))


def _limit_faults(config: Config, document: Document) -> Iterator[Fault]:
    for number, each in enumerate(config.limits.limit):
        try:
            charges.declared(each)
        except ValueError as error:
            yield document.fault(("limits", "limit", number, "amount"), f"`amount`: {error}.")


def _gather(faults: list[Fault], step: Callable[[], T]) -> T | None:
    try:
        return step()
    except Faults as error:
        faults.extend(error.faults)
        return None


def _folders(path: Path) -> set[str]:
    return {each.name for each in path.iterdir() if each.is_dir()} if path.is_dir() else set()


def databases(config: Config, document: Document) -> dict[str, Database]:
    """The business databases with their credentials; nothing is opened.

    Raises:
        Faults: a URL that is none, or a password that can't be read.
    """
    found = {}
    for name, each in config.database.items():
        for key, url in (("url", each.url), ("write_url", each.write_url)):
            if url is not None and not url.startswith(("sqlite:///", "postgresql+psycopg://", "postgresql://")):
                told = f"`{url.partition(':')[0]}` is no database we know. Write sqlite:////path or postgresql+psycopg://user@host/database."
                raise Faults([document.fault(("database", name, key), told)])
        password = configuration.secret(config, each.password_file) if each.password_file else None
        write_url = config.url(each.write_url) if each.write_url else None
        found[name] = Database(name=name, url=config.url(each.url), write_url=write_url, password=password)
    return found


def _manifest(config: Config, declared: Catalogue) -> bytes:
    directory = config.directory
    files = [directory / routing.FILE]
    for folder in _FOLDERS:
        if (directory / folder).is_dir():
            files += [
                path
                for path in (directory / folder).rglob("*")
                if path.is_file() and not path.name.startswith(".") and "__pycache__" not in path.parts
            ]
    content: dict[str, Any] = {
        "files": {
            str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)
        },
        "settings": {section: json.loads(_json(getattr(config, section))) for section in _BEHAVIOUR},
        "triaged": version("triaged"),
    }
    if code := {name: function.source for name, function in declared.functions.items() if function.source}:
        content["code"] = code
    content["settings"]["brain"].pop("base_url", None)
    content["settings"]["brain"].pop("api_key_file", None)
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _json(section: Any) -> str:
    if isinstance(section, Mapping):
        return json.dumps({name: json.loads(each.model_dump_json()) for name, each in section.items()})
    return str(section.model_dump_json())
