"""Who did something, and how what was done is named: an override, or an order on the mode."""

import unicodedata

from pydantic import BaseModel, ConfigDict, Field

ID_DIGITS = 24
ID_PATTERN = f"^[0-9a-f]{{{ID_DIGITS}}}$"
"""What names an override, or an order to change the mode."""


class Actor(BaseModel):
    """Who did something. Two ids of one name are one person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="Id of the key, or subject of the token.")
    name: str

    def is_same_as(self, other: "Actor") -> bool:
        """Whether these may be one person."""
        return self.id == other.id or _alike(self.name) == _alike(other.name)


def _alike(name: str) -> str:
    """A form of the name that is equal for names that look the same."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
