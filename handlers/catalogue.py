"""Reads the handlers' folders: `NAME/{handler.toml, prompt.md, templates/*.md}`, every fault at once."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from handlers import soundness
from handlers.contract import Category, Handler
from handlers.declaration import HandlerTable
from handlers.soundness import PROMPT, TEMPLATES, Declared
from tools import located
from tools.located import Fault, Faults, unknown
from tools.tool import Tool

FILE = "handler.toml"
EXAMPLES = "examples"
"""Folder with more example sentences, a file a category."""

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")


def load(folder: Path, tools: Mapping[str, Tool], *, variables: Collection[str] | None = None) -> dict[str, Handler]:
    """Read every handler in `folder`; a folder that does not exist holds none.

    Args:
        folder: holds a folder for each handler, named as the handler is.
        tools: the declared tools.
        variables: what may stand in `hold_when`; None: any name.

    Raises:
        Faults: everything that is wrong, with file and line.
    """
    handlers: dict[str, Handler] = {}
    faults: list[Fault] = []
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        if not path.is_dir() or path.name.startswith((".", "_")):
            continue
        try:
            handlers[path.name] = _read(path, tools, variables)
        except Faults as error:
            faults += error.faults
    if faults:
        raise Faults(faults)
    return handlers


def _read(path: Path, tools: Mapping[str, Tool], variables: Collection[str] | None) -> Handler:
    document = located.load(path / FILE)
    table = located.validate(document, HandlerTable)
    faults: list[Fault] = []
    handler = _handler(path, table, faults)
    faults += soundness.faults(Declared(document=document, handler=handler, tools=tools, variables=variables))
    if faults:
        raise Faults(faults)
    return handler


def _handler(path: Path, table: HandlerTable, faults: list[Fault]) -> Handler:
    if not _NAME.match(path.name):
        faults.append(Fault(path=path, message="A handler's folder is named with a-z, 0-9 and _. Rename it."))
    return Handler(
        name=path.name,
        pattern=table.pattern,
        description=table.description,
        prompt=_text(path / PROMPT, faults),
        tools=table.tools,
        prefetch=table.prefetch,
        categories=_categories(path / EXAMPLES, table, faults),
        templates={file.stem: _text(file, faults) for file in sorted((path / TEMPLATES).glob("*.md"))},
        languages=table.languages,
        hold_when=table.hold_when,
        deadline=table.deadline,
        limits=tuple(limit.limit() for limit in table.limit),
        path=path,
    )


def _categories(folder: Path, table: HandlerTable, faults: list[Fault]) -> tuple[Category, ...]:
    """The categories with the sentences of `examples/NAME.txt`, a line each, after those of handler.toml."""
    categories = [category.category() for category in table.category]
    more = {file.stem: file for file in sorted(folder.glob("*.txt"))}
    for name in more.keys() - {category.name for category in categories}:
        told = unknown(name, [category.name for category in categories], "category")
        faults.append(Fault(path=more[name], message=told))
    return tuple(
        replace(category, examples=(*category.examples, *_sentences(more[category.name], faults)))
        if category.name in more
        else category
        for category in categories
    )


def _sentences(file: Path, faults: list[Fault]) -> tuple[str, ...]:
    return tuple(line.strip() for line in _text(file, faults).splitlines() if line.strip())


def _text(path: Path, faults: list[Fault]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        faults.append(
            Fault(path=path, message="The file does not exist. Write what the model should know of this work.")
        )
    except (OSError, UnicodeDecodeError) as error:
        faults.append(Fault(path=path, message=f"The file can't be read as UTF-8 text: {error}. Correct it."))
    return ""
