"""Loads the module of a Python tool, finds its function, and makes parameters of the model of its arguments."""

import hashlib
import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from tools.bound import NAMES
from tools.declaration import ParameterTable
from tools.errors import Permanent
from tools.located import unknown
from tools.parameter import Parameter
from tools.python import Written

_KINDS = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean", "array": "list"}
_BOUNDS = {
    "pattern": "pattern",
    "description": "description",
    "maxLength": "max_length",
    "minimum": "min",
    "maximum": "max",
    "minItems": "min",
    "maxItems": "max",
    "find": "find",
    "words": "words",
}
"""JSON Schema to the keys of `[tool.params.NAME]`."""


class Unloadable(Permanent):
    """The function can't be a tool; the message says why, as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A function, ready to be called."""

    written: Written
    params: Mapping[str, Parameter]
    source: str
    """SHA-256 of its module."""


def load(function: str, folder: Path) -> Loaded:
    """Load `module:name`, where the module is `folder/module.py` or else any that Python can import.

    A file of the folder is read anew each time, and leaves no compiled copy beside it.

    Raises:
        Unloadable: there is no such module or function, it breaks, or a parameter is none that a tool can have.
    """
    name, _, wanted = function.partition(":")
    file = folder / f"{name}.py"
    try:
        module, source = _file(file) if file.is_file() else _installed(name)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        told = f"The module `{name}` can't be loaded: {type(error).__name__}: {error}. Correct it."
        raise Unloadable(told) from error
    written = getattr(module, wanted, None)
    if not isinstance(written, Written):
        known = [key for key, value in vars(module).items() if isinstance(value, Written)]
        raise Unloadable(f"{unknown(wanted, known, 'function')} Mark the function with @tool().")
    params = parameters(written.arguments) if written.arguments else {}
    return Loaded(written=written, params=params, source=hashlib.sha256(source).hexdigest())


def _file(path: Path) -> tuple[ModuleType, bytes]:
    source = path.read_bytes()
    module = ModuleType(f"triaged_tools_{hashlib.sha256(str(path).encode() + source).hexdigest()[:16]}")
    module.__file__ = str(path)
    code = compile(source, str(path), "exec")
    # pydantic and dataclasses look their modules up by name
    sys.modules[module.__name__] = module
    exec(code, vars(module))  # noqa: S102 - importing is just this; the operator named the file
    return module, source


def _installed(name: str) -> tuple[ModuleType, bytes]:
    module = importlib.import_module(name)
    return module, Path(module.__file__).read_bytes() if module.__file__ else b""


def parameters(model: type[BaseModel]) -> dict[str, Parameter]:
    """The parameters that a model's fields are; its validators are asked later.

    Raises:
        Unloadable: a field is of a type that no parameter has.
    """
    schema = model.model_json_schema()
    needed = set(schema.get("required", ()))
    return {
        name: _parameter(name, part, schema.get("$defs", {}), required=name in needed)
        for name, part in schema.get("properties", {}).items()
    }


def _parameter(name: str, part: Mapping[str, Any], known: Mapping[str, Any], *, required: bool) -> Parameter:
    if name in NAMES:
        raise Unloadable(f"`{name}` is bound by the daemon and can't be an argument. Take it from `bound`.")
    try:
        return ParameterTable.model_validate({**_table(name, part, known), "required": required}).parameter()
    except ValidationError as error:
        told = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise Unloadable(f"The argument `{name}`: {told}.") from error


def _table(name: str, part: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """One part of a JSON Schema as the keys of `[tool.params.NAME]`."""
    choices = [each for each in part.get("anyOf", [{}]) if each.get("type") != "null"]
    whole = {**part, **(choices[0] if len(choices) == 1 else {})}
    if "$ref" in whole:
        whole = {**known[whole["$ref"].rpartition("/")[2]], **whole}
    table = {key: whole[given] for given, key in _BOUNDS.items() if given in whole}
    if "enum" in whole or "const" in whole:
        return {**table, "type": "enum", "values": whole.get("enum", [whole.get("const")])}
    if whole.get("format") == "date":
        return {**table, "type": "date"}
    kind = _KINDS.get(whole.get("type", ""))
    if kind is None or "format" in whole or "oneOf" in whole:
        raise Unloadable(
            f"The argument `{name}` is of a type that no tool takes. Use str, int, float, bool, date, Literal or list."
        )
    return {**table, "type": kind, **({"items": _table(name, whole["items"], known)} if kind == "list" else {})}
