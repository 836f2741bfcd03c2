"""Models judged by the truth of a world: ceilings, peers, and what naive mistakes cost.

The first three quarters of the weeks teach, the last are judged; uninspected goods items are
judged too, because here the truth is known. AUROC is of declarations: the risk of a declaration is
the chance that any of its items is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pandas as pd

from pipelines.featurize import featurize, knowledge_of
from pipelines.histories.inputs import Outcomes
from pipelines.label import label
from pipelines.simulator.figures import read
from pipelines.simulator.store import Folder
from pipelines.stage.areas import auroc
from pipelines.train import train
from pipelines.training.learnable import Labels
from pipelines.training.outcomes import UNKNOWN, as_outcomes, known_classes
from pipelines.training.rows import Rows
from pipelines.trials.learning import BundleRecipe
from pipelines.trials.memory import Memory
from selectivity.columns import Columns, Floats, Ints, Mask, day_of, first_rows, in_time_order, take
from selectivity.inspection import FindingClass
from selectivity.metrics import precision_at, recall_at

TAUGHT = 0.75
RED_SHARE = 0.05
"""Share of declarations that the judged model would send to red."""

CODES = (
    *("importer_id", "declarant_id", "seller_id", "declaration_office", "hs_code"),
    *("country_of_origin", "country_of_export", "procedure_code", "transport_mode", "duty_type"),
)
AMOUNTS = ("customs_value", "net_mass_kg", "gross_mass_kg", "tariff_quantity", "duty_rate_percent")

EVIDENCE = ("true_risk", "price_deviation", "quantity_deviation", "named_otherwise")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Case:
    """Goods items of a world in time order, what inspections said of them, and the truth.

    `found` is the `FindingClass` known at the end of the taught weeks, `UNKNOWN` for most; `wrong`
    the truth; `evidence` what only the simulator can know before the fact: the true risk, and how
    far prices, weights and names stand from what is usual. `starts` are the first rows of
    declarations.
    """

    items: Columns
    outcomes: pd.DataFrame
    found: Ints
    wrong: Ints
    evidence: Floats
    lane: "np.typing.NDArray[np.object_]"
    taught: Mask
    starts: Ints

    @property
    def judged(self) -> Mask:
        """Declarations of the weeks that are judged. Shape (declarations,)."""
        return ~self.taught[self.starts]

    def of_declarations(self, risk: Floats) -> Floats:
        """Chance that any item is wrong."""
        none = np.add.reduceat(np.log1p(-np.clip(risk, 0, 1 - 1e-9)), self.starts)
        declared: Floats = -np.expm1(none)
        return declared

    @property
    def violating(self) -> Ints:
        """Declarations with a violation, shape (declarations,)."""
        violating: Ints = np.maximum.reduceat(self.wrong, self.starts)
        return violating


def measure(
    folder: Folder, recipe: BundleRecipe, *, tell: Tell = lambda _: None
) -> dict[str, float]:
    """All figures that take a model. See `figures` for those that take none."""
    case = case_of(folder, recipe)
    figures: dict[str, float] = {}
    tell("features")
    matrix, all_known = matrices(case)
    raw = raw_matrix(case.items)
    three = case.found
    scores: dict[str, Callable[[], Floats]] = {
        "model": lambda: pipeline_risk(matrix, three, case, recipe),
        "lightgbm_defaults_on_codes": lambda: _defaults(raw, three, case),
        "uninspected_taken_as_clean": lambda: pipeline_risk(
            matrix, np.where(three == UNKNOWN, 0, three), case, recipe
        ),
        "red_lane_only": lambda: pipeline_risk(
            matrix, np.where(case.lane == "RED", three, UNKNOWN), case, recipe
        ),
        "all_labels": lambda: pipeline_risk(all_known, case.wrong, case, recipe),
        "ceiling": lambda: _ceiling(np.hstack([all_known, case.evidence]), case),
    }
    for name, score in scores.items():
        tell(name.replace("_", " "))
        risk = case.of_declarations(score())[case.judged]
        figures |= _judged(name, risk, case)
        if name in ("model", "uninspected_taken_as_clean"):
            figures[f"{name}_claims_violating"] = float(risk.mean())
        if name == "model":
            figures |= naive_estimate(risk, case)
    return figures | {"judged_violating_share": float(case.violating[case.judged].mean())}


def _judged(name: str, risk: Floats, case: Case) -> dict[str, float]:
    wrong = case.violating[case.judged]
    return {
        f"{name}_auroc": auroc(wrong, risk),
        f"{name}_precision_at_1": precision_at(wrong, risk, 0.01),
        f"{name}_precision_at_5": precision_at(wrong, risk, 0.05),
        f"{name}_recall_at_10": recall_at(wrong, risk, 0.10),
    }


def naive_estimate(risk: Floats, case: Case) -> dict[str, float]:
    """The share of violations in a new red lane, as it is, and as old inspections make believe."""
    wrong = case.violating[case.judged]
    lane = case.lane[case.starts][case.judged]
    chosen = np.argsort(-risk, kind="stable")[: max(1, int(RED_SHARE * len(risk)))]
    inspected = chosen[lane[chosen] == "RED"]
    return {
        "new_red_lane_violating": float(wrong[chosen].mean()),
        "new_red_lane_violating_naive": float(wrong[inspected].mean())
        if len(inspected)
        else np.nan,
        "new_red_lane_overlap": float(len(inspected)),
    }


def case_of(folder: Folder, recipe: BundleRecipe) -> Case:
    """A world as its administration knows it at the end of the taught weeks, with the truth."""
    memory = Memory.of(folder)
    items = in_time_order(memory.items())
    outcomes = label(items, memory.inspections(), memory.findings(), recipe.label)
    day = day_of(items["accepted_at"])
    end = day[0] + round(TAUGHT * (day[-1] - day[0]))
    until = np.datetime64("1970-01-01") + np.timedelta64(int(end), "D")
    found, _ = known_classes(outcomes, len(day), before=until.item())
    truth = _truth(folder, items)
    return Case(
        items=items,
        outcomes=outcomes,
        found=found,
        wrong=truth["violating"].to_numpy(np.int64),
        evidence=truth[list(EVIDENCE)].to_numpy(np.float64),
        lane=truth["lane"].to_numpy(object),
        taught=day < end,
        starts=first_rows(items),
    )


def _truth(folder: Folder, items: Columns) -> pd.DataFrame:
    keys = ["declaration_id", "version_no", "item_no"]
    truth = read(folder, "truth", [*keys, "violating", "lane", *EVIDENCE])
    truth["declaration_id"] = truth["declaration_id"].astype(object)
    rows = pd.DataFrame({name: items[name] for name in keys})
    return rows.merge(truth, on=keys, how="left", validate="one_to_one")


def matrices(case: Case) -> tuple[Floats, Floats]:
    """Features from what was found, and from everything as if all had been inspected."""
    knowledge = knowledge_of(take(case.items, case.taught))
    found = featurize(case.items, as_outcomes(case.outcomes), knowledge)
    everything = Outcomes(
        rows=np.arange(len(case.wrong)),
        days=day_of(case.items["accepted_at"]) + 2,
        classes=case.wrong,
        counts=np.ones(len(case.wrong), dtype=np.int64),
    )
    return found, featurize(case.items, everything, knowledge)


def raw_matrix(items: Columns) -> Floats:
    """What a first attempt would use: codes as numbers, and amounts as declared."""
    columns = [pd.factorize(items[name])[0].astype(np.float64) for name in CODES]
    columns += [items[name] for name in AMOUNTS]
    return np.column_stack(columns)


def _defaults(matrix: Floats, found: Ints, case: Case) -> Floats:
    """LightGBM as it comes, finding against none."""
    use = case.taught & (found != UNKNOWN)
    options = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 1}
    data = lgb.Dataset(matrix[use], (found[use] > FindingClass.NONE).astype(np.int64))
    scores: Floats = np.asarray(lgb.train(options, data).predict(matrix))
    return scores


def _ceiling(matrix: Floats, case: Case) -> Floats:
    """The best scores there can be, of a model that learns from everything the simulator knows."""
    options = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 1}
    options |= {"num_leaves": 31, "learning_rate": 0.05, "min_data_in_leaf": 50}
    data = lgb.Dataset(matrix[case.taught], case.wrong[case.taught])
    booster = lgb.train(options, data, num_boost_round=200)
    scores: Floats = np.asarray(booster.predict(matrix))
    return scores


def pipeline_risk(matrix: Floats, found: Ints, case: Case, recipe: BundleRecipe) -> Floats:
    """Chance of a finding, by the pipeline's trees from rows whose class is known. Shape (n,)."""
    use = case.taught & (found != UNKNOWN)
    params = recipe.train.model_copy(update={"smallest_class": 0})
    trees = train(Rows.of(matrix[use]), Labels(found[use], np.ones(use.sum())), params)
    return trees.chances(matrix)[:, 0]
