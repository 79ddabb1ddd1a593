"""The business databases that tools read and change: the tables `[database.NAME]`."""

import re
from pathlib import Path

from pydantic import Field, field_validator

from daemon.section import Section


class DatabaseConfig(Section):
    """A business database that tools name."""

    url: str = Field(description="Read credential: SQLite or PostgreSQL URL.")
    write_url: str | None = Field(
        default=None, description="Narrower credential that only staging and deliveries use. Default: `url`."
    )
    password_file: Path | None = Field(
        default=None, description="Password for `url`, and for `write_url` where it has none of its own."
    )
    canaries: tuple[str, ...] = Field(
        default=(),
        description="Two or more addresses of made-up customers with rows of their own: `triaged tools prove` reads as "
        "each, and no row may be another's.",
    )

    @field_validator("canaries")
    @classmethod
    def _are_people(cls, canaries: tuple[str, ...]) -> tuple[str, ...]:
        wrong = next((each for each in canaries if not re.fullmatch(r"[^\s<>@]+@[^\s<>@]+", each)), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is not a mail address. Write one like canary-a@example.com")
        if len({each.lower() for each in canaries}) != len(canaries) or len(canaries) == 1:
            raise ValueError("one canary has nobody to be told from. Write two different addresses")
        return canaries
