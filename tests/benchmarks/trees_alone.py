"""The trees of a bundle as MLflow serves them: finished rows in, probabilities out.

`mlflow models serve` loads this by name, see `tests.benchmarks.ladder`.
"""

from pathlib import Path
from typing import Any

from models.lane_model import LaneModel


class TreesAlone:
    """What MLflow asks to predict."""

    def __init__(self, model: LaneModel) -> None:
        self._model = model

    def predict(self, frame: Any) -> Any:
        """Chances of each class, a list per row."""
        return self._model.probabilities(frame.to_numpy(dtype="float64")).tolist()


def _load_pyfunc(path: str) -> TreesAlone:
    return TreesAlone(LaneModel.load(Path(path)))
