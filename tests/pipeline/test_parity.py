"""Training and service see the same: the stage finds what differs, and then no bundle is made."""

import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.bundle import PROFILES_FILE
from pipelines import featurize, parity
from pipelines.histories import sql
from pipelines.label import LabelParams, label
from pipelines.simulator.store import Folder, write_weeks
from pipelines.stage.files import read_arrays, write_arrays, write_text
from pipelines.stage.tables import write_columns
from pipelines.training.periods import Periods
from pipelines.trials.memory import Memory
from selectivity.columns import in_time_order, to_columns
from selectivity.errors import ParityError
from selectivity.features.matrix import FEATURE_NAMES
from selectivity.histories.aggregates import VALUES
from selectivity.histories.rows import rows_of
from tests.builders import NOON, a_declaration
from tests.worlds import a_simulation

DAYS = [date(2025, 1, 1 + day) for day in range(5)]
PERIODS = Periods(
    train_from=DAYS[0],
    train_until=DAYS[1],
    calibrate_from=DAYS[1],
    calibrate_until=DAYS[2],
    evaluate_from=DAYS[3],
    evaluate_until=DAYS[4],
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some weeks of a world, with outcomes of which some were corrected and some withdrawn."""
    folder = tmp_path_factory.mktemp("world")
    tables = Folder.of(folder / "world")
    simulation = a_simulation(weeks=10, declarations=1_200, trade={"traders": 100})
    for _ in write_weeks(tables, simulation, simulation.weeks(10)):
        pass
    memory = Memory.of(tables)
    items = in_time_order(memory.items())
    write_columns(items, folder / "items.parquet")
    told = label(items, _with_corrections(memory.inspections()), memory.findings(), LabelParams())
    assert (told["counts"] < 0).sum() > 5
    told.to_parquet(folder / "outcomes.parquet")
    write_text(folder / "periods.json", PERIODS.model_dump_json())
    featurized(folder, profiles_until="null")
    return folder


def _with_corrections(inspections: pd.DataFrame) -> pd.DataFrame:
    """Every tenth control is corrected nine days later, every second of them withdrawn."""
    later = inspections.iloc[::10].assign(
        corrects=lambda table: table["inspection_id"],
        inspection_id=lambda table: table["inspection_id"] + "-C",
        observed_at=lambda table: table["observed_at"] + pd.Timedelta(days=9),
        result=lambda table: np.where(np.arange(len(table)) % 2, "CANCELLED", "NO_FINDING"),
    )
    return pd.concat([inspections, later], ignore_index=True)


def featurized(folder: Path, *, profiles_until: str) -> None:
    """Run the stage before."""
    write_text(
        folder / "params.yaml",
        f"featurize: {{profiles_until: {profiles_until}, rows_at_once: 1000}}\n",
    )
    featurize.main(
        params=folder / "params.yaml",
        items=folder / "items.parquet",
        periods=folder / "periods.json",
        outcomes=folder / "outcomes.parquet",
        out=folder / "features",
    )


def held_together(folder: Path) -> None:
    """Run the stage."""
    parity.main(
        params=folder / "params.yaml",
        items=folder / "items.parquet",
        outcomes=folder / "outcomes.parquet",
        features=folder / "features",
        out=folder / "parity.json",
    )


@pytest.fixture
def copy(world: Path, tmp_path: Path) -> Path:
    shutil.copytree(world, tmp_path / "copy")
    return tmp_path / "copy"


def test_what_a_killed_run_of_featurize_left_is_swept_out(copy: Path) -> None:
    (copy / "features/.histories-left/histories-left").mkdir(parents=True)
    featurized(copy, profiles_until="null")
    there = {path.name for path in (copy / "features").iterdir()}
    assert there == {"features.parquet", "knowledge.json", "profiles.npz"}


@pytest.mark.parametrize("profiles_until", ["null", "2025-02-10"])
def test_features_of_training_are_those_of_the_service(copy: Path, profiles_until: str) -> None:
    featurized(copy, profiles_until=profiles_until)
    held_together(copy)
    told = json.loads((copy / "parity.json").read_text())
    assert told["goods_items"] > 1_000
    assert told["keys"] > 1_000
    assert (told["differing_values"], told["differing_keys"]) == (0, 0)


def test_one_value_that_differs_is_named(copy: Path) -> None:
    file = copy / "features/features.parquet"
    table = pq.read_table(file)
    values = table["trader_declared"].to_numpy().copy()
    values[700] += 1
    at = table.schema.get_field_index("trader_declared")
    pq.write_table(table.set_column(at, "trader_declared", pa.array(values)), file)
    with pytest.raises(ParityError, match=r"1 values and 0 histories.*trader_declared"):
        held_together(copy)
    assert not (copy / "parity.json").exists()


def test_a_history_of_the_bundle_that_differs_is_named(copy: Path) -> None:
    arrays = read_arrays(copy / "features" / PROFILES_FILE)
    arrays["seller.sums"][-1, 0] += 1
    write_arrays(copy / "features" / PROFILES_FILE, arrays)
    with pytest.raises(ParityError, match=r"0 values and 1 histories.*history of seller"):
        held_together(copy)


def test_a_look_into_the_day_itself_is_found(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_the_day = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
    monkeypatch.setattr(sql, "_EVERYTHING_BEFORE", with_the_day)
    featurized(copy, profiles_until="null")
    with pytest.raises(ParityError, match="no bundle is made"):
        held_together(copy)


def test_a_value_that_only_one_side_knows_differs() -> None:
    columns = to_columns([a_declaration()])
    known, unknown = np.ones((1, len(FEATURE_NAMES))), np.ones((1, len(FEATURE_NAMES)))
    unknown[0, 3] = np.nan
    for bulk, fold in ((known, unknown), (unknown, known)):
        (found,) = parity.differences(columns, bulk, fold)
        assert found.feature == FEATURE_NAMES[3]
    assert not list(parity.differences(columns, unknown, unknown.copy()))


def test_one_bit_is_a_difference() -> None:
    columns = to_columns([a_declaration()])
    bulk = np.full((1, len(FEATURE_NAMES)), 0.1)
    fold = bulk.copy()
    fold[0, 5] = np.nextafter(0.1, 1)
    (found,) = parity.differences(columns, bulk, fold)
    assert (found.feature, found.bulk) == (FEATURE_NAMES[5], 0.1)
    assert not list(parity.differences(columns, bulk, bulk.copy()))


def test_what_was_found_before_the_goods_were_accepted_waits_for_them() -> None:
    outcome = {"row": 0, "finding_class": 2, "counts": 1}
    early = pd.DataFrame([outcome | {"observed_at": pd.Timestamp(NOON) - pd.Timedelta(days=2)}])
    fold = parity.Fold(early, before_day=None)
    (row,) = rows_of(a_declaration())
    fold.values(0, row)
    (later,) = rows_of(a_declaration(accepted_at=NOON + pd.Timedelta(days=1)))
    known = dict(zip(VALUES, fold.values(1, later), strict=True))
    assert [known[v] for v in VALUES if v.name == "trader_physical"] == [1.0]
