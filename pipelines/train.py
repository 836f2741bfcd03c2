"""Train the lane model on goods items that were controlled.

Reads   data/features/features.parquet          one column per feature, by row group
        data/interim/prepared/items.parquet     goods items, for their days and lines
        data/interim/prepared/periods.json      which days train
        data/interim/labelled/outcomes.parquet  what controls found
Writes  models/artifacts/train/*.txt            LightGBM text format: finding, physical, duty
        models/artifacts/train/rehearsal/*.txt  the same from the training days alone

The trees that decide learn from all that was known before the evaluation. Probabilities come from
days that trees have not seen, so others are grown before, without those days, and judged by them: a
rehearsal of what comes after.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import lightgbm as lgb
import numpy as np
import typer
from pydantic import BaseModel, ConfigDict, Field

from models.trees import REHEARSAL, Trees, duty_in_reach
from pipelines.stage.command import command, say
from pipelines.stage.files import read_as, write_text
from pipelines.stage.options import (
    FeaturesFile,
    ItemsFile,
    OutcomesFile,
    ParamsFile,
    PeriodsFile,
    TreesFolder,
)
from pipelines.stage.params import section
from pipelines.training.boosters import (
    Examples,
    Fit,
    Options,
    constant,
    fit,
    mean,
    rounds_until_no_better,
)
from pipelines.training.cluster import fit_on
from pipelines.training.learnable import Labels, check_learnable, learnable
from pipelines.training.lines import days_and_lines
from pipelines.training.outcomes import read_outcomes
from pipelines.training.periods import Periods
from pipelines.training.rows import Numbers, Rows
from selectivity.columns import Floats, Mask
from selectivity.features.matrix import FEATURES
from selectivity.inspection import FindingClass

OUTCOME_COLUMNS = [
    *("inspection_id", "row", "observed_at", "finding_class", "counts"),
    *("weight", "additional_duty"),
]
"""What training needs of an outcome."""

FEWEST_LEAVES = 10
"""A leaf is asked for at most one part in so many of the rows, however few they are."""

RISK_RISES = tuple(feature.direction for feature in FEATURES)
PHYSICAL_RISES = tuple(each.direction if "physical" in each.name else 0 for each in FEATURES)
FREE = (0,) * len(FEATURES)


class TrainParams(BaseModel):
    """Section `train` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=20261, ge=0, le=2_000_000_000, description="LightGBM has 31 bits.")
    rounds: int = Field(default=250, gt=0, le=20_000, description="Boosting rounds, at most.")
    stop_share: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Newest share of the training days by which the number of rounds is chosen "
        "before all of them are trained on; 0: always `rounds`.",
    )
    stop_gap_days: int = Field(
        default=14, ge=0, le=36_500, description="Left out before those: outcomes come late."
    )
    bags: int = Field(default=1, ge=1, le=20, description="Boosters of other seeds in the mean.")
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    num_leaves: int = Field(default=8, ge=2, le=4_096)
    min_data_in_leaf: int = Field(default=100, ge=1)
    feature_fraction: float = Field(default=0.6, gt=0, le=1)
    bagging_fraction: float = Field(default=0.8, gt=0, le=1)
    lambda_l2: float = Field(
        default=20.0,
        ge=0,
        le=1e9,
        description="How much evidence a leaf needs before it speaks: holds much back where "
        "findings are few, and nothing where they are many.",
    )
    line_weight_exponent: float = Field(
        default=0.5, ge=0, le=1, description="A line seen k times weighs k ** -exponent a row."
    )
    forget_lines: bool = Field(
        default=True,
        description="Learn each row twice, once as if its goods line were new: memory must not "
        "stand in for judgement.",
    )
    refit: bool = Field(
        default=True,
        description="Grow the trees that decide from all that was known before the evaluation; "
        "false: they are those of the training days alone.",
    )
    threads: int = Field(default=1, ge=1, le=256)
    smallest_class: int = Field(
        default=20, ge=1, description="Controlled rows each answer of a question needs at least."
    )


def train(
    rows: Rows, known: Labels, params: TrainParams, *, fit: Fit = fit, purpose: str = "training"
) -> Trees:
    """Fit the trees on controlled rows. Pure: the same input gives the same trees.

    Where too few findings are of a class, all findings get the same chance of being physical.

    Args:
        purpose: what the trees are for, in the words of an error.

    Raises:
        ValueError: a row was never inspected. Unknown is not clean.
        NotEnoughDataError: there are too few rows with or without a finding.
    """
    check_learnable(known.classes, params.smallest_class, purpose)
    found = known.classes > FindingClass.NONE
    learn = partial(_learn, fit=fit, params=params, rounds=_rounds(rows, known, params))
    findings, of_findings = rows.chosen(found), known.take(found)
    physical = of_findings.classes == FindingClass.PHYSICAL
    weights, duties = of_findings.weights, of_findings.duties
    return Trees(
        learn(Examples([rows], _yes(found), known.weights), "binary", RISK_RISES),
        learn(Examples([findings], _yes(physical), weights), "binary", PHYSICAL_RISES)
        if tells_gravity(physical, params)
        else constant((physical.sum() + 1) / (len(physical) + 2)),
        None
        if duties is None or not duties.any()
        else learn(_of_duties(findings, duties, weights), "tweedie", FREE),
    )


def tells_gravity(physical: Mask, params: TrainParams) -> bool:
    """Whether enough findings are physical, and enough are not, to learn which are."""
    return min(int(physical.sum()), int((~physical).sum())) >= params.smallest_class


