"""The simulated administration: same seed, same bytes; true to the schema; truth kept apart."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.params import section
from pipelines.simulate import TABLES, Simulated, SimulateParams, main, simulate
from pipelines.simulator.draws import Streams, Table
from pipelines.simulator.goods import Headings, read_headings
from selectivity.columns import HEADER, ITEM, day_of, from_columns
from selectivity.declaration import read_declaration
from selectivity.errors import ParamsError
from selectivity.inspection import FindingClass, Inspection, Mechanism, read_inspection
from selectivity.lanes import Lane

ROOT = Path(__file__).parents[2]
GOODS = ROOT / "data/reference/simulator_headings.yaml"
SAMPLES = ROOT / "data/samples"
PARAMS = SimulateParams(seed=7, declarations=6_000, traders=400, brokers=40)
OF_THE_POLICY = {"lane", "channel"} | {
    f"propensity{lane}" for lane in ("", "_green", "_yellow", "_red")
}


@pytest.fixture(scope="module")
def headings() -> Headings:
    return read_headings(GOODS)


@pytest.fixture(scope="module")
def simulated(headings: Headings) -> Simulated:
    return simulate(headings, PARAMS)


def lanes_of(truth: Table) -> np.ndarray:
    return truth["lane"][truth["item_no"] == 1]


def same(one: Table, other: Table) -> bool:
    return one.keys() == other.keys() and all(
        [repr(value) for value in one[name]] == [repr(value) for value in other[name]]
        for name in one
    )


def run(folder: Path, **params: float) -> None:
    lines = "".join(f"  {name}: {value}\n" for name, value in params.items())
    folder.mkdir()
    (folder / "params.yaml").write_text("simulate:\n" + lines)
    main(
        params=folder / "params.yaml",
        out=folder / "raw",
        truth=folder / "truth",
        headings=GOODS,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("again", 3), ("another", 4)):
        run(tmp_path / name, seed=seed, declarations=400, traders=60, brokers=10)

    one, again, another = (contents(tmp_path / name) for name in ("one", "again", "another"))

    assert one == again
    assert one["declarations.parquet"] != another["declarations.parquet"]


def test_the_truth_is_written_apart(tmp_path: Path) -> None:
    run(tmp_path / "run", declarations=200, traders=60, brokers=10)

    assert {path.stem for path in (tmp_path / "run/raw").iterdir()} == set(TABLES)
    assert [path.name for path in (tmp_path / "run/truth").iterdir()] == ["truth.parquet"]


def test_no_table_tells_what_only_the_truth_knows(simulated: Simulated) -> None:
    declared = {name for kinds in TABLES.values() for name in kinds}

    assert declared & set(simulated.truth) == {
        "declaration_id",
        "item_no",
        "mechanism",  # of findings
        "propensity",  # of inspections
    }


def test_every_declaration_is_valid(simulated: Simulated) -> None:
    header, item = simulated.tables["declarations"], simulated.tables["goods_items"]
    some = np.flatnonzero(np.isin(item["declaration_id"], header["declaration_id"][:800]))
    owner = np.searchsorted(
        header["declaration_id"].astype(str), item["declaration_id"][some].astype(str)
    )
    columns = {name: header[name][owner] for name in HEADER}
    columns |= {name: item[name][some] for name in ITEM}

    declarations = from_columns(columns)

    assert len(declarations) == 800
    assert all(one.lodged_at <= one.accepted_at for one in declarations)  # type: ignore[operator]


def test_every_inspection_is_valid_and_of_a_known_declaration(simulated: Simulated) -> None:
    inspections, findings = simulated.tables["inspections"], simulated.tables["findings"]
    known = set(simulated.tables["declarations"]["declaration_id"])
    found: dict[str, list[dict[str, object]]] = {}
    for row in range(len(findings["inspection_id"])):
        entry = {name: findings[name][row] for name in findings if name != "inspection_id"}
        entry["item_no"] = int(findings["item_no"][row])
        due = entry["additional_duty"]
        entry["additional_duty"] = None if np.isnan(due) else float(due)  # type: ignore[call-overload]
        found.setdefault(findings["inspection_id"][row], []).append(entry)

    for row, inspection_id in enumerate(inspections["inspection_id"]):
        propensity = float(inspections["propensity"][row])
        inspection = Inspection.model_validate(
            {
                **{name: inspections[name][row] for name in inspections},
                "propensity": None if np.isnan(propensity) else propensity,
                "observed_at": f"{inspections['observed_at'][row]}Z",
                "findings": found.pop(inspection_id, []),
            },
            strict=False,
        )
        assert inspection.declaration_id in known
    assert not found


def test_another_policy_meets_the_same_traders_and_violations(
    headings: Headings, simulated: Simulated
) -> None:
    stricter = PARAMS.model_copy(update={"red_share": 0.2, "random_share": 0.05, "legacy_noise": 3})
    other = simulate(headings, stricter)

    for name in ("declarations", "goods_items"):
        assert same(simulated.tables[name], other.tables[name])
    for name in set(simulated.truth) - OF_THE_POLICY:
        assert same({name: simulated.truth[name]}, {name: other.truth[name]}), name
    assert (lanes_of(other.truth) == "RED").sum() > 2 * (lanes_of(simulated.truth) == "RED").sum()


def test_drawing_from_one_stream_never_shifts_another() -> None:
    alone, crowded = Streams(1), Streams(1)
    crowded("policy").random(1_000)

    np.testing.assert_array_equal(alone("traders").random(9), crowded("traders").random(9))
    assert alone("traders").random() != alone("policy").random()


def test_shares_come_out_as_asked(simulated: Simulated) -> None:
    lanes, truth = lanes_of(simulated.truth), simulated.truth
    first = np.flatnonzero(truth["item_no"] == 1)
    violating = np.logical_or.reduceat(truth["violating"], first)

    assert np.mean(lanes == "RED") == pytest.approx(0.06, abs=0.01)
    assert np.mean(lanes == "YELLOW") == pytest.approx(0.30, abs=0.02)
    assert violating.mean() == pytest.approx(0.04, abs=0.008)
    assert len(truth["item_no"]) / len(lanes) == pytest.approx(3.1, abs=0.15)
    direction = simulated.tables["declarations"]["direction"]
    assert np.mean(direction == "EXPORT") == pytest.approx(0.35, abs=0.12)


def test_goods_that_nobody_looked_at_have_no_inspection(simulated: Simulated) -> None:
    inspected = set(simulated.tables["inspections"]["declaration_id"])
    ids = simulated.tables["declarations"]["declaration_id"]
    lanes = lanes_of(simulated.truth)

    assert inspected == set(ids[lanes != Lane.GREEN.name])


def test_controls_see_less_than_the_truth(simulated: Simulated) -> None:
    truth, inspections = simulated.truth, simulated.tables["inspections"]
    wrong = truth["violating"].astype(bool)
    papers = inspections["inspection_id"][inspections["control_type"] == "DOCUMENT"]
    found = simulated.tables["findings"]
    by_papers = np.isin(found["inspection_id"], papers)
    checked = wrong & (truth["lane"] == "YELLOW")

    assert 0 < by_papers.sum() < 0.9 * checked.sum()
    assert (wrong & (truth["lane"] == "GREEN")).sum() > 0.3 * wrong.sum()


def test_risk_can_be_learnt_and_does_not_give_violations_away(simulated: Simulated) -> None:
    auroc = roc_auc_score(simulated.truth["violating"], simulated.truth["true_risk"])

    assert 0.80 <= auroc <= 0.93


def test_chances_are_recorded_in_the_modern_half_and_never_for_officers(
    simulated: Simulated,
) -> None:
    header, inspections = simulated.tables["declarations"], simulated.tables["inspections"]
    week = (day_of(header["lodged_at"]) - day_of(np.array(["2025-01-06"], dtype="M8[D]"))) // 7
    owner = np.searchsorted(
        header["declaration_id"].astype(str), inspections["declaration_id"].astype(str)
    )
    modern = week[owner] >= PARAMS.propensity_from_week
    recorded = ~np.isnan(inspections["propensity"])

    assert not recorded[~modern].any()
    assert recorded[modern & (inspections["triggered_by"] != "OFFICER")].all()
    assert not recorded[inspections["triggered_by"] == "OFFICER"].any()


def test_chances_sum_to_one_and_foretell_the_lanes(simulated: Simulated) -> None:
    truth = simulated.truth
    first = truth["item_no"] == 1
    chances = np.column_stack([truth[f"propensity_{lane.name.lower()}"] for lane in Lane])[first]
    proposed = np.where(truth["channel"] == "OFFICER", "YELLOW", truth["lane"])[first]

    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert (chances[:, Lane.RED] >= PARAMS.random_share - 1e-12).all()
    for lane in Lane:
        expected = chances[:, lane].sum()
        spread = np.sqrt((chances[:, lane] * (1 - chances[:, lane])).sum())
        assert abs((proposed == lane.name).sum() - expected) < 4 * spread + 0.005 * len(proposed)


def test_violations_weighted_by_chance_come_out_at_their_true_number(simulated: Simulated) -> None:
    truth = simulated.truth
    wrong = truth["violating"].astype(bool)
    at_risk = truth["propensity_red"]
    by_policy = wrong & (truth["lane"] == "RED") & (truth["channel"] != "OFFICER")

    estimate = (1 / at_risk[by_policy]).sum()
    spread = np.sqrt(((1 - at_risk[by_policy]) / at_risk[by_policy] ** 2).sum())

    assert abs(estimate - wrong.sum()) < 3 * spread


def test_young_traders_have_the_risk_levels_of_young_traders(simulated: Simulated) -> None:
    header = simulated.tables["declarations"]
    known = header["direction"] == "IMPORT"
    age = (day_of(header["accepted_at"]) - day_of(header["importer_registered_on"]))[known]
    levels = header["importer_risk_level"][known]

    np.testing.assert_array_equal(levels >= 7, age < 365)
    assert (age >= 0).all()


def test_papers_answer_in_hours_and_laboratories_in_weeks(simulated: Simulated) -> None:
    header, inspections = simulated.tables["declarations"], simulated.tables["inspections"]
    owner = np.searchsorted(
        header["declaration_id"].astype(str), inspections["declaration_id"].astype(str)
    )
    hours = (inspections["observed_at"] - header["accepted_at"][owner]) / np.timedelta64(1, "h")

    assert (hours >= 0).all()
    for control_type, low, high in (
        ("DOCUMENT", 2, 8),
        ("FULL_PHYSICAL", 15, 45),
        ("SAMPLE", 120, 400),
    ):
        assert low < np.median(hours[inspections["control_type"] == control_type]) < high


def test_both_kinds_of_findings_and_all_results_occur(simulated: Simulated) -> None:
    classes = {Mechanism(name).finding_class for name in simulated.tables["findings"]["mechanism"]}
    results = set(simulated.tables["inspections"]["result"])

    assert classes == {FindingClass.DOCUMENTARY, FindingClass.PHYSICAL}
    assert results == {"FINDING", "NO_FINDING", "INCONCLUSIVE", "CANCELLED"}


def test_ids_resemble_nobody(simulated: Simulated) -> None:
    for table in simulated.tables.values():
        for name in table:
            if name.endswith("_id") and name not in ("undg_id", "quota_id"):
                assert all(one is None or one.startswith("SYN") for one in table[name]), name


def test_goods_are_real_codes_under_their_headings(headings: Headings) -> None:
    codes = [code for heading in headings.root.values() for code in heading.codes]

    assert len(codes) == len(set(codes)) == 400
    assert all(
        code.startswith(number) and len(code) == 6
        for number, heading in headings.root.items()
        for code in heading.codes
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("red_share: 0.01\n  random_share: 0.02", "exceed red_share"),
        ("start: 2025-01-07", "must be a Monday"),
        ("declaration: 5", "declarations"),
    ],
)
def test_unusable_params_are_refused(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "params.yaml").write_text(f"simulate:\n  {lines}\n")

    with pytest.raises(ParamsError, match=message):
        section(tmp_path / "params.yaml", "simulate", SimulateParams)


def test_a_broken_table_of_goods_is_refused(tmp_path: Path) -> None:
    (tmp_path / "goods.yaml").write_text('"6109":\n  goods: {usd_per_kg: 0}\n  codes: {}\n')

    with pytest.raises(ParamsError, match="6109"):
        read_headings(tmp_path / "goods.yaml")
    with pytest.raises(ParamsError, match="cannot be read"):
        read_headings(tmp_path / "none.yaml")


def test_samples_are_valid_and_come_after_the_simulated_weeks(headings: Headings) -> None:
    lines = (SAMPLES / "declarations.ndjson").read_text(encoding="utf-8").splitlines()
    declarations = [read_declaration(line) for line in lines]
    codes = {code for heading in headings.root.values() for code in heading.codes}
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
