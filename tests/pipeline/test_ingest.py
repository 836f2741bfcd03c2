"""The ingest stage: files and params in, four tables and their figures out."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.ingest import main
from pipelines.sources.assembly import FINDING, INSPECTION
from pipelines.sources.invented import mark
from pipelines.sources.joining import join
from pipelines.sources.layouts import Canonical
from pipelines.stage.tables import read_columns
from selectivity.columns import from_columns
from selectivity.errors import ParamsError, SourceError
from tests.builders import a_declaration, an_inspection

ROOT = Path(__file__).parents[2]
MAPPING = """
title: A test
layout: flat
fields: {declaration_id: ID, accepted_at: DATE, customs_value: VALUE}
labels:
  column: FOUND
  values: {"0": NONE, "1": ORIGIN}
  control_type: DOCUMENT
  label_delay_days: 10
"""


def test_a_day_at_the_end_of_the_calendar_is_set_aside_with_its_label(tmp_path: Path) -> None:
    _rows(tmp_path, "A,2026-03-02,1,0", "B,9999-12-31,1,1", "C,0001-01-01,1,1")
    out = _ingest(tmp_path, quarantine_limit=0.9)

    assert read_columns(out / "items.parquet")["declaration_id"].tolist() == ["A"]
    figures = json.loads((out / "ingest.json").read_text())
    assert figures["rows"]["refused"] == 2
    assert figures["inspections"] == 1


def test_ingest_writes_tables_in_order_of_time_and_their_figures(tmp_path: Path) -> None:
    file = _rows(tmp_path, "B,2026-03-03,2,1", "A,2026-03-02,1,", "A,2026-03-02,1,", "C,x,1,0")
    out = _ingest(tmp_path, quarantine_limit=0.5)

    assert read_columns(out / "items.parquet")["declaration_id"].tolist() == ["A", "B"]
    inspections = pd.read_parquet(out / "inspections.parquet")
    findings = pd.read_parquet(out / "findings.parquet")
    assert list(inspections.columns) == list(INSPECTION)
    assert list(findings.columns) == list(FINDING)
    assert inspections["observed_at"].tolist() == [pd.Timestamp("2026-03-13", tz="UTC")]
    assert findings["item_no"].tolist() == [1]
    assert json.loads((out / "ingest.json").read_text()) == {
        "source": "mine",
        "simulated": False,
        "rows": {"read": 4, "repeated": 1, "refused": 1},
        "refused_by_reason": {"accepted_at: not a date or time in ISO8601 (UTC)": 1},
        "set_to_missing": {},
        "declarations": 2,
        "goods_items": 2,
        "inspections": 1,
        "findings": 1,
        "labelled_share": 0.5,
        "period": {"from": "2026-03-02T00:00:00Z", "until": "2026-03-03T00:00:00Z"},
        "inputs": {file.as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()},
    }


def test_ingest_gives_the_same_bytes_again(tmp_path: Path) -> None:
    _rows(tmp_path, "B,2026-03-03,2,1", "A,2026-03-02,1,", "C,x,1,0")
    first = {file.name: file.read_bytes() for file in _ingest(tmp_path, limit=1).iterdir()}
    second = {file.name: file.read_bytes() for file in _ingest(tmp_path, limit=1).iterdir()}

    assert first == second
    assert len(first) == 5


def test_too_many_refused_rows_stop_the_run_and_leave_the_quarantine(tmp_path: Path) -> None:
    _rows(tmp_path, "A,2026-03-02,1,", "B,x,1,", "C,y,1,")

    first = r"accepted_at: not a date.*\(2 rows\), first 'x' in .*rows.csv, line 3\."
    with pytest.raises(SourceError, match=rf"2 of 3 rows were refused.*{first}"):
        _ingest(tmp_path, limit=0.5)
    assert len(_quarantine(tmp_path / "out")) == 2
    assert not (tmp_path / "out/items.parquet").exists()


def test_the_cause_is_named_though_more_rows_fell_with_it(tmp_path: Path) -> None:
    _native(tmp_path, findings_without_a_mechanism=0)
    items = ["declaration_id,item_no", *(f"D{at},{no}" for at in range(100) for no in "x23")]
    (tmp_path / "rows/goods_items.csv").write_text("\n".join(items), encoding="utf-8")

    with pytest.raises(SourceError, match=r"Most often: item_no: not a whole number \(100 rows\)"):
        _ingest(tmp_path, source="native")


def test_rows_of_a_small_table_are_not_lost_behind_those_of_a_large_one(tmp_path: Path) -> None:
    _native(tmp_path, findings_without_a_mechanism=12)

    with pytest.raises(SourceError, match=r"12 of 30 rows of table findings were refused"):
        _ingest(tmp_path, limit=0.15, source="native")
    assert not (tmp_path / "out/items.parquet").exists()


def test_findings_are_not_lost_behind_inspections_that_found_nothing(tmp_path: Path) -> None:
    clean = [f"C{at},2026-03-02,1,0" for at in range(200)]
    wrong = [f"W{at},2026-03-02,1,{1 if at < 4 else 7}" for at in range(16)]
    _rows(tmp_path, *clean, *wrong)

    with pytest.raises(
        SourceError, match=r"12 of 16 inspections that found.*first '7' in .*line 206"
    ):
        _ingest(tmp_path, limit=0.1)


def test_a_few_lost_findings_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _rows(tmp_path, *[f"C{at},2026-03-02,1,0" for at in range(90)], "W,2026-03-02,1,1", "V,x,1,1")
    _ingest(tmp_path, limit=0.1)

    told = "warning: source mine: 1 of 2 inspections that found something, or may have, were lost"
    assert told in capsys.readouterr().err


def test_what_a_mapping_sets_to_missing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _rows(tmp_path, "A,2026-03-02,-1,", "B,2026-03-02,5,")
    unfit = MAPPING.replace("VALUE}", "{column: VALUE, unfit: missing}}")
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/unfit.yaml").write_text(unfit, encoding="utf-8")
    _ingest(tmp_path, source="unfit")

    told = "ingest: values set to missing, as the mapping says: customs_value 1"
    assert told in capsys.readouterr().err


def test_the_quarantine_holds_no_formulas(tmp_path: Path) -> None:
    _rows(tmp_path, '"=1+1",2026-03-02,"@SUM(A1)",', "+A,2026-03-02,-5,")
    _ingest(tmp_path, limit=1)

    cells = [cell for row in _quarantine(tmp_path / "out") for cell in row.values()]
    assert "'@SUM(A1)" in cells
    assert "'-5.0" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_what_the_service_sent_back_is_added(tmp_path: Path) -> None:
    _rows(tmp_path, "A,2026-03-02,1,", "B,2026-03-03,1,0")
    in_both = a_declaration(declaration_id="A")
    new = a_declaration(declaration_id="N")
    _feedback(
        tmp_path,
        [new, in_both],
        [
            an_inspection(inspection_id="I-1", declaration_id="N"),
            an_inspection(inspection_id="I-2", declaration_id="A"),
            an_inspection(inspection_id="I-3", declaration_id="NOWHERE"),
        ],
    )
    out = _ingest(tmp_path, limit=1, feedback=str(tmp_path / "feedback"))

    items = read_columns(out / "items.parquet")
    assert items["declaration_id"].tolist() == ["A", "N", "B"]
    assert items["importer_id"].tolist() == [None, "IMP1", None]
    assert pd.read_parquet(out / "inspections.parquet")["inspection_id"].tolist() == [
        "B",
        "I-1",
        "I-2",
    ]
    assert [(row["line"], row["declaration_id"], row["reason"]) for row in _quarantine(out)] == [
        ("2", "A", "is in an earlier source with other content"),
        ("3", "NOWHERE", "no accepted declaration has this id"),
    ]


def test_findings_that_both_sources_tell_of_otherwise_are_not_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an export does, which adds the chance that a control had."""
    names = [f"D{number}" for number in range(30)]
    _rows(tmp_path, *(f"{name},2026-03-03,1,1" for name in names), *_clean(600))
    told: dict[str, Any] = {"control_type": "DOCUMENT", "result": "FINDING", "propensity": 0.5}
    told |= {"observed_at": "2026-03-13T00:00:00Z"}
    told |= {"findings": ({"item_no": 1, "mechanism": "ORIGIN"},)}
    again = [an_inspection(inspection_id=name, declaration_id=name, **told) for name in names]
    _feedback(tmp_path, [], again)
    out = _ingest(tmp_path, limit=0.05)
    assert len(pd.read_parquet(out / "findings.parquet")) == 30
    assert "lost" not in capsys.readouterr().err


