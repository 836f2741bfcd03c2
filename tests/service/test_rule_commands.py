"""The commands on rules: read, tested case by case, and tried on the decision log."""

from pathlib import Path

import pytest
import yaml

from serving.log.reader import LogReader
from tests.bundles import RULE_FILES
from tests.command_line import lanes
from tests.services import a_service, lodged, settings_in

FILES = [str(file) for file in RULE_FILES]
RULE = {
    "id": "R-499",
    "layer": "selectivity",
    "reason_code": "INTELLIGENCE",
    "lane": "RED",
    "legal_basis": ["order of the risk unit"],
    "valid_from": "2020-01-01",
    "owner": "risk-unit",
    "approver": "legal-unit",
    "when": {"importer_id": ["IMP7"]},
    "cases": [
        {"declared": {"importer_id": "IMP7"}, "hits": True},
        {"declared": {"importer_id": "IMP8"}, "hits": False},
    ],
}
RELEASE = {"layer": "facilitation", "lane": "GREEN"}


def a_file(folder: Path, *rules: object) -> str:
    file = folder / "new.yaml"
    dated = yaml.safe_dump(list(rules)).replace("'2020-01-01'", "2020-01-01")
    file.write_text(dated)
    return str(file)


def test_rules_are_read_as_the_service_reads_them(tmp_path: Path) -> None:
    ended = lanes(tmp_path, "rules", "check", *FILES)
    with a_service(tmp_path) as client:
        version = client.get("/health/ready").json()["rules_version"]
    assert ended.exit_code == 0, ended.stderr
    assert f"of version {version}" in ended.stdout


def test_a_version_is_told_with_the_order_it_depends_on(tmp_path: Path) -> None:
    told = {
        lanes(tmp_path, "rules", "check", *files).stdout.splitlines()[0]
        for files in (FILES, FILES[::-1])
    }
    backwards = lanes(tmp_path, "rules", "check", *FILES[::-1]).stdout
    assert len(told) == 2
    assert f"this order: {', '.join(Path(file).name for file in FILES[::-1])}." in backwards
    assert "params.yaml" in backwards
    assert "order" not in lanes(tmp_path, "rules", "check", FILES[0]).stdout


def test_a_wrong_rule_is_named(tmp_path: Path) -> None:
    file = a_file(tmp_path, RULE | {"lane": "BLUE"})
    ended = lanes(tmp_path, "rules", "check", file, *FILES)
    assert ended.exit_code == 31
    assert "R-499" in ended.stderr


def test_every_case_of_every_rule_is_run(tmp_path: Path) -> None:
    wrong = RULE | {"id": "R-498", "cases": [{"declared": {}, "hits": True}]}
    ended = lanes(tmp_path, "rules", "test", a_file(tmp_path, wrong, RULE))
    assert ended.exit_code == 31
    assert "R-499  2 cases hold" in ended.stdout
    assert "case 1 should be hit but is not" in ended.stderr
    assert lanes(tmp_path, "rules", "test", a_file(tmp_path, RULE)).exit_code == 0
    twice = lanes(tmp_path, "rules", "test", a_file(tmp_path, RULE, RULE))
    assert (twice.exit_code, "used twice" in twice.stderr) == (31, True)


@pytest.mark.parametrize("with_model", [True, False])
def test_rules_are_tried_on_the_log_before_they_hold(
    tmp_path: Path, bundle: Path, with_model: bool
) -> None:
    fields = {"bundle": bundle} if with_model else {}
    with a_service(tmp_path, **fields) as client:
        for number in range(6):
            importer = "IMP7" if number < 2 else "IMP1"
            sent = lodged(declaration_id=f"D-{number}", importer_id=importer)
            assert client.post("/v1/lanes", json=sent).status_code == 200
    variables = {"LANES_BUNDLE": str(bundle)} if with_model else {}
    log = str(settings_in(tmp_path).log_file)
    same = lanes(tmp_path, "rules", "backtest", *FILES, **variables)
    file = a_file(tmp_path, RULE | RELEASE if with_model else RULE)
    other = lanes(tmp_path, "rules", "backtest", file, *FILES, "--on", log, **variables)

    assert same.exit_code == other.exit_code == 0, same.stderr + other.stderr
    assert "6 declarations" in same.stdout
    assert ": 0 lanes up, 0 down" in same.stdout
    assert ("0 lanes up, 2 down" if with_model else "2 lanes up, 0 down") in other.stdout
    assert "importers: IMP7 2" in other.stdout
    assert LogReader(settings_in(tmp_path).log_file).counts() == (6, 0, 0)


def test_a_decision_names_the_rules_in_force_and_follows_those_of_its_day(tmp_path: Path) -> None:
    file = a_file(tmp_path, RULE | {"valid_to": "2026-03-02"})
    plain = (tmp_path / "all.yaml", Path(file))
    rows = [row for each in RULE_FILES for row in yaml.safe_load(each.read_bytes())]
    plain[0].write_text(yaml.safe_dump([*rows, *yaml.safe_load(Path(file).read_text())]))
    with a_service(tmp_path, rules=plain[0]) as client:
        version = client.get("/health/ready").json()["rules_version"]
        lanes_by_day = {}
        for day in ("2019-12-31", "2026-03-02", "2026-03-03"):
            sent = lodged(declaration_id=f"D-{day}", importer_id="IMP7")
            sent["accepted_at"] = f"{day}T12:00:00Z"
            client.post("/v1/lanes", json=sent)
            shown = client.get(f"/v1/decisions/D-{day}").json()
            assert shown["record"]["rules_version"] == version
            votes = shown["record"]["decision"]["votes"]
            lanes_by_day[day] = [vote["reason"]["rule_id"] for vote in votes]
    hit = {day: "R-499" in rules for day, rules in lanes_by_day.items()}
    assert hit == {"2019-12-31": False, "2026-03-02": True, "2026-03-03": False}


@pytest.mark.parametrize("command", ["check", "test"])
def test_a_file_that_is_not_there_is_named_once_and_no_rule_of_it(
    tmp_path: Path, command: str
) -> None:
    ended = lanes(tmp_path, "rules", command, "nowhere.yaml")
    assert ended.exit_code == 31
    told = "error: Rules file nowhere.yaml: cannot be read (No such file or directory). Check the"
    assert ended.stderr.startswith(told)
