"""Turns our frozen values into JSON and back, for sealed columns."""

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from daemon.errors import Sealed

T = TypeVar("T")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(kind: Any, value: Any) -> bytes:
    """The JSON of a value of that type."""
    return _adapter(kind).dump_json(value)


def decode(kind: type[T], content: bytes) -> T:
    """The value of that type in JSON that `encode` made.

    Raises:
        Sealed: it is of another shape.
    """
    try:
        result: T = _adapter(cast("Hashable", kind)).validate_json(content)
    except ValidationError as error:
        # the library's own message quotes what it read, which may be somebody's mail
        at = ", ".join(".".join(map(str, each["loc"])) for each in error.errors(include_input=False, include_url=False))
        raise Sealed(f"A stored value no longer fits this version ({at}). Run the version that wrote it.") from None
    return result
