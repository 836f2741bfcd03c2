"""The cases officers write, decided by the very function the service calls."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from models.rules_files import read_rules
from selectivity.deciding.capacity import Prices
from selectivity.deciding.policy import decide
from selectivity.deciding.risk import Risk
from selectivity.lanes import Lane
from selectivity.rules.rule_set import declaration_of_case
from tests.bundles import NO_DRAWS, RULE_FILES

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/lanes.yaml").read_text("utf-8"))
RULES = read_rules(RULE_FILES)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_a_case_gets_the_lane_the_officer_wrote(case: dict[str, Any]) -> None:
    rows = [[item["documentary"], item["physical"]] for item in case.get("risk", [])]
    findings = np.array(rows).reshape(-1, 2)
    probabilities = np.column_stack([1 - findings.sum(axis=1), findings])
    decision = decide(
        declaration_of_case(case["declared"], date(2026, 3, 2)),
        risk=Risk(probabilities.tolist(), [0.0] * len(rows)) if rows else None,
        rules=RULES,
        policy=NO_DRAWS,
        prices=Prices(yellow=0.1, red=0.4),
        draw_key=b"cases",
        earlier_lane=Lane[case["earlier_lane"]] if "earlier_lane" in case else None,
    )
    assert (decision.lane.name, str(decision.channel)) == (case["lane"], case["channel"])
    assert decision.reasons[0].code == case["reason"]
    if "item_no" in case:
        assert decision.reasons[0].item_no == case["item_no"]
