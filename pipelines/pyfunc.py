"""How MLflow loads a logged model: `mlflow.pyfunc.load_model("models:/lane-model@candidate")`.

The model is a folder with the bundle and the mapping file of the source it was trained on. No
pickle is read: MLflow imports this module from the code beside the model and calls `_load_pyfunc`.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from models.bundle import Bundle, load
from pipelines.score import score
from pipelines.sources.mappings import SourceMapping, load_mapping

BUNDLE, SOURCES = "bundle", "sources"


class LaneScorer:
    """Scores a table in the columns of the source the model was trained on."""

    def __init__(self, bundle: Bundle, mapping: SourceMapping) -> None:
        self.bundle, self.mapping = bundle, mapping

    def predict(self, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """One row per row: see `pipelines.score`. There are no `params`."""
        scored = score(model_input, self.bundle, self.mapping)
        lanes = scored[["lane", "channel"]].astype(object)
        return scored.assign(**lanes.where(lanes.notna(), None))  # null in an answer as JSON


def _load_pyfunc(data_path: str) -> LaneScorer:
    """Called by MLflow, which gives the name."""
    folder = Path(data_path)
    (mapping,) = (folder / SOURCES).glob("*.yaml")
    return LaneScorer(load(folder / BUNDLE), load_mapping(folder / SOURCES, mapping.stem))
