"""The stages from features to a sealed bundle: each looks at its own days, none seals a wreck."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.bundle import PRICES, SCORECARD, load
from models.trees import REHEARSAL, Trees
from pipelines import bundle, calibrate, featurize
from pipelines.stage.files import write_json, write_text
from pipelines.stage.tables import write_columns
from pipelines.training.boosters import constant
from selectivity.columns import to_columns
from selectivity.errors import BundleError, RulesError
from tests.builders import a_declaration, a_rule, an_item
from tests.bundles import a_scorecard
from tests.spoken import PERIODS, on, outcomes_of

GOODS = ("610910",) * 30 + ("220421",) * 50 + ("870323",) * 10
"""What was declared in training, to calibrate on, and as the evaluation began, at midnight."""


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    """What the stages before `bundle` write. All that trained was wrong, two in five later."""
    items = to_columns(
        [
            a_declaration(
                declaration_id=f"D-{at}",
                accepted_at=on({"610910": 1, "220421": 11, "870323": 19.5}[code]),
                items=(an_item(hs_code=code, customs_value=1_000.0 + at),),
            )
            for at, code in enumerate(GOODS)
        ]
    )
    classes = [1] * 30 + [1, 1, 0, 0, 0] * 10
    told = outcomes_of(
        *({"finding_class": each, "observed_at": pd.Timestamp(on(15))} for each in classes)
    )
    write_columns(items, tmp_path / "items.parquet")
    told.to_parquet(tmp_path / "outcomes.parquet")
    write_json(tmp_path / "periods.json", PERIODS.model_dump(mode="json"))
    write_json(tmp_path / "ingest.json", {"source": "tests"})
    write_text(tmp_path / SCORECARD, a_scorecard().model_dump_json(exclude_none=True))
    write_text(
        tmp_path / "params.yaml",
        "featurize: {}\npolicy: {}\nbundle: {rules: [data/reference/rules/international.yaml]}\n",
    )
    for name, text in Trees(constant(0.5), constant(0.5)).texts().items():
        write_text(tmp_path / "trees" / name, text)
        write_text(tmp_path / "trees" / REHEARSAL / name, text)
    featurize.main(
        params=tmp_path / "params.yaml",
        items=tmp_path / "items.parquet",
        periods=tmp_path / "periods.json",
        outcomes=tmp_path / "outcomes.parquet",
        out=tmp_path / "features",
    )
    calibrate.main(
        params=tmp_path / "params.yaml",
        trees=tmp_path / "trees",
        features=tmp_path / "features/features.parquet",
        knowledge=tmp_path / "features/knowledge.json",
        items=tmp_path / "items.parquet",
        periods=tmp_path / "periods.json",
        outcomes=tmp_path / "outcomes.parquet",
        out=tmp_path / "calibrated",
    )
    return tmp_path


def sealed(stages: Path) -> Path:
    """Run the stage."""
    bundle.main(
        params=stages / "params.yaml",
        trees=stages / "trees",
        calibrated=stages / "calibrated",
        scorecard=stages,
        features=stages / "features",
        periods=stages / "periods.json",
        ingested=stages / "ingest.json",
        out=stages / "bundle",
    )
    return stages / "bundle"


def test_a_bundle_knows_the_goods_before_the_evaluation_and_is_calibrated_after_training(
    stages: Path,
) -> None:
    made = load(sealed(stages))
    assert made.model.knowledge.headings == {"6109", "2204"}
    assert made.model.knowledge.duty_cap == pytest.approx(0.2 * (1_000 + 78.21))
    assert made.model.calibration.finding.at(np.array([0.5])) == pytest.approx([0.4], abs=1e-3)
    assert made.manifest.trained_on["ingested"] == {"source": "tests"}


def test_a_bundle_that_cannot_be_read_does_not_leave_the_stage(stages: Path) -> None:
    write_json(stages / "calibrated" / PRICES, {"yellow": -1.0})
    with pytest.raises(BundleError, match="does not fit this software"):
        sealed(stages)
    assert not (stages / "bundle").exists()


def test_a_rule_without_words_stops_the_stage(
    stages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stages)
    write_json(Path("data/reference/rules/own.yaml"), [a_rule(reason_code="NOBODY_KNOWS")])
    params = Path("params.yaml").read_text(encoding="utf-8")
    write_text(Path("params.yaml"), params.replace("international", "own"))
    with pytest.raises(RulesError, match="NOBODY_KNOWS has no words"):
        sealed(stages)
    assert not (stages / "bundle").exists()


@pytest.mark.parametrize(("declared", "known"), [(2, True), (1, False)])
def test_what_half_of_the_goods_declare_is_a_fact_the_history_has(
    declared: int, known: bool
) -> None:
    items = to_columns(
        [
            a_declaration(
                declaration_id=f"D-{at}",
                items=(an_item(net_mass_kg=1.0 if at < declared else None),),
            )
            for at in range(4)
        ]
    )
    assert ("net_mass_kg" in featurize.knowledge_of(items).facts) == known
