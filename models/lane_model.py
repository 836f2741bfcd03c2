"""The trained model: from columns and histories to the risk of each declaration.

A LightGBM text model, the calibration fitted after it, and what training knew: code numbers,
known headings and countries, which facts its history had, and the duty cap.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import lightgbm as lgb
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.calibration import Calibration
from selectivity.columns import Columns, Floats, first_rows
from selectivity.declaration import problems
from selectivity.errors import BundleError
from selectivity.explain import signals
from selectivity.features import FEATURE_NAMES, duty_at_stake, feature_matrix
from selectivity.known import CodeMaps
from selectivity.profiles import Histories
from selectivity.risk import Risk

BOOSTER, CALIBRATION, KNOWLEDGE = "booster.txt", "calibration.json", "knowledge.json"


class Knowledge(BaseModel):
    """What the history behind the model held."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature_names: tuple[str, ...]
    codes: CodeMaps = Field(description="Number of each code, per field.")
    headings: frozenset[str] = Field(description="HS headings (4 digits) seen.")
    countries: frozenset[str] = Field(description="Countries of origin and export seen.")
    facts: frozenset[str] = Field(description="Item fields declared on most rows.")
    duty_cap: float = Field(gt=0, description="99th percentile of duty at stake.")


class LaneModel:
    """Scores goods items. Knows nothing of lanes, rules or capacities."""

    def __init__(
        self, booster: lgb.Booster, calibration: Calibration, knowledge: Knowledge
    ) -> None:
        if tuple(knowledge.feature_names) != FEATURE_NAMES:
            raise BundleError(
                "The model was trained on other features than this software computes. "
                "Retrain it with this version, or install the version that trained it."
            )
        self.booster, self.calibration, self.knowledge = booster, calibration, knowledge

    def probabilities(self, matrix: Floats) -> Floats:
        """Calibrated chance of each finding class, shape (n, 3), from a feature matrix."""
        # One thread: on a busy machine a single row takes hundreds of times longer with more.
        raw = self.booster.predict(matrix, num_threads=1)
        return self.calibration.apply(np.asarray(raw, dtype=np.float64))

    def features(self, columns: Columns, histories: Histories) -> Floats:
        """The model's feature matrix of these rows."""
        return feature_matrix(columns, histories, self.knowledge.codes)

    def assess(self, columns: Columns, matrix: Floats) -> list[Risk]:
        """Risk of each declaration in the columns; items of one declaration stand together."""
        probabilities = self.probabilities(matrix)
        duty_share = self.duty_share(columns)
        starts = first_rows(columns)
        return [
            Risk(
                probabilities[start:stop],
                duty_share[start:stop],
                self._unknown_codes(columns, start, stop),
                signals(columns, matrix, start, stop),
            )
            for start, stop in zip(starts, [*starts[1:], len(matrix)], strict=True)
        ]

    def duty_share(self, columns: Columns) -> Floats:
        """Duty at stake over the cap, in [0, 1]; 0 where it is unknown. Shape (n,)."""
        duty = np.nan_to_num(duty_at_stake(columns), nan=0.0)
        share: Floats = np.minimum(duty / self.knowledge.duty_cap, 1.0)
        return share

    def _unknown_codes(self, columns: Columns, start: int, stop: int) -> Sequence[tuple[int, str]]:
        unknown = []
        for row in range(start, stop):
            item_no, code = int(columns["item_no"][row]), columns["hs_code"][row]
            if code is not None and code[:4] not in self.knowledge.headings:
                unknown.append((item_no, "hs_code"))
            for field in ("country_of_origin", "country_of_export"):
                country = columns[field][row]
                if country is not None and country not in self.knowledge.countries:
                    unknown.append((item_no, field))
        return unknown

    def save(self, directory: Path) -> None:
        """Write the model's three files. No pickle: text and JSON."""
        directory.mkdir(parents=True, exist_ok=True)
        self.booster.save_model(directory / BOOSTER)
        (directory / CALIBRATION).write_text(self.calibration.model_dump_json(indent=1))
        (directory / KNOWLEDGE).write_text(knowledge_json(self.knowledge))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a model. Verify the digests of its files first: see `models.bundle`."""
        try:
            calibration = Calibration.model_validate_json((directory / CALIBRATION).read_bytes())
            knowledge = Knowledge.model_validate_json((directory / KNOWLEDGE).read_bytes())
            booster = lgb.Booster(model_file=directory / BOOSTER)
        except ValidationError as error:
            raise BundleError(
                f"The model in {directory} cannot be read: {problems(error)}. Train it again."
            ) from error
        except (OSError, lgb.basic.LightGBMError) as error:
            raise BundleError(
                f"The model in {directory} cannot be read: {error}. Train it again."
            ) from error
        return cls(booster, calibration, knowledge)


def knowledge_json(knowledge: Knowledge) -> str:
    """Sorted, so that the same knowledge gives the same bytes."""
    content = knowledge.model_dump(mode="json")
    for name in ("headings", "countries", "facts"):
        content[name] = sorted(content[name])
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
