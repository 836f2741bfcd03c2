"""Files as administrations have them: saved by Excel, in old code pages, under other names."""

import unicodedata
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from pipelines.sources.canonical import read_source
from pipelines.sources.layouts import Canonical
from pipelines.sources.mappings import load_mapping
from selectivity.columns import from_columns
from selectivity.errors import SourceError
from tests.rows import SOURCES

MAPPING = """
title: Sổ tờ khai
layout: flat
{keys}
fields: {{declaration_id: Số tờ khai, accepted_at: Ngày, customs_value: Trị giá}}
labels:
  column: Kết quả
  values: {{Không: NONE, Hàng cấm: PROHIBITED_RESTRICTED}}
  control_type: FULL_PHYSICAL
  label_delay_days: 14
"""
HEADER = "Số tờ khai;Ngày;Trị giá;Kết quả"
ROW = "A;2026-03-02;12;Hàng cấm"


@pytest.mark.parametrize(
    ("name", "content", "remedy"),
    [
        ("a.csv", HEADER.replace(";", "\t"), r"separated by '\\t': say so with `delimiter`"),
        ("a.csv", HEADER.replace(";", ","), "separated by ',': say so with `delimiter`"),
        ("a.csv", f"sep=;\n{HEADER}", "Delete its first line, which only Excel understands"),
        ("a.csv", f"BÁO CÁO THÁNG 1;;;\n{HEADER}", "delete what stands above the names"),
        ("a.csv", HEADER.replace("Ngày;Trị giá", ";"), r"a\.csv leaves names out\. Name each"),
        ("a.csv", "PK\x03\x04 xl/workbook.xml", "Save each sheet as “CSV UTF-8”"),
        ("A.CSV", HEADER, r"holds no \*\.csv .*, but A\.CSV\. Correct the path or the names"),
        (".gitignore", "", r"holds no \*\.csv .*: it is empty"),
        ("a.csv", HEADER.replace("Trị giá", "V"), "fields.customs_value .* or leave it out"),
        ("a.csv", HEADER.replace("Ngày", "D"), r"fields\.accepted_at in the mapping file\.$"),
    ],
)
def test_a_file_that_is_not_what_the_mapping_says_is_refused_with_a_remedy(
    name: str, content: str, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=remedy):
        _read(tmp_path, {name: content.encode()})


def test_cells_that_were_only_coloured_are_no_columns(tmp_path: Path) -> None:
    found = _read(tmp_path, {"a.csv": f"{HEADER};;\n{ROW};;\nB;2026-03-02;7;;x;".encode()})

    assert found.items["declaration_id"].tolist() == ["A"]
    assert found.quarantine["reason"].tolist() == ["the row has 6 cells where the header has 4"]


def test_letters_whose_marks_stand_apart_are_the_same_letters(tmp_path: Path) -> None:
    text = f"{HEADER}\n{ROW}"
    apart = unicodedata.normalize("NFD", text)
    assert apart != text

    found = _read(tmp_path, {"a.csv": apart.encode()})

    assert found.findings["mechanism"].tolist() == ["PROHIBITED_RESTRICTED"]


def test_the_code_page_of_windows_in_vietnam_is_read(tmp_path: Path) -> None:
    halfway = "".join(_tone_apart(letter) for letter in f"{HEADER}\n{ROW}")

    found = _read(tmp_path, {"a.csv": halfway.encode("cp1258")}, "encodings: [cp1258]")

    assert [one.items[0].customs_value for one in from_columns(found.items)] == [12.0]


def test_the_example_of_the_sources_is_read_as_it_says(tmp_path: Path) -> None:
    text = (SOURCES / "README.md").read_text(encoding="utf-8").partition("## An example")[2]
    _, rows, _, mapping = text.split("```")[:4]
    (tmp_path / "vn.yaml").write_text(mapping.removeprefix("yaml"), encoding="utf-8")
    (tmp_path / "a.csv").write_text(rows.lstrip(), encoding="utf-8-sig")

    found = read_source(tmp_path, load_mapping(tmp_path, "vn"))

    first, second = from_columns(found.items)
    assert (first.accepted_at.date(), second.accepted_at.date()) == (
        date(2025, 12, 31),
        date(2026, 1, 2),
    )
    assert first.importer_id == "0101"
    assert (first.items[0].country_of_origin, first.items[0].duty_rate_percent) == ("BE", 0)
    assert (second.items[0].hs_code, second.items[0].duty_rate_percent) == ("070690", 12.5)
    assert second.items[0].customs_value == 1_477_645.4
    assert found.inspections["result"].tolist() == ["NO_FINDING"]
    assert found.quarantine.empty


def test_parquet_whose_marks_stand_apart_is_read_alike(tmp_path: Path) -> None:
    apart = [unicodedata.normalize("NFD", name) for name in HEADER.split(";")]
    values = [unicodedata.normalize("NFD", value) for value in ROW.split(";")]
    (tmp_path / "data").mkdir()
    pd.DataFrame([values], columns=apart).to_parquet(tmp_path / "data/a.parquet")

    found = _read(tmp_path, {})

    assert found.findings["mechanism"].tolist() == ["PROHIBITED_RESTRICTED"]


def _tone_apart(letter: str) -> str:
    """As that code page has letters: ệ is ê with a dot below of its own."""
    base, *marks = list(unicodedata.normalize("NFD", letter))
    tones = [mark for mark in marks if mark in "\u0300\u0301\u0303\u0309\u0323"]
    others = "".join(mark for mark in marks if mark not in tones)
    return unicodedata.normalize("NFC", base + others) + "".join(tones)


def _read(folder: Path, files: dict[str, bytes], keys: str = "") -> Canonical:
    data, mappings = folder / "data", folder / "mappings"
    for made in (data, mappings):
        made.mkdir(exist_ok=True)
    for name, content in files.items():
        (data / name).write_bytes(content)
    text = MAPPING.format(keys=f'delimiter: ";"\n{keys}')
    (mappings / "vn.yaml").write_text(text, encoding="utf-8")
    return read_source(data, load_mapping(mappings, "vn"))