def _yes(answers: Mask) -> Numbers:
    return answers.astype(np.float32)


def _of_duties(findings: Rows, duties: Floats, weights: Numbers) -> Examples:
    """What findings brought, with the duty in reach as the offset. Trees learn the ratio."""
    in_reach = np.concatenate([duty_in_reach(block) for block in findings.blocks()])
    highest = duties.max()
    return Examples([findings], duties / highest, weights, in_reach - np.log(highest))


def _learn(
    examples: Examples,
    objective: str,
    directions: Sequence[int],
    *,
    fit: Fit,
    params: TrainParams,
    rounds: int,
) -> lgb.Booster:
    options = _options(params, objective, directions, len(examples.answers))
    taught = examples.twice() if params.forget_lines else examples
    seeds = [params.seed + bag for bag in range(params.bags)]
    return mean([fit(taught, options | {"num_iterations": rounds, "seed": at}) for at in seeds])


def _rounds(rows: Rows, known: Labels, params: TrainParams) -> int:
    """`rounds`, or as many as explain the newest days best when learnt from the days before."""
    if known.days is None or params.stop_share == 0:
        return params.rounds
    days, found = known.days.astype("datetime64[D]"), known.classes > FindingClass.NONE
    first_late = days.max() - np.timedelta64(
        int(params.stop_share * (days.max() - days.min()).astype(int)), "D"
    )
    masks = (days < first_late - params.stop_gap_days, days >= first_late)
    if min(found[mask].sum() for mask in masks) < params.smallest_class:
        return params.rounds
    early, late = (
        Examples([rows.chosen(mask)], _yes(found[mask]), known.weights[mask]) for mask in masks
    )
    if params.forget_lines:
        early, late = early.twice(), late.twice()
    options = _options(params, "binary", RISK_RISES, int(masks[0].sum()))
    return rounds_until_no_better(early, late, options | {"num_iterations": params.rounds})


def _options(params: TrainParams, objective: str, directions: Sequence[int], rows: int) -> Options:
    taken = {"learning_rate", "num_leaves", "feature_fraction", "bagging_fraction", "lambda_l2"}
    return params.model_dump(include=taken) | {
        "objective": objective,
        "monotone_constraints": list(directions),
        "monotone_constraints_method": "intermediate",  # “advanced” breaks them now and then
        "min_data_in_leaf": fewest_in_leaf(rows, params),
        "bagging_freq": 1,
        "seed": params.seed,
        "num_threads": params.threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def fewest_in_leaf(rows: int, params: TrainParams) -> int:
    """What a leaf needs, learnt from so many rows."""
    return min(params.min_data_in_leaf, max(1, rows // FEWEST_LEAVES))


def remarks(trees: Trees, known: Labels, params: TrainParams) -> list[str]:
    """A line for everything that was learnt otherwise than the params ask."""
    found = known.classes > FindingClass.NONE
    physical = known.classes[found] == FindingClass.PHYSICAL
    gravity, told, learnt_from = tells_gravity(physical, params), [], {"goods items": len(found)}
    if gravity or trees.duty:
        learnt_from["findings"] = len(physical)
    if not gravity:
        told.append(
            f"{physical.sum()} of {len(physical)} findings are physical, which is too few "
            "of one kind to learn which are: all get the same chance of it"
        )
    return told + [
        f"leaves learnt from {rows} {what} need {fewest_in_leaf(rows, params)} of them, not the "
        f"{params.min_data_in_leaf} of train.min_data_in_leaf: at most a tenth is asked for"
        for what, rows in learnt_from.items()
        if fewest_in_leaf(rows, params) < params.min_data_in_leaf
    ]


def main(
    params: ParamsFile,
    features: FeaturesFile,
    items: ItemsFile,
    periods: PeriodsFile,
    outcomes: OutcomesFile,
    out: TreesFolder,
    cluster: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler; else this machine trains.")
    ] = None,
) -> None:
    """Train the lane model on goods items that were controlled."""
    settings = section(params, "train", TrainParams)
    parts = read_as(periods, Periods)
    days, lines = days_and_lines(items)
    told = read_outcomes(outcomes, len(days), OUTCOME_COLUMNS)
    lodged = {out / REHEARSAL: parts.rows({"accepted_at": days}, "train")}
    if settings.refit:
        lodged[out] = parts.lodged_before({"accepted_at": days})
    taught = {
        folder: learnable(use, days, lines, told, parts, settings.line_weight_exponent)
        for folder, use in lodged.items()
    }
    every = Rows.stored(features, len(days))
    del days, lines, told, lodged  # training needs the room
    with nullcontext(fit) if cluster is None else fit_on(cluster) as chosen:
        for folder, (use, known) in taught.items():
            purpose = "training" if folder == out else "the rehearsal on the training days alone"
            trees = train(every.chosen(use), known, settings, fit=chosen, purpose=purpose)
            _write(trees, folder)
    if not settings.refit:
        _write(trees, out)  # then those of the rehearsal decide
    for remark in remarks(trees, known, settings):
        say(f"train: {remark}")
    rehearsed, decisive = (int(use.sum()) for use, _ in (taught[out / REHEARSAL], (use, known)))
    say(
        f"train: {trees.finding.num_trees()} trees from {decisive} controlled goods items, and in "
        f"the rehearsal from {rehearsed}; additional duty "
        f"{'is learnt' if trees.duty else 'is not known'}"
    )


def _write(trees: Trees, folder: Path) -> None:
    for name, text in trees.texts().items():
        write_text(folder / name, text)


if __name__ == "__main__":
    command(main)