def _clean(count: int) -> list[str]:
    return [f"C{number},2026-03-03,1,0" for number in range(count)]


def test_a_control_that_the_source_and_the_service_tell_of_is_one_control(tmp_path: Path) -> None:
    """The source names controls after declarations: B is the same in both, C says otherwise."""
    _rows(tmp_path, "B,2026-03-03,1,1", "C,2026-03-03,1,1")
    told = {"control_type": "DOCUMENT", "observed_at": "2026-03-13T00:00:00Z", "result": "FINDING"}
    wrong = {"item_no": 1, "mechanism": "ORIGIN"}
    _feedback(
        tmp_path,
        [],
        [
            an_inspection(inspection_id="B", declaration_id="B", findings=(wrong,), **told),
            an_inspection(inspection_id="C", declaration_id="C", **told | {"result": "NO_FINDING"}),
        ],
    )
    out = _ingest(tmp_path, limit=0.9, feedback=str(tmp_path / "feedback"))

    inspections = pd.read_parquet(out / "inspections.parquet")
    assert inspections[["inspection_id", "result"]].to_numpy().tolist() == [
        ["B", "FINDING"],
        ["C", "FINDING"],
    ]
    assert pd.read_parquet(out / "findings.parquet")["inspection_id"].tolist() == ["B", "C"]
    assert [(row["declaration_id"], row["reason"]) for row in _quarantine(out)] == [
        ("C", "is in an earlier source with other content")
    ]
    assert json.loads((out / "ingest.json").read_text())["rows"]["repeated"] == 1


