"""Turns our frozen values into JSON and back, for sealed columns."""

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(kind: Any, value: Any) -> bytes:
    """The JSON of a value of that type."""
    return _adapter(kind).dump_json(value)


def decode(kind: type[T], content: bytes) -> T:
    """The value of that type in JSON that `encode` made."""
    result: T = _adapter(cast("Hashable", kind)).validate_json(content)
    return result
