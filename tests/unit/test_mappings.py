"""A mapping file is used as a whole or refused with the key that is wrong."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipelines.sources.mappings import FieldSource, Labels, SourceMapping, load_mapping
from selectivity.errors import SourceError

ROOT = Path(__file__).parents[2]
FLAT = """
title: A test
layout: flat
fields:
  declaration_id: ID
  accepted_at: DATE
"""


@pytest.mark.parametrize("name", ["native", "kcs", "wco", "service"])
def test_every_mapping_we_ship_loads(name: str) -> None:
    assert load_mapping(ROOT / "data/reference/sources", name).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FLAT + "encoding: latin-1", r"key encoding is not known \(did you mean 'encodings'\?\)"),
        (
            FLAT + "  importer: TIN",
            r"key fields\.importer: 'importer' is not a field.*did you mean 'importer_id'",
        ),
        (FLAT + "  hs_code: {colunm: HS}", r"colunm is not known \(did you mean 'column'\?\)"),
        (FLAT + "  net_mass_kg: {codes: {a: b}, column: N}", "is a number: it takes no codes"),
        (FLAT + "  item_no: {column: N, times: 2}", "item_no: times is for a column of numbers"),
        (FLAT + "  net_mass_kg: {column: N, times: 0}", "times: .*greater than 0"),
        (FLAT + "  importer_id: {}", "name one of column, percent_of or count_rows"),
        (FLAT + "constants: {accepted_at: 2020-01-01}", "under both fields and constants"),
        (FLAT + "timezone: Hanoi", "'Hanoi' is not a time zone"),
        (FLAT + "hs_digits: 3", "key hs_digits: .*greater than or equal to 4"),
        (FLAT + "layout: flat", "the key 'layout' is written twice"),
        ("title: A\nlayout: flat", "layout flat needs fields.declaration_id"),
        ("title: A\nlayout: sheets", "key layout"),
        ("title: A", "key layout is missing"),
        ("just text", "holds no keys"),
        ("a: [", "is not YAML"),
        (
            FLAT + "labels: {column: X, values: {'1': FRAUD}, control_type: SCAN, "
            "label_delay_days: 1}",
            r"key labels\.values\.1: .*'UNDERVALUATION'.*'NONE' or 'UNLABELLED' \(there is 'FRAUD'",
        ),
        (
            FLAT + "labels: {column: X, values: {'1': OTHER}, control_type: SCAN}",
            "name one of observed_at or label_delay_days",
        ),
    ],
)
def test_a_mapping_with_something_wrong_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(SourceError, match=message) as refused:
        load_mapping(tmp_path, "mine")
    assert "mine.yaml" in str(refused.value)


def test_a_mapping_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "nigeria.yaml").write_text(FLAT, encoding="utf-8")

    with pytest.raises(SourceError, match=r"did you mean 'nigeria'.*holds nigeria"):
        load_mapping(tmp_path, "nigera")


def test_norway_and_leading_zeros_survive_yaml(tmp_path: Path) -> None:
    codes = "  country_of_origin: {column: ORIGIN, codes: {NO: NO, 047: CN, y: YE}}"
    (tmp_path / "mine.yaml").write_text(FLAT + codes, encoding="utf-8")

    source = load_mapping(tmp_path, "mine").fields["country_of_origin"]
    assert source.codes == {"NO": "NO", "047": "CN", "y": "YE"}


@pytest.mark.parametrize(
    ("model", "heading"),
    [(SourceMapping, "## The file"), (FieldSource, "## One field"), (Labels, "## Labels")],
)
def test_every_key_of_a_mapping_is_explained(model: type[BaseModel], heading: str) -> None:
    text = (ROOT / "data/reference/sources/README.md").read_text(encoding="utf-8")
    section = text.split(f"{heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    assert explained == set(model.model_fields) - {"name"}


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        ('["%d/%m/%Y", "%m/%d/%Y"]', "01/02/2003 is one day in '%d/%m/%Y' and another in '%m/"),
        ('["%d-%m-%y", "%y-%m-%d"]', "is one day in '%d-%m-%y' and another in '%y-%m-%d'"),
        ("dd/mm/yyyy", "'dd/mm/yyyy' is no form of strptime, such as %d/%m/%Y, nor ISO8601"),
        ("mixed", "'mixed' is no form of strptime"),
    ],
)
@pytest.mark.parametrize("field", [False, True])
def test_dates_that_could_be_read_in_two_ways_are_refused(
    formats: str, message: str, field: bool, tmp_path: Path
) -> None:
    of_field = FLAT.replace("DATE", f"{{column: DATE, date_formats: {formats}}}")
    of_file = FLAT + f"date_formats: {formats}\n"
    (tmp_path / "mine.yaml").write_text(of_field if field else of_file, encoding="utf-8")

    with pytest.raises(SourceError, match=re.escape(message).replace("01/02", ".*")):
        load_mapping(tmp_path, "mine")


def test_forms_of_dates_that_cannot_be_confused_stand_together(tmp_path: Path) -> None:
    formats = '["%d/%m/%Y", "%Y-%m-%d", "%d.%m.%Y %H:%M", "%y-%m-%d", ISO8601]'
    (tmp_path / "mine.yaml").write_text(FLAT + f"date_formats: {formats}\n", encoding="utf-8")

    assert len(load_mapping(tmp_path, "mine").date_formats) == 5
