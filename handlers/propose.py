"""The one final tool: how a model says what it wants to answer, and the check of what it said."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from handlers.contract import Handler, ToolSpec

FINAL = "propose_reply"
OTHER = "other"
"""The category of everything that a handler does not know."""
UNKNOWN_CUSTOMER = "unknown_customer"
"""The category of verified senders whom no row knows, where a handler has it."""

_Sentence = Annotated[str, Field(max_length=500)]


class Answer(BaseModel):
    """The arguments of `propose_reply`; every key must be there, none may be added."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    category: Annotated[str, Field(max_length=100)]
    use_template: bool
    body: Annotated[str, Field(max_length=20_000)]
    """Empty when a template makes the reply; facts stand in it as slots."""
    language: Annotated[str, Field(max_length=10)]
    missing: Annotated[list[_Sentence], Field(max_length=20)]
    """What the sender would have to tell first."""
    escalate: Annotated[str, Field(max_length=2_000)]
    """Why a person is wanted; empty: none is."""


def spec(handler: Handler) -> ToolSpec:
    """The final tool of a handler: its categories and languages are the only ones that the schema allows."""
    categories = [*(category.name for category in handler.categories), OTHER]
    properties: dict[str, Any] = {
        "category": {"type": "string", "enum": categories},
        "use_template": {"type": "boolean"},
        "body": {"type": "string", "description": "empty with a template"},
        "language": {"type": "string", "enum": list(handler.languages)},
        "missing": {"type": "array", "items": {"type": "string"}, "description": "what the sender must tell first"},
        "escalate": {"type": "string", "description": "why a person must look; empty if not"},
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return ToolSpec(name=FINAL, description="Finish: the reply to this mail.", kind="final", schema=schema)


def parse(arguments: Mapping[str, Any]) -> Answer:
    """Check what the model said, since not every server honours the schema.

    Raises:
        ValueError: one sentence that names each wrong key, fit to be shown to the model.
    """
    try:
        return Answer.model_validate(dict(arguments))
    except ValidationError as error:
        wrong = {".".join(str(part) for part in detail["loc"]): detail["msg"] for detail in error.errors()}
        told = "; ".join(f"`{key}`: {message}" for key, message in wrong.items())
        raise ValueError(f"{FINAL} has wrong arguments ({told}). Correct them and call it again.") from error
