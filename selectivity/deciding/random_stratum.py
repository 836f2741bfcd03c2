"""The random stratum: controls that chance asks for, so that what nobody looks at is measured."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from selectivity.deciding.sampling import draw
from selectivity.lanes import Channel, Lane, Vote, shared_vote

RANDOM = "random"


class RandomPolicy(BaseModel):
    """The random stratum: compliance measurement, a duty under the Revised Kyoto Convention 6.5."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    yellow: float = Field(default=0.01, ge=0, le=0.5, description="Share checked at random.")
    red: float = Field(default=0.005, ge=0, le=0.5, description="Share inspected at random.")
    times_without_model: float = Field(default=3.0, ge=1, le=20)


def random_votes(
    lineage: str, policy: RandomPolicy, draw_key: bytes, *, without_model: bool
) -> Iterator[Vote]:
    """What chance asks for a lineage, cast or not: each draw counts in the propensities."""
    times = policy.times_without_model if without_model else 1.0
    for lane, share in ((Lane.YELLOW, policy.yellow), (Lane.RED, policy.red)):
        chance = min(share * times, 0.5)
        number = draw(draw_key, lineage, f"{RANDOM}-{lane.name}")
        cast, facts = number < chance, (("share", chance),)
        yield shared_vote(
            lane, Channel.RANDOM, code="RANDOM", facts=facts, probability=chance, cast=cast
        )
