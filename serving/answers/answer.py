"""What all answers have in common."""

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Something that a caller reads; it stays as it was made."""

    model_config = ConfigDict(frozen=True)
