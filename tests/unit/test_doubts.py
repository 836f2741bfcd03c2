"""What was hardly meant is told: codes without their zero, shortened ids, columns misnamed."""

from pathlib import Path

import pandas as pd
import pytest

from pipelines.sources.canonical import read_source
from pipelines.sources.doubts import doubts
from pipelines.sources.mappings import load_mapping
from selectivity.errors import SourceError
from tests.rows import SOURCES


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({}, ""),
        ({"hs_code": "10121"}, "1 of 1 HS codes .* such as '10121'.*Say with `hs_digits`"),
        ({"declaration_id": "2,99E+07"}, "1 of 1 declaration_id .* such as '2,99E.07'.*as text"),
        (
            {"importer": "T1"},
            "column 'importer' of .*declarations.csv is not read: is it 'importer",
        ),
        ({"remarks": "none"}, ""),
    ],
)
def test_what_was_hardly_meant_is_told_in_one_line(
    columns: dict[str, str], told: str, tmp_path: Path
) -> None:
    whole = {"declaration_id": "A", "accepted_at": "2026-03-02", "hs_code": "010121"} | columns
    _write(tmp_path, whole)

    lines = list(doubts(read_source(tmp_path, load_mapping(SOURCES, "native"))))

    assert len(lines) == bool(told)
    assert not told or pd.Series(lines).str.contains(f"^warning: .*{told}").all()


@pytest.mark.parametrize(
    ("value", "told"),
    [("12.5{:02}", True), ("12.{:02}", False), ("12.5{:02}7", False), ("12", False)],
)
def test_amounts_that_may_be_a_thousandth_are_told(value: str, told: bool, tmp_path: Path) -> None:
    """Three decimals that are not zeros in the end, as nine of ten numbers of thousands have."""
    rows = [
        {"declaration_id": f"D{at}", "accepted_at": "2026-03-02", "customs_value": value.format(at)}
        for at in range(40)
    ]
    frame = pd.DataFrame(rows)
    frame[["declaration_id", "accepted_at"]].to_csv(tmp_path / "declarations.csv", index=False)
    items = frame[["declaration_id", "customs_value"]].assign(item_no=1)
    items.to_csv(tmp_path / "goods_items.csv", index=False)

    lines = list(doubts(read_source(tmp_path, load_mapping(SOURCES, "native"))))

    assert [("customs values with decimals have three" in line) for line in lines] == [True] * told


def test_inspections_without_a_column_they_need_are_refused_as_a_whole(tmp_path: Path) -> None:
    _write(tmp_path, {"declaration_id": "A", "accepted_at": "2026-03-02", "hs_code": "010121"})
    (tmp_path / "inspections.csv").write_text("inspection_id,declaration_id,control_type,RESULT\n")

    said = r"no column 'result' \(did you mean 'RESULT'\?\).*Give it in this table, under this name"
    with pytest.raises(SourceError, match=said):
        read_source(tmp_path, load_mapping(SOURCES, "native"))


def _write(folder: Path, row: dict[str, str]) -> None:
    items = {name: row[name] for name in ("declaration_id", "hs_code")} | {"item_no": "1"}
    pd.DataFrame([items]).to_csv(folder / "goods_items.csv", index=False)
    declared = {name: value for name, value in row.items() if name != "hs_code"}
    pd.DataFrame([declared]).to_csv(folder / "declarations.csv", index=False)
