"""Which params a search may try, and how a trial takes them."""

from collections.abc import Mapping
from typing import Literal, Self, get_args

from optuna.trial import BaseTrial
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.judging.views import STATISTICS
from pipelines.stage.params import similar
from pipelines.train import TrainParams

Value = bool | int | float
Goal = Literal["auroc", "auprc", "precision_at_5", "precision_at_10"]
assert set(get_args(Goal)) == set(STATISTICS)

DIGITS = 3
"""Significant digits of a number that is tried: more would only be noise."""


class Range(BaseModel):
    """Numbers from `low` to `high`, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    log: bool = Field(
        default=False, description="Even in its logarithm: as often 1 to 2 as 2 to 4."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError("`low` has to be below `high`")
        if self.log and self.low <= 0:
            raise ValueError("a logarithm needs `low` above 0")
        return self


class SearchParams(BaseModel):
    """Section `search` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=20261, ge=0, le=2_000_000_000)
    goal: Goal = Field(default="auroc", description="What the best trial is best in.")
    view: Literal["all_rows", "new_lines"] = Field(
        default="all_rows", description="Goods items that judge, as in the evaluation."
    )
    resamples: int = Field(default=200, ge=20, le=10_000, description="For the 95 % interval.")
    space: Mapping[str, Range | tuple[Value, ...]] = Field(
        min_length=1, description="Params of `train` to try: a range, or a list of values."
    )

    @field_validator("space")
    @classmethod
    def _of_train(
        cls, space: Mapping[str, Range | tuple[Value, ...]]
    ) -> Mapping[str, Range | tuple[Value, ...]]:
        for name, values in space.items():
            if name not in TrainParams.model_fields:
                hint = similar(name, list(TrainParams.model_fields))
                raise ValueError(f"`train` has no {name!r}{hint}")
            ends = (values.low, values.high) if isinstance(values, Range) else values
            for end in ends:
                TrainParams.model_validate({name: end})  # refused here, not in the tenth trial
        return space


def suggest(trial: BaseTrial, space: Mapping[str, Range | tuple[Value, ...]]) -> dict[str, Value]:
    """Values of one trial, by the name of the param."""
    return {name: _suggest(trial, name, values) for name, values in space.items()}


def _suggest(trial: BaseTrial, name: str, values: Range | tuple[Value, ...]) -> Value:
    if not isinstance(values, Range):
        chosen: Value = trial.suggest_categorical(name, values)
        return chosen
    if TrainParams.model_fields[name].annotation is int:
        return trial.suggest_int(name, round(values.low), round(values.high), log=values.log)
    return float(f"{trial.suggest_float(name, values.low, values.high, log=values.log):.{DIGITS}g}")
