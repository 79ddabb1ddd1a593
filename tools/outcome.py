"""How a tool call ends when it does not end with rows: two errors, one for each way."""

from tools.errors import Permanent, Transient

UNIFORM = "Not found, or not possible with these arguments."
"""All that a model learns of a refusal: one sentence, so that refusals tell it nothing about other people's rows."""


class Refused(Permanent):
    """The call can't succeed with these arguments for this sender; other arguments may."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        """For the operator: which argument, which guard, which rule of the database."""
        self.told = UNIFORM
        """For the model."""


class Failed(Transient):
    """The database could not answer: deadline, lock, lost connection, or a schema that is no longer the one proven."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        """For the operator."""
        self.told = "The tool failed. Go on without it."
        """For the model."""


class Conflict(Failed):
    """Another transaction changed the same rows meanwhile: nothing happened, the same call may be made at once."""
