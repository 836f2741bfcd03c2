"""What MLflow is to be told of a search: one run, and one below it for each trial."""

from collections.abc import Mapping

from pydantic import AwareDatetime, BaseModel, ConfigDict


class SearchTrial(BaseModel):
    """Some params that were tried, and what came out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    begun: AwareDatetime
    ended: AwareDatetime
    params: Mapping[str, str]
    metrics: Mapping[str, float]


class SearchRun(BaseModel):
    """A search and its finished trials. Told again it only adds what is new."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    """The same for the same question about the same data."""
    begun: AwareDatetime
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    trials: tuple[SearchTrial, ...] = ()