@pytest.mark.parametrize(
    ("day", "said"), [("2026-04-20", ""), ("2021-01-20", "is of 2021-01-20 to 2021-01-20, 1867")]
)
def test_feedback_of_another_time_than_the_source_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], day: str, said: str
) -> None:
    _rows(tmp_path, "A,2026-03-02,1,", "B,2026-03-03,1,0")
    new = a_declaration(declaration_id="N", accepted_at=f"{day}T00:00:00Z")
    _feedback(tmp_path, [new], [])
    _ingest(tmp_path, feedback=str(tmp_path / "feedback"))

    told = capsys.readouterr().err
    assert ("warning" in told) == bool(said)
    assert said in told


def test_how_far_the_log_was_exported_is_told_with_the_log_it_is_of(tmp_path: Path) -> None:
    _rows(tmp_path, "A,2026-03-02,1,")
    _feedback(tmp_path, [a_declaration()], [an_inspection()])
    places = {"log_id": "7e", "decision_seq": 1, "inspection_seq": 1}
    (tmp_path / "feedback/export.json").write_text(json.dumps(places | {"declarations": 1}))
    out = _ingest(tmp_path, feedback=str(tmp_path / "feedback"))
    assert json.loads((out / "ingest.json").read_text())["feedback_upto"] == places


def test_an_export_that_is_written_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rows(tmp_path, "A,2026-03-02,1,")
    _feedback(tmp_path, [a_declaration()], [an_inspection()])
    exported = tmp_path / "feedback/export.json"
    exported.write_text('{"decision_seq": 1}')

    def meanwhile(sources: list[Canonical]) -> Canonical:
        exported.write_text('{"decision_seq": 700}')
        return join(sources)

    monkeypatch.setattr("pipelines.ingest.join", meanwhile)
    with pytest.raises(SourceError, match=r"export\.json was written while it was read"):
        _ingest(tmp_path)
    assert not (tmp_path / "out/ingest.json").exists()


@pytest.mark.parametrize("other", ["USD", "EUR"])
def test_amounts_in_several_currencies_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    declared = [
        a_declaration(declaration_id=name, currency=currency)
        for name, currency in (("A", "USD"), ("B", "USD"), ("C", "USD"), ("D", other))
    ]
    _feedback(tmp_path, declared, [])
    (tmp_path / "feedback").rename(tmp_path / "rows")
    _ingest(tmp_path, source="service")
    several = "amounts are in 2 currencies (USD 75%, EUR 25%)"
    assert (several in capsys.readouterr().err) == (other == "EUR")


@pytest.mark.parametrize("simulated", [True, False])
def test_invented_data_are_known_by_their_mark(tmp_path: Path, simulated: bool) -> None:
    file = _rows(tmp_path, "A,2026-03-02,1,")
    if simulated:
        mark(file.parent)
    told = json.loads((_ingest(tmp_path) / "ingest.json").read_text())
    assert told["simulated"] is simulated


def test_the_same_declarations_twice_count_as_repeated(tmp_path: Path) -> None:
    declared = [a_declaration(declaration_id=name) for name in ("A", "B")]
    inspections = [an_inspection(declaration_id="A")]
    _feedback(tmp_path, declared, inspections)
    (tmp_path / "feedback").rename(tmp_path / "rows")
    _feedback(tmp_path, declared, inspections)
    out = _ingest(tmp_path, source="service", feedback=str(tmp_path / "feedback"))

    told = json.loads((out / "ingest.json").read_text())
    assert told["rows"] == {"read": 6, "repeated": 3, "refused": 0}
    assert told["declarations"] == 2
    found = from_columns(read_columns(out / "items.parquet"))
    assert [one.declaration_id for one in found] == ["A", "B"]


