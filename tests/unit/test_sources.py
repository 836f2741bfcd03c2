"""Files of any source become the same tables, and what cannot be used says where it stood."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.sources.canonical import read_source
from pipelines.sources.joining import join
from pipelines.sources.layouts import ANOTHER_ITEM, Canonical, from_flat
from pipelines.sources.mappings import FieldSource, SourceMapping, load_mapping
from pipelines.sources.reading import raw_of_frame, unwatched
from pipelines.stage.tables import frame_from_columns
from selectivity import columns
from selectivity.columns import from_columns, to_columns
from selectivity.errors import SourceError
from tests.builders import a_declaration, an_inspection, an_item

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "data/reference/sources"
KCS = ROOT.parent / "shared/datasets/kcs"
HEADER = "ID,DATE,OFFICE,HS,VALUE,FOUND"
LABELS = {
    "column": "FOUND",
    "values": {"0": "NONE", "1": "UNDERVALUATION", "2": "QUANTITY"},
    "control_type": "FULL_PHYSICAL",
    "label_delay_days": 14,
}


def test_a_row_becomes_a_declaration_with_the_fields_that_were_mapped(tmp_path: Path) -> None:
    found = _read(tmp_path, "A,2026-03-02,OFF01,71080,12.5,")

    (declaration,) = from_columns(found.items)
    assert declaration.declaration_id == "A"
    assert declaration.accepted_at.isoformat() == "2026-03-02T00:00:00+00:00"
    assert declaration.direction == "IMPORT"
    assert declaration.declaration_office == "OFF01"
    assert declaration.items[0].hs_code == "071080"
    assert declaration.items[0].customs_value == 12.5
    assert declaration.importer_id is None


@pytest.mark.parametrize(
    ("content", "office"),
    [
        ("\ufeff".encode() + b"{}", "Cửa-khẩu"),
        (b"{}", "Cửa-khẩu"),
    ],
    ids=["with a byte order mark", "plain"],
)
def test_utf_8_is_read_with_and_without_its_mark(
    content: bytes, office: str, tmp_path: Path
) -> None:
    text = f"{HEADER}\n{office},2026-03-02,OFF01,010121,1,".encode()
    (tmp_path / "a.csv").write_bytes(content.replace(b"{}", text))

    assert read_source(tmp_path, _mapping()).items["declaration_id"].tolist() == [office]


def test_what_is_not_utf_8_is_read_as_latin_1(tmp_path: Path) -> None:
    text = f"{HEADER}\nDécl-1,2026-03-02,OFF01,010121,1,"
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))

    assert read_source(tmp_path, _mapping()).items["declaration_id"].tolist() == ["Décl-1"]


def test_text_in_none_of_the_encodings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(f"{HEADER}\né,".encode("latin-1"))

    with pytest.raises(SourceError, match="is not text in utf-8"):
        read_source(tmp_path, _mapping(encodings="utf-8"))


def test_gzip_parquet_and_plain_files_are_one_source(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}\nA,2026-03-02,OFF01,010121,1,0")
    with gzip.open(tmp_path / "b.csv.gz", "wt") as text:
        text.write(f"{HEADER}\nB,2026-03-02,OFF01,010121,1,0")
    frame = pd.DataFrame([["C", pd.Timestamp("2026-03-02"), 30.0, 10121, 1.0, 0]])
    frame.set_axis(HEADER.split(","), axis=1).to_parquet(tmp_path / "c.parquet")

    found = read_source(tmp_path, _mapping())
    assert found.items["declaration_id"].tolist() == ["A", "B", "C"]
    assert found.items["hs_code"].tolist() == ["010121"] * 3
    assert found.inspections["result"].tolist() == ["NO_FINDING"] * 3


def test_one_file_may_be_named_instead_of_a_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"{HEADER}\n{name},2026-03-02,OFF01,010121,1,")

    found = read_source(tmp_path / "b.csv", _mapping())
    assert found.items["declaration_id"].tolist() == ["b"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(f"{HEADER}\n{'A,2026-03-02,OFF01,010121,1,' * 99}".encode())
    (tmp_path / "a.csv.gz").write_bytes(whole[:-20])

    with pytest.raises(SourceError, match=r"a\.csv\.gz cannot be read"):
        read_source(tmp_path, _mapping())


def test_an_absent_column_is_answered_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ID,DATUM,OFFICE,HS,VALUE,FOUND\n")

    with pytest.raises(SourceError) as refused:
        read_source(tmp_path, _mapping())
    assert "has no column 'DATE' (did you mean 'DATUM'?)" in str(refused.value)
    assert "It has: ID, DATUM, OFFICE, HS, VALUE, FOUND" in str(refused.value)
    assert "fields.accepted_at" in str(refused.value)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no \*.csv"):
        read_source(tmp_path, _mapping())
    with pytest.raises(SourceError, match="there is no file or folder"):
        read_source(tmp_path / "nowhere", _mapping())


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ID,ID\n")
    with pytest.raises(SourceError, match="names the column 'ID' twice"):
        read_source(tmp_path, _mapping())


def test_quarantine_says_file_line_field_reason_and_value(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}\nA,2026-03-02,OFF01,010121,1,")
    (tmp_path / "b.csv").write_text(
        f"{HEADER}\n"
        'B,2026-03-02,"OFF\n01",010121,1,\n'  # lines 2 and 3: a line break within quotes
        "\n"
        "C,someday,OFF01,010121,1,\n"
        "D,2026-03-02,OFF01,010121,1 000,\n"
        "E,2026-03-02,OFF01,01-21,1,\n"
        ",2026-03-02,OFF01,010121,1,\n"
        "F,2026-03-02,OFF01,010121\n"
        "G,2026-03-02,OFF01,010121,-1,9"
    )
    found = read_source(tmp_path, _mapping())

    assert found.items["declaration_id"].tolist() == ["A"]
    assert found.rows_read == 8
    assert [
        (Path(row.file).name, row.line, row.declaration_id, row.field, row.value)
        for row in found.quarantine.itertuples()
    ] == [
        ("b.csv", 2, "B", "declaration_office", "OFF\n01"),
        ("b.csv", 5, "C", "accepted_at", "someday"),
        ("b.csv", 6, "D", "customs_value", "1 000"),
        ("b.csv", 7, "E", "hs_code", "01-21"),
        ("b.csv", 8, "", "declaration_id", ""),
        ("b.csv", 9, "F", "", ""),
        ("b.csv", 10, "G", "label", "9"),
    ]
    reasons = found.quarantine["reason"].tolist()
    assert reasons[1] == "not a date or time in ISO8601 (UTC)"
    assert reasons[2] == "not a number (decimal '.', no thousands)"
    assert reasons[3] == "is not 4 to 12 digits without dots or blanks, such as 610910"
    assert reasons[4] == "missing"
    assert reasons[5] == "the row has 4 cells where the header has 6"
    assert reasons[6] == "not in labels.values of the mapping"


def test_a_long_value_is_cut_in_quarantine(tmp_path: Path) -> None:
    found = _read(tmp_path, f"A,2026-03-02,OFF01,010121,{'x' * 500},")
    assert found.quarantine["value"].tolist() == ["x" * 80]


def test_rows_behind_a_quote_that_is_never_closed_are_counted_and_named(tmp_path: Path) -> None:
    rows = [f"D{at},2026-03-02,OFF01,010121,1," for at in range(1, 9)]
    rows[3] = f'"{rows[3]}'
    found = _read(tmp_path, *rows)

    assert found.items["declaration_id"].tolist() == ["D1", "D2", "D3"]
    assert found.rows_read == 8
    assert found.quarantine[["line", "declaration_id", "reason"]].to_numpy().tolist() == [
        [5, "D4", "a quote is opened and not closed in its row"],
        *(
            [
                line,
                f"D{line - 1}",
                "the row stands behind a quote that was opened in a row above and not closed there",
            ]
            for line in range(6, 10)
        ),
    ]


@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        ('A,2026-03-02,"OFF01,010121,2,', 'A,2026-03-02,OFF01",010121,4,'),
        ('A,2026-03-02,"OFF01,010121,2,', 'A,2026-03-02,OFF01,0101"21,4,'),
        ('A,2026-03-02,"OFF01,010121,2,', 'A,2026-03-02,OFF01,010121,4",'),
    ],
    ids=["in the same column", "before more text", "in a later column"],
)
def test_a_declaration_that_lost_items_to_a_quote_is_refused(
    opened: str, closed: str, tmp_path: Path
) -> None:
    found = _read(
        tmp_path,
        "A,2026-03-02,OFF01,010121,1,",
        opened,
        "A,2026-03-02,OFF01,010121,3,",
        closed,
        "A,2026-03-02,OFF01,010121,5,",
        "B,2026-03-02,OFF01,010121,1,",
        fields={"item_no": {"count_rows": True}},
    )
    assert found.items["declaration_id"].tolist() == ["B"]
    assert found.rows_read == 6
    assert sorted(set(found.quarantine["line"])) == [2, 3, 4, 5, 6]


def test_a_cell_may_run_over_lines_where_the_row_has_its_cells(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        'A,2026-03-02,OFF01,010121,1,,"chairs,\nof wood, and\n\ntables"',
        "B,2026-03-02,OFF01,010121,1,,",
        header=f"{HEADER},GOODS",
        fields={"description": "GOODS"},
    )
    assert found.items["description"].tolist() == ["chairs,\nof wood, and\n\ntables", None]
    assert found.quarantine.empty


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('B,2026-03-02,"OFF"01,010121,1,', "text follows a closing quote"),
        (f"B,2026-03-02,{'x' * 200_000},010121,1,", "more than 131,072 characters"),
    ],
    ids=["text behind a quote", "a long cell"],
)
def test_a_row_that_cannot_be_taken_apart_is_set_aside_alone(
    row: str, reason: str, tmp_path: Path
) -> None:
    found = _read(tmp_path, row, "A,2026-03-02,OFF01,010121,1,")

    assert found.items["declaration_id"].tolist() == ["A"]
    assert found.quarantine[["line", "declaration_id"]].to_numpy().tolist() == [[2, "B"]]
    assert reason in found.quarantine["reason"][0]


def test_a_quote_that_is_not_closed_in_the_header_is_found(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 1: .*quote"):
        _read(tmp_path, "A,2026-03-02,OFF01,010121,1,", header=f'"{HEADER}')


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_by_its_mark(encoding: str, tmp_path: Path) -> None:
    text = f"\ufeff{HEADER}\nCửa,2026-03-02,OFF01,010121,1,"
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))

    with pytest.raises(SourceError, match="is UTF-16 text"):
        read_source(tmp_path, _mapping())
    told = _mapping(encodings=["latin-1", "utf-16"])
    assert read_source(tmp_path, told).items["declaration_id"].tolist() == ["Cửa"]


@pytest.mark.parametrize(("value", "duty"), [("1e-300", "1e308"), ("1e999", "1e999")])
def test_amounts_too_large_to_divide_are_set_aside(value: str, duty: str, tmp_path: Path) -> None:
    rate = {"percent_of": {"part": "FOUND", "whole": "VALUE"}}
    found = _read(
        tmp_path,
        f"A,2026-03-02,OFF01,010121,{value},{duty}",
        fields={"duty_rate_percent": rate},
        labels=None,
    )
    assert len(found.items["item_no"]) == 0
    assert len(found.quarantine)


def test_of_equal_rows_the_first_is_kept_and_of_others_too(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        "A,2026-03-02,OFF01,010121,1,0",
        "A,2026-03-02,OFF01,010121,1,0",
        "A,2026-03-02,OFF01,010121,2,0",
    )
    assert found.items["customs_value"].tolist() == [1.0]
    assert found.duplicates == 1
    assert found.quarantine[["line", "reason", "value"]].to_numpy().tolist() == [
        [4, f"repeats an earlier row with other content{ANOTHER_ITEM}", "A / 1 / 1"]
    ]


def test_empty_cells_behind_the_last_column_do_no_harm(tmp_path: Path) -> None:
    found = _read(tmp_path, "A,2026-03-02,OFF01,010121,1,0,,", ",,,,,")

    assert found.items["declaration_id"].tolist() == ["A"]
    assert found.quarantine.empty


def test_zero_mass_and_zero_value_are_kept(tmp_path: Path) -> None:
    assert _read(tmp_path, "A,2026-03-02,OFF01,010121,0,").items["customs_value"].tolist() == [0.0]


def test_rows_of_one_declaration_become_its_items(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        "A,2026-03-02,OFF01,010121,1,",
        "B,2026-03-02,OFF01,010121,2,",
        "A,2026-03-02,OFF01,020110,3,",
        fields={"item_no": {"count_rows": True}},
    )
    assert found.items["declaration_id"].tolist() == ["A", "A", "B"]
    assert found.items["item_no"].tolist() == [1, 2, 1]
    assert found.items["customs_value"].tolist() == [1.0, 3.0, 2.0]
    assert found.rows.tolist() == [0, 2, 1]


@pytest.mark.parametrize("second", ["A,2026-03-02,OFF02,020110,3,", "A,2026-03-02,OFF01,x,3,"])
def test_a_declaration_comes_whole_or_not_at_all(second: str, tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        "A,2026-03-02,OFF01,010121,1,0",
        second,
        "B,2026-03-02,OFF01,010121,1,0",
        fields={"item_no": {"count_rows": True}},
    )
    assert found.items["declaration_id"].tolist() == ["B"]
    assert found.inspections["declaration_id"].tolist() == ["B"]
    assert sorted(found.quarantine["line"]) == [2, 3]


def test_labels_become_inspections_known_some_days_later(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        "A,2026-03-02,OFF01,010121,1,0",
        "B,2026-03-02,OFF01,010121,1,1",
        "C,2026-03-02,OFF01,010121,1,2.0",
    )
    assert found.inspections["result"].tolist() == ["NO_FINDING", "FINDING", "FINDING"]
    assert found.inspections["observed_at"].unique().tolist() == [
        pd.Timestamp("2026-03-16", tz="UTC")
    ]
    assert found.findings[["inspection_id", "item_no", "mechanism"]].to_numpy().tolist() == [
        ["B", 1, "UNDERVALUATION"],
        ["C", 1, "QUANTITY"],
    ]


def test_a_declaration_nobody_looked_at_has_no_inspection(tmp_path: Path) -> None:
    found = _read(tmp_path, "A,2026-03-02,OFF01,010121,1,", "B,2026-03-02,OFF01,010121,1,0")

    assert found.items["declaration_id"].tolist() == ["A", "B"]
    assert found.inspections["declaration_id"].tolist() == ["B"]


def test_a_declaration_looked_at_in_part_is_not_called_clean(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        "A,2026-03-02,OFF01,010121,1,0",
        "A,2026-03-02,OFF01,020110,1,",
        fields={"item_no": {"count_rows": True}},
    )
    assert found.inspections["result"].tolist() == ["INCONCLUSIVE"]


def test_a_table_to_be_scored_needs_no_labels_and_may_hold_any_type() -> None:
    frame = pd.DataFrame(
        {
            "ID": [1, 2],
            "DATE": pd.to_datetime(["2026-03-02", "2026-03-03"]),
            "OFFICE": ["OFF01", None],
            "HS": [71080, 870323],
            "VALUE": [0, 1.5],
        },
        index=[7, 7],
    )
    raw = raw_of_frame(frame, "frame")
    found = from_flat(raw, _mapping(), labels=False, watch=unwatched)

    assert found.items["declaration_id"].tolist() == ["1", "2"]
    assert found.items["hs_code"].tolist() == ["071080", "870323"]
    assert found.inspections.empty


def test_a_table_to_learn_from_needs_its_labels(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ID,DATE,OFFICE,HS,VALUE\nA,2026-03-02,OFF01,71080,1\n")
    with pytest.raises(SourceError, match="has no column 'FOUND'"):
        read_source(tmp_path, _mapping())


def test_a_constant_no_declaration_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="constant 'import' cannot stand in direction"):
        _read(tmp_path, "A,2026-03-02,OFF01,010121,1,", constants={"direction": "import"})


def test_values_and_duties_in_thousands_become_whole_units(tmp_path: Path) -> None:
    labels = LABELS | {"additional_duty": {"column": "DUTY", "times": 1000}}
    value = {"column": "VALUE", "times": 1000}
    row = "A,2026-03-02,OFF01,010121,12.5,1,0.7"
    fields = {"customs_value": value}
    found = _read(tmp_path, row, header=f"{HEADER},DUTY", fields=fields, labels=labels)

    assert found.items["customs_value"].tolist() == [12_500]
    assert found.findings["additional_duty"].tolist() == [700]


def test_codes_that_a_mapping_sets_to_missing_are_counted(tmp_path: Path) -> None:
    office = {"column": "OFFICE", "codes": {"Porto": "PO"}, "other_codes": "missing"}
    rows = ("A,2026-03-02,Porto,010121,1,", "B,2026-03-02,Lisboa,010121,1,")
    found = _read(tmp_path, *rows, fields={"declaration_office": office})

    assert found.items["declaration_office"].tolist() == ["PO", None]
    assert found.emptied == {"declaration_office": 1}


def test_the_research_layout_keeps_hidden_countries_apart_from_real_ones(tmp_path: Path) -> None:
    (tmp_path / "wco.csv").write_text(
        "sgd.id,sgd.date,importer.id,declarant.id,country,office.id,tariff.code,quantity,"
        "gross.weight,fob.value,cif.value,total.taxes,illicit,revenue\n"
        "SGD1,13-01-02,IMP1,DEC1,CNTRY680,OFFICE51,8703241128,1,2150,2500,2809,647,0,0\n"
        'SGD2,13-01-02,IMP2,DEC1,NA,OFFICE51,703200000,1,10,"1,000","2,000",100,1,980\n'
        "SGD3,13-01-02,IMP2,DEC1,CN,OFFICE51,8703241128,1,10,0,0,5,,\n"
    )
    found = read_source(tmp_path, load_mapping(SOURCES, "wco"))

    assert found.quarantine.empty
    assert found.items["country_of_origin"].tolist() == [None, "NA", "CN"]
    assert found.items["origin_type"][0] == "CNTRY680"
    assert found.emptied["country_of_origin"] == 1
    assert found.items["hs_code"].tolist() == ["8703241128", "0703200000", "8703241128"]
    rates = found.items["duty_rate_percent"]
    np.testing.assert_allclose(rates, [100 * 647 / 2809, 5.0, np.nan])
    assert found.inspections["declaration_id"].tolist() == ["SGD1", "SGD2"]
    assert found.findings["additional_duty"].tolist() == [980.0]


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz"])
def test_native_tables_give_back_what_was_declared(ending: str, tmp_path: Path) -> None:
    declared = [
        a_declaration(
            declaration_id="A",
            lineage_id="A",
            routing_countries=("NA", "HK"),
            documents=({"type": "380"}, {"type": "271"}),
            containerised=True,
            items=(an_item(description='Shirts, "blue"\nof cotton'), an_item(item_no=2)),
        ),
        a_declaration(declaration_id="B", lineage_id="B", version_no=2, documents=()),
    ]
    _write_native(tmp_path, ending, declared)
    found = read_source(tmp_path, load_mapping(SOURCES, "native"))

    assert found.quarantine.empty
    assert from_columns(found.items) == declared
    assert found.inspections["declaration_id"].tolist() == ["A"]
    assert found.findings["mechanism"].tolist() == ["QUANTITY"]


def test_native_rows_without_their_counterpart_are_quarantined(tmp_path: Path) -> None:
    declared = [a_declaration(declaration_id=name) for name in ("A", "B")]
    _write_native(tmp_path, "csv", declared)
    items = pd.read_csv(tmp_path / "goods_items.csv", dtype=str)
    items.loc[items["declaration_id"] == "B", "declaration_id"] = "X"
    items.to_csv(tmp_path / "goods_items.csv", index=False)
    findings = pd.read_csv(tmp_path / "findings.csv").assign(inspection_id="I-2")
    findings.to_csv(tmp_path / "findings.csv", index=False)
    found = read_source(tmp_path, load_mapping(SOURCES, "native"))

    assert found.items["declaration_id"].tolist() == ["A"]
    told = found.quarantine
    assert [Path(file).stem for file in told["file"]] == [
        "declarations",
        "goods_items",
        "inspections",
        "findings",
    ]
    assert told["line"].tolist() == [3, 3, 2, 2]
    assert told["reason"].str.contains("goods items|no declaration|finding|no insp").all()


@pytest.mark.parametrize("controls_too", [True, False])
def test_tables_with_other_names_keep_what_controls_found(
    controls_too: bool, tmp_path: Path
) -> None:
    names = {"declaration_id": "REF", "item_no": "LINE", "currency": "CUR"}
    tables = ["declarations", "goods_items", *(["inspections", "findings"] * controls_too)]
    _write_native(tmp_path, "csv", [a_declaration(items=(an_item(),))])
    for table in tables:
        file = tmp_path / f"{table}.csv"
        pd.read_csv(file, dtype=str).rename(columns=names).to_csv(file, index=False)
    given = {"name": "ours", "title": "Ours", "layout": "tables"}
    mapping = SourceMapping.model_validate(
        {**given, "fields": {ours: {"column": theirs} for ours, theirs in names.items()}}
    )
    found = read_source(tmp_path, mapping)

    assert found.quarantine.empty
    assert not found.misnamed
    assert len(found.inspections) == 1
    assert found.findings[["item_no", "currency"]].to_numpy().tolist() == [[1, "VND"]]


def test_goods_items_of_a_table_may_be_counted(tmp_path: Path) -> None:
    _write_native(tmp_path, "csv", [a_declaration(items=(an_item(), an_item(item_no=2)))])
    file = tmp_path / "goods_items.csv"
    pd.read_csv(file, dtype=str).drop(columns="item_no").to_csv(file, index=False)
    mapping = load_mapping(SOURCES, "native")
    counted = {"item_no": FieldSource(count_rows=True)}
    found = read_source(tmp_path, mapping.model_copy(update={"fields": counted}))

    assert found.items["item_no"].tolist() == [1, 2]
    assert found.findings["item_no"].tolist() == [1]


def test_native_tables_need_declarations_and_goods_items_only(tmp_path: Path) -> None:
    _write_native(tmp_path, "parquet", [a_declaration()])
    for table in ("inspections", "findings"):
        (tmp_path / f"{table}.parquet").unlink()
    found = read_source(tmp_path, load_mapping(SOURCES, "native"))

    assert len(found.items["item_no"]) == 1
    assert found.inspections.empty
    (tmp_path / "goods_items.parquet").unlink()
    with pytest.raises(SourceError, match=r"holds no goods_items\*\.parquet"):
        read_source(tmp_path, load_mapping(SOURCES, "native"))


@pytest.mark.parametrize("ending", ["ndjson", "ndjson.gz"])
def test_documents_of_the_service_come_back_as_they_were_sent(ending: str, tmp_path: Path) -> None:
    declared = [
        a_declaration(declaration_id="A", lineage_id="A", items=(an_item(), an_item(item_no=2))),
        a_declaration(declaration_id="B", lineage_id="B"),
    ]
    _write_documents(tmp_path / f"declarations.{ending}", declared)
    _write_documents(tmp_path / f"inspections.{ending}", [_a_finding()])
    found = read_source(tmp_path, load_mapping(SOURCES, "service"))

    assert from_columns(found.items) == declared
    assert found.findings["mechanism"].tolist() == ["QUANTITY"]
    assert found.findings["additional_duty"].tolist() == [50.0]


def test_no_documents_give_no_rows(tmp_path: Path) -> None:
    (tmp_path / "declarations.ndjson").write_text("\n")
    found = read_source(tmp_path, load_mapping(SOURCES, "service"))

    assert len(found.items["item_no"]) == 0
    assert found.inspections.empty
    assert found.quarantine.empty


def test_documents_that_cannot_be_read_say_where_and_why(tmp_path: Path) -> None:
    good, other = a_declaration(), a_declaration(importer_id="IMP2")
    lines = [
        good.model_dump_json(exclude_none=True),
        "{",
        '{"declaration_id": "B", "accepted_at": "2026-03-02T00:00:00Z", "items": []}',
        good.model_dump_json(exclude_none=True),
        other.model_dump_json(exclude_none=True),
    ]
    (tmp_path / "declarations.ndjson").write_text("\n".join(lines))
    found = read_source(tmp_path, load_mapping(SOURCES, "service"))

    assert found.items["importer_id"].tolist() == ["IMP1"]
    assert found.duplicates == 1
    told = found.quarantine[["line", "declaration_id", "field"]].to_numpy().tolist()
    assert told == [[2, "?", ""], [3, "B", "items"], [5, "D-1", ""]]


def test_inspections_that_found_something_are_counted_also_when_they_are_lost(
    tmp_path: Path,
) -> None:
    good, clean = _a_finding(), an_inspection(inspection_id="I-2", declaration_id="A")
    lines = [each.model_dump_json(exclude_none=True) for each in (good, good, clean)]
    unfit = lines[0].replace('"I-1"', '"I-3"').replace('"QUANTITY"', '"NOBODY KNOWS"')
    (tmp_path / "inspections.ndjson").write_text("\n".join([*lines, unfit]))
    _write_documents(tmp_path / "declarations.ndjson", [a_declaration(declaration_id="A")])
    read = read_source(tmp_path, load_mapping(SOURCES, "service"))
    assert (read.found, len(read.findings)) == (2, 1)

    again = join([read, read])  # the one that was kept comes again; the other is lost twice
    assert (again.found, len(again.findings)) == (3, 1)


@pytest.mark.skipif(not KCS.is_dir(), reason=f"the Korean public set is not at {KCS}")
def test_the_korean_set_is_read_without_a_loss() -> None:
    found = read_source(KCS, load_mapping(SOURCES, "kcs"))

    assert found.rows_read == len(found.items["item_no"]) == 37_385 + 8_134
    assert found.quarantine.empty
    assert found.duplicates == 0
    assert len(found.inspections) == found.rows_read
    mechanisms = found.findings["mechanism"].value_counts().to_dict()
    assert mechanisms == {"OTHER": 9_346, "PROHIBITED_RESTRICTED": 394 + 78}
    assert all(len(code) == 6 for code in found.items["hs_code"])
    assert set(found.items["transport_mode"]) == {"1", "2", "3", "4", "5", "9"}
    assert (found.items["net_mass_kg"] == 0).sum() > 300


def _mapping(**keys: Any) -> SourceMapping:
    fields = {
        "declaration_id": "ID",
        "accepted_at": "DATE",
        "declaration_office": "OFFICE",
        "hs_code": "HS",
        "customs_value": "VALUE",
    }
    plain = {
        "name": "test",
        "title": "A test",
        "layout": "flat",
        "hs_digits": 6,
        "constants": {"direction": "IMPORT"},
        "labels": LABELS,
    }
    fields |= keys.pop("fields", {})
    return SourceMapping.model_validate(plain | {"fields": fields} | keys)


def _read(folder: Path, *rows: str, header: str = HEADER, **keys: Any) -> Canonical:
    (folder / "rows.csv").write_text("\n".join([header, *rows]))
    return read_source(folder, _mapping(**keys))


def _a_finding() -> Any:
    finding = {"item_no": 1, "mechanism": "QUANTITY", "additional_duty": 50.0, "currency": "VND"}
    return an_inspection(declaration_id="A", result="FINDING", findings=(finding,))


def _write_documents(file: Path, models: list[Any]) -> None:
    text = "\n".join(model.model_dump_json(exclude_none=True) for model in models)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())


def _write_native(folder: Path, ending: str, declared: list[Any]) -> None:
    frame = frame_from_columns(to_columns(declared))
    headers = frame.drop_duplicates(["declaration_id", "version_no"])
    inspection = _a_finding()
    tables = {
        "declarations": headers[list(columns.HEADER)],
        "goods_items": frame[["declaration_id", "version_no", *columns.ITEM]],
        "inspections": pd.DataFrame([inspection.model_dump(mode="json", exclude={"findings"})]),
        "findings": pd.DataFrame(
            [
                {"inspection_id": inspection.inspection_id, **finding.model_dump(mode="json")}
                for finding in inspection.findings
            ]
        ),
    }
    for name, table in tables.items():
        if ending == "parquet":
            table.to_parquet(folder / f"{name}.parquet")
        else:
            for listed in {"routing_countries", "document_types"} & set(table.columns):
                lists = table[listed].map(lambda cell: ";".join(cell) or ";", na_action="ignore")
                table = table.assign(**{listed: lists})
            table.to_csv(folder / f"{name}.{ending}", index=False)
