"""The trees of a bundle as MLflow serves them: finished rows in, chances and duty out.

`mlflow models serve` loads this by name, see `tests.benchmarks.ladder`. It asks LightGBM as the
flavour of MLflow for it does, by `Booster.predict` on the frame, though on one thread. That flavour
itself knows one booster, and here are three with their calibration.
"""

from pathlib import Path
from typing import Any

import numpy as np

from models.lane_model import LaneModel


class TreesAlone:
    """What MLflow asks to predict."""

    def __init__(self, model: LaneModel) -> None:
        trees = model.trees
        self._boosters = [
            each for each in (trees.finding, trees.physical, trees.duty) if each is not None
        ]
        self._calibration = model.calibration

    def predict(self, frame: Any) -> Any:
        """Chances of each class and how dear a finding is, a list per row."""
        raw = [each.predict(frame, num_threads=1) for each in self._boosters]
        chances = self._calibration.apply(np.column_stack(raw[:2]))
        return np.column_stack([chances, *raw[2:]]).tolist()


def _load_pyfunc(path: str) -> TreesAlone:
    return TreesAlone(LaneModel.load(Path(path)))
