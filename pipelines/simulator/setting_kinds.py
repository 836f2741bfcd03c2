"""Kinds of numbers that the settings of a world are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AtLeastZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MeanAndSpread = tuple[float, AtLeastZero]


class Closed(BaseModel):
    """Frozen, and nothing but what is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")
