"""What every table of triaged.toml is made of."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of triaged.toml: unknown keys are refused, values can't change after they were read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
