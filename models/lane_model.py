"""The trained model: from columns and histories to the risk of each declaration.

Trees in LightGBM's text format, the calibration fitted after them, and what training knew: code
numbers, known headings and countries, which facts its history had, and the duty cap.
"""

import json
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.calibration import Calibration
from models.trees import Trees
from selectivity.columns import Columns, Floats, first_rows
from selectivity.deciding.risk import Risk
from selectivity.declaration import problems
from selectivity.errors import BundleError
from selectivity.features.known import CodeMaps
from selectivity.features.matrix import FEATURE_NAMES, feature_matrix, features_of
from selectivity.histories.aggregates import VALUES, duty_at_stake
from selectivity.reasons.signals import observations, signals

CALIBRATION, KNOWLEDGE = "calibration.json", "knowledge.json"
COUNTRIES = ("country_of_origin", "country_of_export")
"""Fields whose countries a history may have seen."""


class Knowledge(BaseModel):
    """What the history behind the model held."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature_names: tuple[str, ...]
    codes: CodeMaps = Field(description="Number of each code, per field.")
    headings: frozenset[str] = Field(description="HS headings (4 digits) seen.")
    countries: frozenset[str] = Field(description="Countries of origin and export seen.")
    facts: frozenset[str] = Field(description="Item fields declared on most rows.")
    duty_cap: float = Field(
        gt=0, allow_inf_nan=False, description="99th percentile of duty at stake."
    )


class LaneModel:
    """Scores goods items. Knows nothing of lanes, rules or capacities."""

    def __init__(self, trees: Trees, calibration: Calibration, knowledge: Knowledge) -> None:
        if tuple(knowledge.feature_names) != FEATURE_NAMES:
            raise BundleError(
                "The model was trained on other features than this software computes. "
                "Retrain it with this version, or install the version that trained it."
            )
        self.trees, self.calibration, self.knowledge = trees, calibration, knowledge

    def probabilities(self, matrix: Floats) -> Floats:
        """Calibrated chance of each finding class, shape (n, 3), from a feature matrix."""
        return self.calibration.apply(self.trees.chances(matrix))

    def features(self, columns: Columns, histories: Floats) -> Floats:
        """The model's feature matrix of many rows; `histories` has shape (values, n)."""
        return feature_matrix(columns, histories, self.knowledge.codes)

    def features_of_rows(self, rows: Columns, histories: Sequence[Sequence[float]]) -> Floats:
        """The feature matrix of rows given as arrays, and the values known before each of them."""
        values = np.array(histories, dtype=np.float64).reshape(-1, len(VALUES))
        return features_of(rows, values.T, self.knowledge.codes)

    def assess(
        self, columns: Columns, matrix: Floats, starts: Sequence[int] | None = None
    ) -> list[Risk]:
        """Risk of each declaration in the columns; items of one declaration stand together.

        Args:
            starts: first row of each declaration; found by their ids and versions if left out.
        """
        probabilities = self.probabilities(matrix).tolist()
        duty_share = self.duty_share(columns, matrix).tolist()
        item_nos = [int(item_no) for item_no in columns["item_no"].tolist()]
        unknown, observed = self._unknown_codes(columns, item_nos), observations(matrix)
        starts = first_rows(columns).tolist() if starts is None else starts
        return [
            Risk(
                probabilities[start:stop],
                duty_share[start:stop],
                list(chain.from_iterable(unknown[start:stop])),
                signals(item_nos[start:stop], observed[start:stop]),
            )
            for start, stop in pairwise([*starts, len(item_nos)])
        ]

    def duty_share(self, columns: Columns, matrix: Floats) -> Floats:
        """Duty that a finding is expected to bring over the duty cap, in [0, 1]; shape (n,).

        Where the source has no amounts, declared duty at stake stands for it; 0 where unknown.
        """
        expected = self.trees.duty_given_finding(matrix)
        if expected is None:
            expected = np.nan_to_num(duty_at_stake(columns))
        else:
            expected *= self.calibration.duty
        share: Floats = np.minimum(expected / self.knowledge.duty_cap, 1)
        return share

    def _unknown_codes(
        self, columns: Columns, item_nos: Sequence[int]
    ) -> Sequence[Sequence[tuple[int, str]]]:
        declared = [columns[field].tolist() for field in COUNTRIES]
        headings, countries = self.knowledge.headings, self.knowledge.countries
        unknown = []
        for item_no, code, *named in zip(
            item_nos, columns["hs_code"].tolist(), *declared, strict=True
        ):
            found = [] if code is None or code[:4] in headings else [(item_no, "hs_code")]
            for field, country in zip(COUNTRIES, named, strict=True):
                if country is not None and country not in countries:
                    found.append((item_no, field))
            unknown.append(found)
        return unknown

    def save(self, directory: Path) -> None:
        """Write the model's files. No pickle: text and JSON."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in self.trees.texts().items():
            (directory / name).write_text(text, encoding="utf-8")
        calibration = self.calibration.model_dump_json(indent=1)
        (directory / CALIBRATION).write_text(calibration, encoding="utf-8")
        (directory / KNOWLEDGE).write_text(knowledge_json(self.knowledge), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a model. Verify the digests of its files first: see `models.bundle`."""
        try:
            calibration = Calibration.model_validate_json((directory / CALIBRATION).read_bytes())
            knowledge = Knowledge.model_validate_json((directory / KNOWLEDGE).read_bytes())
        except (ValidationError, OSError) as error:
            problem = problems(error) if isinstance(error, ValidationError) else error
            raise BundleError(
                f"The model in {directory} cannot be read: {problem}. Train it again."
            ) from error
        return cls(Trees.load(directory), calibration, knowledge)


def knowledge_json(knowledge: Knowledge) -> str:
    """Sorted, so that the same knowledge gives the same bytes."""
    content = knowledge.model_dump(mode="json")
    for name in ("headings", "countries", "facts"):
        content[name] = sorted(content[name])
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
