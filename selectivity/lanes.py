"""Lanes, who asks for them, and why."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema


class Lane(IntEnum):
    """Ordered by severity, so that `max` of two lanes is the stricter one."""

    GREEN = 0
    YELLOW = 1
    RED = 2


LANES: tuple[str, ...] = tuple(Lane.__members__)
"""The names of the lanes as tables have them, the mildest first."""


class Channel(StrEnum):
    """Who asked for a lane."""

    MANDATORY = "MANDATORY"
    RULE = "RULE"
    MODEL = "MODEL"
    RANDOM = "RANDOM"
    CAPACITY = "CAPACITY"
    OFFICER = "OFFICER"
    FALLBACK = "FALLBACK"


def _lane_from_name(value: Any) -> Any:
    if isinstance(value, str):
        if value not in Lane.__members__:
            raise ValueError("a lane is GREEN, YELLOW or RED")
        return Lane[value]
    return value


LANE_NAMES: Mapping[int, str] = {lane: lane.name for lane in Lane}
"""A plain look-up, for its speed."""

LaneName = Annotated[
    Lane,
    BeforeValidator(_lane_from_name, json_schema_input_type=str),
    PlainSerializer(LANE_NAMES.__getitem__, return_type=str),
    WithJsonSchema({"type": "string", "enum": list(LANE_NAMES.values())}),
]
"""A lane that is written and read by its name wherever it leaves the process."""


class Reason(BaseModel):
    """Why a lane was asked for: a code with facts. Sentences are made at reading, in `wording`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    item_no: int | None = Field(default=None, description="Goods item that gave the reason.")
    rule_id: str | None = None
    facts: Mapping[str, float | int | str | None] = Field(default_factory=dict)


class Vote(BaseModel):
    """One asker's lane. `probability` is the chance that this vote is cast at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lane: LaneName
    channel: Channel
    reason: Reason
    probability: float = Field(default=1.0, ge=0, le=1)
    cast: bool = Field(default=True, description="False when the draw left this vote out.")


@lru_cache(maxsize=4_096)
def shared_vote(
    lane: Lane,
    channel: Channel,
    *,
    code: str,
    item_no: int | None = None,
    rule_id: str | None = None,
    facts: tuple[tuple[str, float | str], ...] = (),
    probability: float = 1.0,
    cast: bool = True,
) -> Vote:
    """A vote that many declarations hold alike, and that is therefore made once."""
    reason = Reason(code=code, item_no=item_no, rule_id=rule_id, facts=dict(facts))
    return Vote(lane=lane, channel=channel, reason=reason, probability=probability, cast=cast)


LINEAGE = "LINEAGE"
"""Code of the vote for the lane of earlier versions."""


class Propensities(BaseModel):
    """Chance of each lane under the policy, known when the lane was given. They sum to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    green: float = Field(ge=0, le=1)
    yellow: float = Field(ge=0, le=1)
    red: float = Field(ge=0, le=1)

    @classmethod
    def of(cls, votes: list[Vote]) -> Self:
        """Distribution of the most severe vote when each is cast on its own draw."""
        none_above_green = none_above_yellow = 1.0
        for vote in votes:
            if vote.lane > Lane.GREEN:
                none_above_green *= 1 - vote.probability
            if vote.lane > Lane.YELLOW:
                none_above_yellow *= 1 - vote.probability
        return cls(
            green=none_above_green,
            yellow=none_above_yellow - none_above_green,
            red=1 - none_above_yellow,
        )