@pytest.mark.parametrize("there", [True, False])
def test_a_service_that_has_decided_nothing_adds_nothing(there: bool, tmp_path: Path) -> None:
    _rows(tmp_path, "A,2026-03-02,1,")
    if there:
        (tmp_path / "feedback").mkdir()
    out = _ingest(tmp_path, feedback=str(tmp_path / "feedback"))

    assert read_columns(out / "items.parquet")["declaration_id"].tolist() == ["A"]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"quarantine_limit": 2}, "key ingest.quarantine_limit: .*less than or equal to 1"),
        ({"sources": "mine"}, r"key ingest.sources is not known \(did you mean 'source'\?\)"),
        ({"path": None}, "key ingest.path"),
    ],
)
def test_params_that_cannot_be_used_are_named(
    section: dict[str, Any], message: str, tmp_path: Path
) -> None:
    _rows(tmp_path)
    with pytest.raises(ParamsError, match=message):
        _ingest(tmp_path, **section)


def test_the_command_says_one_line_and_errors_in_plain_words(tmp_path: Path) -> None:
    _rows(tmp_path, "A,2026-03-02,1,0")
    _prepare(tmp_path)
    good = _command(tmp_path)
    assert good.returncode == 0
    assert good.stderr.splitlines() == [
        "ingest: 1 declarations with 1 goods items, 100% of them inspected; "
        "0 of 1 rows refused, 0 repeated"
    ]
    _prepare(tmp_path, source="yours")
    bad = _command(tmp_path)
    assert bad.returncode == SourceError.exit_code
    assert bad.stderr.startswith("error: There is no source 'yours'")
    assert "Traceback" not in bad.stderr


def _rows(folder: Path, *rows: str) -> Path:
    (folder / "rows").mkdir()
    file = folder / "rows/rows.csv"
    file.write_text("\n".join(["ID,DATE,VALUE,FOUND", *rows]), encoding="utf-8")
    return file


def _native(folder: Path, *, findings_without_a_mechanism: int) -> None:
    """30 inspections that found something, among 100 declarations."""
    (folder / "rows").mkdir()
    tables = {
        "declarations": [
            "declaration_id,accepted_at",
            *(f"D{at},2026-03-02T00:00:00Z" for at in range(100)),
        ],
        "goods_items": ["declaration_id,item_no", *(f"D{at},1" for at in range(100))],
        "inspections": [
            "inspection_id,declaration_id,control_type,result,observed_at",
            *(f"I{at},D{at},DOCUMENT,FINDING,2026-03-03T00:00:00Z" for at in range(30)),
        ],
        "findings": [
            "inspection_id,mechanism",
            *(f"I{at},{'' if at < findings_without_a_mechanism else 'ORIGIN'}" for at in range(30)),
        ],
    }
    for name, lines in tables.items():
        (folder / f"rows/{name}.csv").write_text("\n".join(lines), encoding="utf-8")


def _feedback(folder: Path, declarations: list[Any], inspections: list[Any]) -> None:
    (folder / "feedback").mkdir()
    for name, models in (("declarations", declarations), ("inspections", inspections)):
        lines = [model.model_dump_json(exclude_none=True) for model in models]
        (folder / f"feedback/{name}.ndjson").write_text("\n".join(lines), encoding="utf-8")


def _prepare(folder: Path, *, limit: float = 0.05, **section: Any) -> None:
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "sources/mine.yaml").write_text(MAPPING, encoding="utf-8")
    for name in ("service", "native"):
        text = (ROOT / f"data/reference/sources/{name}.yaml").read_text("utf-8")
        (folder / f"sources/{name}.yaml").write_text(text, "utf-8")
    plain = {
        "source": "mine",
        "path": str(folder / "rows"),
        "feedback": str(folder / "feedback"),
        "quarantine_limit": limit,
    }
    (folder / "params.yaml").write_text(json.dumps({"ingest": plain | section}))


def _ingest(folder: Path, *, limit: float = 0.05, **section: Any) -> Path:
    _prepare(folder, limit=limit, **section)
    main(params=folder / "params.yaml", mappings=folder / "sources", out=folder / "out")
    return folder / "out"


def _quarantine(out: Path) -> list[dict[str, str]]:
    with (out / "quarantine.csv").open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def _command(folder: Path) -> subprocess.CompletedProcess[str]:
    options = {"params": "params.yaml", "mappings": "sources", "out": "out"}
    arguments = [part for name, path in options.items() for part in (f"--{name}", folder / path)]
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "pipelines.ingest", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
