"""Every number stands in params.yaml; a default in the code says the same."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from pipelines.evaluate import EvaluateParams
from pipelines.featurize import FeaturizeParams
from pipelines.ingest import IngestParams
from pipelines.label import LabelParams
from pipelines.params import section
from pipelines.prepare import PrepareParams
from pipelines.searching.space import SearchParams
from pipelines.simulate import SimulateParams
from pipelines.train import TrainParams
from selectivity.policy import Policy

PARAMS = Path(__file__).parents[2] / "params.yaml"
SECTIONS: dict[str, type[BaseModel]] = {
    "evaluate": EvaluateParams,
    "featurize": FeaturizeParams,
    "ingest": IngestParams,
    "label": LabelParams,
    "policy": Policy,
    "prepare": PrepareParams,
    "search": SearchParams,
    "simulate": SimulateParams,
    "train": TrainParams,
}
SET_HERE = {"id", "source", "path", "feedback", "changes", "missing_share"}
"""Values that belong to params.yaml alone: what this project runs on by default."""


@pytest.mark.parametrize("name", SECTIONS)
def test_a_default_in_the_code_is_the_one_of_params_yaml(name: str) -> None:
    chosen = section(PARAMS, name, SECTIONS[name])
    for field, info in SECTIONS[name].model_fields.items():
        if field not in SET_HERE and not info.is_required():
            assert getattr(chosen, field) == info.get_default(call_default_factory=True), field
