"""Alerts fire where somebody has to look, and nowhere else, by Prometheus itself."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.tree import ROOT

ALERTS = ROOT / "deploy/alerts.yaml"
GIVEN = yaml.safe_load((ROOT / "tests/cases/alerts.yaml").read_text(encoding="utf-8"))
PROMTOOL = shutil.which("promtool")


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert alerts == {name for case in GIVEN["cases"] for name in case["fires"]}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here: install prometheus")
@pytest.mark.parametrize("case", GIVEN["cases"], ids=lambda case: case["case"])
def test_what_fires(case: dict[str, Any], tmp_path: Path) -> None:
    assert PROMTOOL is not None
    told = tmp_path / "case.yaml"
    told.write_text(yaml.safe_dump(_for_promtool(case)), encoding="utf-8")
    ended = subprocess.run([PROMTOOL, "test", "rules", str(told)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _for_promtool(case: dict[str, Any]) -> dict[str, Any]:
    series = GIVEN["usual"] | case.get("series", {})
    firing = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(case["fires"])]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": told} for name, told in series.items()],
        "promql_expr_test": [
            {
                "expr": 'max by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{case['minutes']}m",
                "exp_samples": firing,
            }
        ],
    }
    return {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}
