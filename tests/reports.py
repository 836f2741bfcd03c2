"""What a report rests on, small and made up: name only what the test is about."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.rules_files import read_rules
from pipelines.report import sections
from pipelines.reporting.evidence import Evidence, ripened
from pipelines.reporting.groups import with_groups
from pipelines.reporting.sections import Section
from pipelines.reporting.unseen import unseen
from pipelines.training.periods import Periods
from selectivity.deciding.policy import Policy
from selectivity.lanes import Channel
from selectivity.metrics import Interval

MONDAY = datetime(2026, 1, 5, 9, tzinfo=UTC)
PERIODS = Periods(
    train_from=date(2025, 2, 3),
    train_until=date(2025, 9, 1),
    calibrate_from=date(2025, 9, 15),
    calibrate_until=date(2025, 12, 22),
    evaluate_from=date(2026, 1, 5),
    evaluate_until=date(2026, 2, 2),
)
RULES = read_rules(sorted(Path("data/reference/rules").glob("*.yaml"))).rules
VIEW = {
    "rows": 400,
    "base_rate": 0.1,
    "auroc": 0.8,
    "auroc_low": 0.75,
    "auroc_high": 0.85,
    "auprc": 0.4,
    "auprc_low": 0.3,
    "auprc_high": 0.5,
    "precision_at_5": 0.5,
    "precision_at_5_low": 0.4,
    "precision_at_5_high": 0.6,
    "precision_at_10": 0.35,
    "precision_at_10_low": 0.3,
    "precision_at_10_high": 0.4,
    "ece": 0.012,
    "ece_equal_mass": 0.009,
    "brier": 0.07,
}
VARIANT = {
    "declarations": 100,
    "green_share": 0.75,
    "yellow_share": 0.2,
    "red_share": 0.05,
    "red_inspected": 50,
    "red_hit_rate": 0.4,
    "red_hit_rate_low": 0.3,
    "red_hit_rate_high": 0.5,
    "red_holds_found": 0.3,
    "red_holds_found_change": 0.0,
    "red_holds_found_change_low": -0.02,
    "red_holds_found_change_high": 0.02,
    "green_holds_found": 0.2,
}


SMALL_CAPACITY = Policy(
    id="test",
    yellow=Policy().yellow.model_copy(update={"share": 0.15}),
    red=Policy().red.model_copy(update={"share": 0.05}),
)


def a_decision(**fields: Any) -> dict[str, Any]:
    """A declaration that the model released and nobody inspected."""
    lane = fields.get("lane", "GREEN")
    plain = {
        "declaration_id": "D-1",
        "version_no": 1,
        "items": 2,
        "accepted_at": MONDAY,
        "office": "OFF01",
        "lane": lane,
        "channel": str(Channel.MODEL),
        "reason": "LOW_RISK" if lane == "GREEN" else "RISK",
        "signals": [],
        "risk": 0.1,
        "inspected": False,
        "found": False,
        "physical": False,
        "duty_found": 0.0,
        "direction": "IMPORT",
    }
    return plain | fields


def decisions_of(*counted: tuple[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """So many declarations of each kind, each with an id of its own, one week after another."""
    kinds = [kind for count, kind in counted for _ in range(count)]
    return [
        a_decision(**({"declaration_id": f"D-{number}", "accepted_at": _day(number)} | kind))
        for number, kind in enumerate(kinds)
    ]


def _day(number: int) -> datetime:
    return MONDAY + timedelta(days=number % 28)


MIXED: tuple[tuple[int, dict[str, Any]], ...] = (
    (700, {}),
    (100, {"inspected": True, "office": "OFF02"}),
    (10, {"inspected": True, "found": True}),
    (80, {"lane": "YELLOW", "inspected": True, "channel": str(Channel.RULE)}),
    (20, {"lane": "YELLOW", "inspected": True, "found": True, "signals": ["NEW_TRADER"]}),
    (30, {"lane": "YELLOW", "channel": str(Channel.MANDATORY), "reason": "QUARANTINE"}),
    (24, {"lane": "RED", "inspected": True}),
    (16, {"lane": "RED", "inspected": True, "found": True, "physical": True}),
    (20, {"lane": "RED", "channel": str(Channel.RANDOM), "reason": "RANDOM"}),
)
"""1000 declarations: 810 green, 130 yellow, 60 red."""


def a_control(**fields: Any) -> dict[str, Any]:
    """A goods inspection, drawn at random with a chance of one in ten, that found nothing."""
    plain = {
        "at": 0,
        "lane": "GREEN",
        "inspection_id": "I-1",
        "control_type": "FULL_PHYSICAL",
        "triggered_by": str(Channel.RANDOM),
        "propensity": 0.1,
        "found": False,
        "additional_duty": 0.0,
    }
    return plain | fields


def controls_table(controls: list[dict[str, Any]]) -> pd.DataFrame:
    """As a frame with all columns, even without a row."""
    return pd.DataFrame(controls, columns=list(a_control()))


def an_evidence(**fields: Any) -> Evidence:
    """Everything a report needs. `decisions` and `controls` may be lists of rows."""
    decisions = fields.pop("decisions", None) or decisions_of(*MIXED)
    as_of = fields.pop("as_of", datetime(2026, 4, 1, tzinfo=UTC))
    delay = (PERIODS.evaluate_from - PERIODS.calibrate_until).days
    controls = fields.pop("controls", [])
    plain: dict[str, Any] = {
        "digest": "ab" * 32,
        "policy": SMALL_CAPACITY,
        "rules": RULES,
        "periods": PERIODS,
        "ingested": INGESTED,
        "prepared": {"rows": {"train": 5000}, "repetition": {"repeated_share": 0.02}},
        "labelled": {"items": {"none": 90, "documentary": 9, "physical": 1, "not_inspected": 300}},
        "metrics": {"all_rows": VIEW, "new_lines": VIEW, "line_purged": VIEW, "lanes": {}},
        "backtest": {"variants": dict.fromkeys(VARIANTS, VARIANT), "rules": {}},
        "calibration": BINS,
        "capacity": CURVE,
        "decisions": ripened(pd.DataFrame(decisions), pd.Timestamp(as_of), delay),
        "controls": controls_table(controls),
        "missing": {"hs_code": 0.0, "net_mass_kg": 0.03},
        "drift": {"hs_code": Interval(0.02, 0, 0.03), "unit_value": Interval(0.1, 0.08, 0.11)},
        "in_time": 0.97,
    }
    return Evidence(**plain | fields)


VARIANTS = ("as_served", "without_model", "red_capacity_less_20", "red_capacity_more_20")
INGESTED = {
    "source": "native",
    "simulated": True,
    "rows": {"read": 2000, "repeated": 3, "refused": 10},
    "refused_by_reason": {"hs_code: not a code": 10},
    "set_to_missing": {"net_mass_kg: below zero": 4},
    "inputs": {"data/raw/simulated/declarations.parquet": "cd" * 32},
}
BINS = pd.DataFrame(
    {
        "predicted": [0.01, 0.1, 0.5],
        "observed": [0.02, 0.12, 0.2],
        "low": [0.005, 0.06, 0.1],
        "high": [0.06, 0.2, 0.3],
        "rows": [100, 100, 200],
    }
)
CURVE = pd.DataFrame(
    {
        "inspected": [0.05, 0.1, 0.2, 1.0],
        "hit_rate": [0.6, 0.5, 0.35, 0.1],
        "hit_rate_low": [0.5, 0.4, 0.3, 0.08],
        "hit_rate_high": [0.7, 0.6, 0.4, 0.12],
        "detection_rate": [0.3, 0.5, 0.7, 1.0],
        "detection_rate_low": [0.2, 0.4, 0.6, 1.0],
        "detection_rate_high": [0.4, 0.6, 0.8, 1.0],
    }
)


def some_goods(**columns: Any) -> pd.DataFrame:
    """Clean goods items of traders known long, each a declaration of its own, in green."""
    count = len(next(iter(columns.values())))
    plain = {
        "known_days": 400.0,
        "declared": np.arange(count, dtype=float),
        "named": True,
        "origin": "CN",
        "declaration": np.arange(count),
        "lane": "GREEN",
        "inspected": True,
        "found": False,
        "risk": 0.1,
    }
    return pd.DataFrame(plain | columns, index=range(count))


def all_sections(evidence: Evidence) -> tuple[Section, ...]:
    """Those of the page."""
    return sections(evidence, unseen(evidence), with_groups(some_goods(risk=[0.1] * 90)))


def drawn(count: int, found: int, **fields: Any) -> list[dict[str, Any]]:
    """Controls of different declarations, like `a_control`; the first few found something."""
    start = fields.pop("at", 0)
    return [
        a_control(at=start + number, inspection_id=f"I-{start + number}", found=number < found)
        | fields
        for number in range(count)
    ]
