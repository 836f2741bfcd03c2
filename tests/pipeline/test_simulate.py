"""The simulated administration as the stage writes it: true to the schema, its truth kept apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.simulate import SimulateParams, follow, main
from pipelines.simulator.schema import KNOWN_AT, TABLES, TRUTH, empty
from pipelines.sources.canonical import read_source
from pipelines.sources.invented import MARK, is_simulated
from pipelines.sources.mappings import load_mapping
from pipelines.stage.tables import arrow_table, columns_from_frame
from selectivity.columns import KINDS, from_columns
from selectivity.declaration import read_declaration
from selectivity.errors import ParamsError
from selectivity.inspection import Finding, FindingClass, Inspection, Mechanism, read_inspection
from tests.rows import SOURCES
from tests.worlds import KEY, SIMULATOR, a_simulation, a_world, declared, the_headings

SAMPLES = Path(__file__).parents[2] / "data/samples"
BRIEF: dict[str, Any] = {"weeks": 6, "declarations": 600, "trade": {"traders": 80, "brokers": 10}}


def run(folder: Path, **changes: Any) -> None:
    folder.mkdir(exist_ok=True)
    stage = {"simulate": {"preset": "small", "changes": BRIEF | changes}}
    (folder / "params.yaml").write_text(yaml.safe_dump(stage), encoding="utf-8")
    main(
        params=folder / "params.yaml",
        reference=SIMULATOR,
        out=folder / "raw",
        truth=folder / "truth",
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    run(folder)
    return folder


def test_a_world_of_ones_own_lies_where_a_change_is_seen(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("title: Mine\n")
    stage = {"simulate": {"preset": str(tmp_path / "own.yaml")}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(stage), encoding="utf-8")
    with pytest.raises(ParamsError, match=r"simulate\.preset names .*own\.yaml, which lies"):
        main(tmp_path / "params.yaml", SIMULATOR, tmp_path / "raw", tmp_path / "truth")


def test_all_that_was_found_is_read_and_what_was_cancelled_is_no_finding(written: Path) -> None:
    read = read_source(written / "raw", load_mapping(SOURCES, "native"))
    results = read.inspections["result"].value_counts()
    assert read.found == results["FINDING"]
    assert results["CANCELLED"] > 0


def test_tables_are_marked_as_invented(written: Path) -> None:
    assert is_simulated(written / "raw")
    assert not is_simulated(written)


def test_the_same_seed_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    run(tmp_path / "again")
    run(tmp_path / "other", seed=4)

    one, again, other = map(contents, (written, tmp_path / "again", tmp_path / "other"))

    assert one == again
    for name, written_once in one.items():
        if name in other and "capacity_calendar" not in name and MARK not in name:
            assert written_once != other[name], f"another seed, and {name} is the same"


def test_a_run_leaves_nothing_of_the_run_before(tmp_path: Path, written: Path) -> None:
    run(tmp_path / "run", seed=4, weeks=12, start="2024-06-03")
    kept = tmp_path / "run/raw/note.txt"
    kept.write_text("not of the simulator")
    run(tmp_path / "run")

    left = contents(tmp_path / "run")

    assert left.pop("raw/note.txt") == b"not of the simulator"
    assert left == contents(written)


def test_the_truth_is_written_apart(written: Path) -> None:
    assert {path.name for path in (written / "raw").iterdir()} <= {*TABLES, MARK}
    assert {path.name for path in (written / "truth").iterdir()} == set(TRUTH)


def test_no_table_has_a_column_of_the_truth() -> None:
    visible = {name for kinds in TABLES.values() for name in kinds}
    hidden = {name for kinds in TRUTH.values() for name in kinds}

    assert visible & hidden == {
        "accepted_at",
        "declaration_id",
        "version_no",
        "item_no",
        "mechanism",  # of findings
        "propensity",  # of inspections
        "lane",  # of decisions and the capacity calendar
        "channel",  # of decisions
        "propensity_green",
        "propensity_yellow",
        "propensity_red",
        "office",  # of the capacity calendar
    }


def test_files_have_the_columns_of_the_schema_and_the_rows_of_their_month(written: Path) -> None:
    for name, kinds in (TABLES | TRUTH).items():
        for path in written.glob(f"*/{name}/**/*.parquet"):
            table = pq.read_table(path, partitioning=None)
            assert table.schema.equals(arrow_table(empty(kinds), kinds).schema), name
            if KNOWN_AT.get(name) in table.column_names:
                months = table[KNOWN_AT[name]].to_pandas().dt.strftime("%Y-%m").unique()
                assert [path.parent.name] == [f"month={month}" for month in months]


@pytest.mark.parametrize(
    ("name", "key", "parent"),
    [
        ("goods_items", "declaration_id", "declarations"),
        ("findings", "inspection_id", "inspections"),
    ],
)
def test_parts_stand_in_the_month_of_what_they_are_part_of(
    written: Path, name: str, key: str, parent: str
) -> None:
    for path in (written / "raw" / name).rglob("*.parquet"):
        beside = written / "raw" / parent / path.parent.name / path.name
        parts, wholes = (pq.read_table(each, columns=[key])[key] for each in (path, beside))
        assert set(parts.to_pylist()) <= set(wholes.to_pylist())


def test_the_line_at_the_end_counts_what_was_written(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulation = a_simulation(**BRIEF)
    line = follow(simulation.weeks(6), simulation, until=6)
    rows = {
        name: sum(
            pq.read_metadata(path).num_rows for path in written.glob(f"*/{name}/**/*.parquet")
        )
        for name in ("declarations", "goods_items", "inspections")
    }

    assert line.startswith(
        f"{rows['declarations']:,} declarations, {rows['goods_items']:,} goods items; "
        f"{rows['inspections']:,} inspections, "
    )
    assert "week 6 of 6" in capsys.readouterr().err


def test_every_declaration_is_valid() -> None:
    world = a_world()
    header = world["declarations"].iloc[:1_500]
    columns = columns_from_frame(header.merge(world["goods_items"], on=KEY), KINDS)

    declarations = from_columns(columns)

    assert len(declarations) == len(header)
    assert all(one.lodged_at <= one.accepted_at for one in declarations)  # type: ignore[operator]
    assert {len(one.items) for one in declarations} <= set(range(1, 13))


def test_a_header_sums_up_its_items_which_are_numbered_from_one() -> None:
    world = a_world()
    items = world["goods_items"].groupby(KEY, sort=False)
    sums = items[["item_amount", "gross_mass_kg", "package_count"]].sum().reset_index()
    both = world["declarations"].merge(sums, on=KEY, validate="one_to_one")

    np.testing.assert_array_equal(world["goods_items"]["item_no"], items.cumcount() + 1)
    for total, of_items in (
        ("invoice_amount", "item_amount"),
        ("total_gross_mass_kg", "gross_mass_kg"),
        ("total_packages", "package_count"),
    ):
        np.testing.assert_allclose(both[total], both[of_items], atol=0.01)


def test_a_version_of_a_declaration_is_lodged_once() -> None:
    world = a_world()

    assert not world["declarations"].duplicated(KEY).any()
    assert not world["goods_items"].duplicated([*KEY, "item_no"]).any()
    assert not world["inspections"].duplicated("inspection_id").any()
    assert not world["overrides"].duplicated("override_id").any()


def test_every_inspection_is_valid_and_of_a_known_declaration() -> None:
    world = a_world()
    known = set(world["declarations"]["declaration_id"])
    found: dict[str, list[dict[str, Any]]] = {}
    for row in world["findings"].to_dict("records"):
        fields = {name: row[name] for name in Finding.model_fields if not _missing(row[name])}
        fields |= {"item_no": int(row["item_no"])}
        found.setdefault(row["inspection_id"], []).append(fields)

    for row in world["inspections"].to_dict("records"):
        fields = {
            name: row[name]
            for name in Inspection.model_fields
            if name != "findings" and not _missing(row[name])
        }
        fields |= {"findings": found.pop(row["inspection_id"], [])}
        fields |= {"observed_at": f"{row['observed_at'].isoformat()}Z"}
        assert Inspection.model_validate(fields, strict=False).declaration_id in known
    assert not found, "findings of no inspection"


def test_findings_and_appeals_are_of_goods_items_that_there_are() -> None:
    world = a_world()
    of_items = world["inspections"][["inspection_id", "declaration_id"]].merge(
        world["goods_items"][["declaration_id", "item_no"]].drop_duplicates(), on="declaration_id"
    )
    there = set(zip(of_items["inspection_id"], of_items["item_no"], strict=True))
    found = world["findings"]
    appealed = world["appeals"]

    assert set(zip(found["inspection_id"], found["item_no"], strict=True)) <= there
    assert set(zip(appealed["inspection_id"], appealed["item_no"], strict=True)) <= set(
        zip(found["inspection_id"], found["item_no"], strict=True)
    )


def test_both_kinds_of_findings_and_all_results_occur() -> None:
    world = a_world()
    classes = {Mechanism(name).finding_class for name in world["findings"]["mechanism"]}

    assert classes == {FindingClass.DOCUMENTARY, FindingClass.PHYSICAL}
    assert set(world["inspections"]["result"]) == {
        "FINDING",
        "NO_FINDING",
        "INCONCLUSIVE",
        "CANCELLED",
    }
    assert set(world["findings"]["intent"]) == {"FRAUD", "ERROR"}


def test_shares_come_out_as_asked() -> None:
    world, asked = a_world(), a_simulation().world.settings
    table = declared(world)
    first = table[table["version_no"] == 1]

    # Four standard errors of 6,000 declarations, or of 1,200 amendments and the like; what offices
    # round and send on to red comes on top of the lanes.
    assert len(first) == pytest.approx(asked.declarations, abs=100)
    assert (first["lane"] == "RED").mean() == pytest.approx(0.06, abs=0.015)
    assert (first["lane"] == "YELLOW").mean() == pytest.approx(0.30, abs=0.025)
    assert first["violating"].mean() == pytest.approx(0.04, abs=0.011)
    assert (table["version_no"] == 2).mean() == pytest.approx(0.03, abs=0.009)
    assert (first["direction"] == "EXPORT").mean() == pytest.approx(0.35, abs=0.12)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("preset: smal", "did you mean 'small'"),
        ("presets: small", r"simulate\.presets is not known \(did you mean 'preset'\?\)"),
        ("{preset: small, changes: {weeks: 0}}", "key weeks: .*greater than 0"),
    ],
)
def test_unusable_params_are_refused(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "params.yaml").write_text(f"simulate:\n  {lines}\n")

    with pytest.raises(ParamsError, match=message):
        main(tmp_path / "params.yaml", SIMULATOR, tmp_path / "raw", tmp_path / "truth")

    assert not (tmp_path / "raw").exists()


def test_the_default_world_is_the_one_with_a_middle_base_rate() -> None:
    assert SimulateParams().preset == "mid_n"


def test_samples_are_valid_and_come_after_the_simulated_weeks() -> None:
    lines = (SAMPLES / "declarations.ndjson").read_text(encoding="utf-8").splitlines()
    declarations = [read_declaration(line) for line in lines]
    codes = {code for heading in the_headings().root.values() for code in heading.codes}
    unknown = [d for d in declarations if not {item.hs_code for item in d.items} <= codes]

    assert len({declaration.declaration_id for declaration in declarations}) == 12
    assert len(unknown) == 1
    assert all(str(declaration.accepted_at) >= "2026-03-02" for declaration in declarations)


def test_sample_inspections_are_of_the_sample_declarations() -> None:
    lines = (SAMPLES / "declarations.ndjson").read_text(encoding="utf-8").splitlines()
    accepted = {one.declaration_id: one.accepted_at for one in map(read_declaration, lines)}
    lines = (SAMPLES / "inspections.ndjson").read_text(encoding="utf-8").splitlines()
    inspections = [read_inspection(line) for line in lines]

    assert [one.result.value for one in inspections] == ["FINDING", "NO_FINDING"]
    assert all(one.observed_at > accepted[one.declaration_id] for one in inspections)


def _missing(value: Any) -> bool:
    return value is None or value != value  # NaN and NaT differ from themselves
