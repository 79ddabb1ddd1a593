"""rules.toml as models: what an operator may write."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from daemon.config import RouteConfig
from daemon.section import Section

FILE = "rules.toml"


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]


class RuleDeclaration(Section):
    """A `[[rule]]`: what it takes, and what becomes of that."""

    name: Text = Field(description="Shown wherever the rule decided.")
    when: str = Field(description="CEL: true for the mails that it takes.")
    handler: Text | None = Field(default=None, description="Handler that works on it.")
    hold: Text | None = Field(default=None, description="A person looks; the reason, in your words.")
    ignore: bool = Field(default=False, description="Never answered; it stays where it was, and is listed as ignored.")
    priority: Literal["high", "normal", "low"] | None = Field(default=None, description="Which is worked on first.")
    move: Text | None = Field(default=None, description="Folder to move it to.")
    label: Annotated[tuple[Text, ...], BeforeValidator(_several)] = Field(
        default=(), description="Keyword, or list of keywords, to put on it."
    )
    assign: Text | None = Field(default=None, description="Reviewer who gets it.")
    language: str | None = Field(
        default=None, pattern=r"^[a-z]{2}$", description="Language to answer in, ISO 639-1. Default: the sender's."
    )

    @model_validator(mode="after")
    def _one_outcome(self) -> "RuleDeclaration":
        given = [
            name
            for name, value in (("handler", self.handler), ("hold", self.hold), ("ignore", self.ignore))
            if value is not None and value is not False
        ]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(f'`{name}`' for name in given)} exclude each other. Keep one")
        if not given and not (self.priority or self.move or self.label or self.assign or self.language):
            raise ValueError(
                "the rule does nothing. Give it `handler`, `hold` or `ignore`, or something to file by "
                "(`priority`, `move`, `label`, `assign`, `language`)"
            )
        return self


class Declaration(Section):
    """The whole of rules.toml."""

    route: RouteConfig = Field(default_factory=RouteConfig, description="What happens to mail that no rule takes.")
    rule: tuple[RuleDeclaration, ...] = Field(default=(), description="`[[rule]]`, in their order.")
