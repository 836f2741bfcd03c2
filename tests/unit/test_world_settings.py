"""The numbers of a world: presets, presets of one's own, and what is refused and why."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.simulator.goods import read_headings
from pipelines.simulator.presets import presets, read_settings
from pipelines.simulator.settings import WorldSettings
from selectivity.errors import ParamsError
from tests.worlds import SIMULATOR, settings_of, the_headings


def own_preset(folder: Path, **content: Any) -> str:
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("name", presets(SIMULATOR))
def test_a_preset_is_usable_has_a_title_of_its_own_and_asks_for_ranges(name: str) -> None:
    settings = settings_of(name)

    assert presets(SIMULATOR)[name] == settings.title
    assert list(presets(SIMULATOR).values()).count(settings.title) == 1
    assert all(low <= high for low, high in settings.must_hit.values())


def test_the_presets_that_documents_speak_of_are_there() -> None:
    assert {"vn_low", "mid_n", "high_t", "m_small", "c_small", "inspected_k", "audit_pk"} < set(
        presets(SIMULATOR)
    )


def test_a_preset_names_only_what_it_changes() -> None:
    base = yaml.safe_load((SIMULATOR / "base.yaml").read_text(encoding="utf-8"))
    small = settings_of("small")

    assert small.weeks == 24
    assert small.trade.brokers == 40
    assert small.trade.export_share == base["trade"]["export_share"]
    assert small.selection.red == base["selection"]["red"]


def test_a_preset_of_ones_own_is_given_by_its_file(tmp_path: Path) -> None:
    mine = own_preset(tmp_path, title="Mine", weeks=3, selection={"noise": 2.5})

    settings = read_settings(SIMULATOR, mine)

    assert (settings.title, settings.weeks, settings.selection.noise) == ("Mine", 3, 2.5)
    assert settings.selection.yellow == settings_of("mid_n").selection.yellow


def test_changes_come_after_the_preset_and_leave_the_rest_of_their_section() -> None:
    settings = settings_of("small", trade={"traders": 77}, seed=5)

    assert (settings.trade.traders, settings.seed) == (77, 5)
    assert settings.trade.brokers == settings_of("small").trade.brokers


def test_shares_of_one_kind_are_replaced_as_a_whole() -> None:
    settings = settings_of("small", fraud={"import_ways": {"ORIGIN": 1}})

    assert {str(way): share for way, share in settings.fraud.import_ways.items()} == {"ORIGIN": 1}
    assert len(settings.fraud.export_ways) > 1


def test_settings_survive_being_written_down() -> None:
    settings = settings_of("high_t")

    written = yaml.safe_dump(settings.model_dump(mode="json"))

    assert WorldSettings.model_validate(yaml.safe_load(written)) == settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"declaration": 5}, r"key declaration is not known \(did you mean 'declarations'\?\)"),
        ({"trade": {"trader": 50}}, r"key trade.trader is not known.*Correct or remove it"),
        ({"trade": {"traders": 5}}, r"key trade.traders: .*greater than or equal to 50.*Correct"),
        ({"start": "2025-01-07"}, "start must be a Monday.*Correct"),
        ({"selection": {"red": 0.01, "random": 0.02}}, "key selection: .*together exceed red"),
        ({"selection": {"red": 0.8}}, "key selection: .*red and yellow together exceed 1"),
        ({"hubs": ["ZW"]}, "ZW must be among `countries`"),
        ({"fraud": {"cover_origins": ["ZW"]}}, "ZW must be among `countries`"),
        ({"fraud": {"import_ways": {"ORIGIN": 0}}}, "fraud.import_ways: .*share above 0"),
        ({"fraud": {"import_ways": {"THEFT": 1}}}, "fraud.import_ways.THEFT"),
        ({"capacity": {"shifts": ["7-15"]}}, "key capacity.shifts"),
        ({"capacity": {"weight": [1]}}, "key capacity: .*as many numbers as there are shifts"),
        ({"offices": {"SEA1": {"kind": "lake"}}}, "key offices.SEA1.kind: .*'lake'"),
        ({"selection": {"noise": 0}}, "key selection.noise: .*greater than 0"),
        ({"weeks": None}, "key weeks: .*None"),
    ],
)
def test_a_bad_setting_is_refused_with_its_key_and_what_to_do(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        settings_of("small", **changes)


def test_a_name_that_is_no_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(ParamsError, match=r"did you mean 'mid_n'.*audit_pk, .*ending in \.yaml"):
        settings_of("mid_m")


def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path) -> None:
    empty, broken, twice = (tmp_path / name for name in ("empty.yaml", "broken.yaml", "twice.yaml"))
    empty.write_text("")
    broken.write_text("weeks: [")
    twice.write_text("weeks: 3\nweeks: 4\n")

    with pytest.raises(ParamsError, match="holds no settings"):
        read_settings(SIMULATOR, str(empty))
    for file in (broken, twice, tmp_path / "none.yaml"):
        with pytest.raises(ParamsError, match=r"(?s)cannot be read: .*Correct or restore it"):
            read_settings(SIMULATOR, str(file))


def test_a_bad_setting_in_a_file_is_refused_with_the_name_of_the_file(tmp_path: Path) -> None:
    mine = own_preset(tmp_path, weeks=0)

    with pytest.raises(ParamsError, match=r"mine\.yaml: key weeks: .*greater than 0"):
        read_settings(SIMULATOR, mine)


def test_goods_are_real_codes_under_their_headings() -> None:
    headings = the_headings().root
    codes = [code for heading in headings.values() for code in heading.codes]

    assert len(codes) == len(set(codes)) == 400
    assert all(
        code.startswith(number) and len(code) == 6
        for number, heading in headings.items()
        for code in heading.codes
    )


def test_a_broken_table_of_goods_is_refused(tmp_path: Path) -> None:
    (tmp_path / "goods.yaml").write_text('"6109":\n  goods: {usd_per_kg: 0}\n  codes: {}\n')

    with pytest.raises(ParamsError, match="6109"):
        read_headings(tmp_path / "goods.yaml")
    with pytest.raises(ParamsError, match="cannot be read"):
        read_headings(tmp_path / "none.yaml")
