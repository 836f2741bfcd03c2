"""A small real bundle for tests: ten trees on chance numbers, the rules of the project."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from models.bundle import POLICY, PRICES, PROFILES_FILE, RULES, SCORECARD, seal
from models.calibration import Calibration
from models.lane_model import Knowledge, LaneModel
from models.rules_files import read_rules
from models.trees import Trees
from selectivity.columns import to_columns
from selectivity.deciding.capacity import Prices
from selectivity.deciding.policy import Policy
from selectivity.deciding.random_stratum import RandomPolicy
from selectivity.deciding.scorecard import Band, FactPoints, Scorecard, UsualValue
from selectivity.declaration import Declaration
from selectivity.features.declared import CODED
from selectivity.features.matrix import FEATURE_NAMES, numbered
from selectivity.histories.profiles import Profiles
from selectivity.histories.rows import rows_of
from serving.deciding.predictor import Predictor
from tests.builders import a_declaration

RULE_FILES = sorted((Path(__file__).parents[1] / "data/reference/rules").glob("*.yaml"))
NO_DRAWS = Policy(id="test", random=RandomPolicy(yellow=0, red=0))
"""Nothing by chance, so that a test knows which lane it gets."""


def a_bundle(
    directory: Path,
    *,
    policy: Policy = NO_DRAWS,
    history: tuple[Declaration, ...] = (),
    trained_on: dict[str, Any] | None = None,
    seed: int = 0,
    rounds: int = 10,
    leaves: int = 31,
) -> str:
    """Write a complete sealed bundle; gives its digest. `history` is what its profiles know."""
    directory.mkdir(parents=True, exist_ok=True)
    _model(seed, rounds, leaves).save(directory)
    profiles = Profiles()
    if history:
        for declaration in history:
            profiles.observe(rows_of(declaration))
    np.savez(directory / PROFILES_FILE, **profiles.snapshot())
    (directory / RULES).write_text(json.dumps(read_rules(RULE_FILES).content()))
    (directory / POLICY).write_text(policy.model_dump_json())
    (directory / PRICES).write_text(Prices().model_dump_json())
    (directory / SCORECARD).write_text(a_scorecard().model_dump_json(exclude_none=True))
    return seal(directory, trained_on or {"source": "tests"})


def a_scorecard(**fields: Any) -> Scorecard:
    """Levels of the importer, and goods below their usual value: 10 to 60 points."""
    levels = [Band(below=3, points=0), Band(below=5, points=10), Band(points=30)]
    value = [Band(below=-1, points=30), Band(points=0)]
    plain = {
        "yellow_from": 20,
        "red_from": 50,
        "facts": (
            FactPoints(fact="importer_compliance_level", bands=tuple(levels), missing=30),
            FactPoints(fact="unit_value_deviation", bands=tuple(value), missing=30),
        ),
        "usual_unit_values": {"6109": UsualValue(unit_value=20, spread=0.5)},
    }
    return Scorecard.model_validate(plain | fields)


def _model(seed: int, rounds: int, leaves: int) -> LaneModel:
    chance = np.random.default_rng(seed)
    matrix = chance.normal(size=(300, len(FEATURE_NAMES)))
    answers = {
        "finding": ("binary", chance.random(300) < 0.2),
        "physical": ("binary", chance.random(300) < 0.25),
        "duty": ("tweedie", chance.random(300)),
    }
    trees = {
        name: lgb.train(
            {"objective": objective, "verbosity": -1, "seed": seed, "num_leaves": leaves},
            lgb.Dataset(matrix, given.astype(float)),
            num_boost_round=rounds,
        )
        for name, (objective, given) in answers.items()
    }
    columns = to_columns([a_declaration()])
    knowledge = Knowledge(
        feature_names=FEATURE_NAMES,
        codes={name: numbered(Counter(columns[name].tolist())) for name in CODED},
        headings=frozenset({"6109"}),
        countries=frozenset({"CN", "VN"}),
        facts=frozenset(Policy().facts_needed),
        duty_cap=1_000.0,
    )
    return LaneModel(Trees(**trees), Calibration(), knowledge)


def a_predictor() -> Predictor:
    """Decides by the project's rules alone, without a bundle."""
    return Predictor(None, rules=read_rules(RULE_FILES), draw_key=b"k" * 32, policy=NO_DRAWS)
