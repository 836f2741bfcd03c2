"""What can be judged is judged, also where part of it cannot."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.bundle import load
from pipelines.evaluate import EvaluateParams, evaluate
from pipelines.judging.views import left_out
from selectivity.errors import NotEnoughDataError
from tests.pasts import QUICK, a_past


def test_a_view_that_cannot_be_trained_is_left_out_and_told(bundle: Path) -> None:
    past = a_past()  # all goods are alike: without those that are met again nothing teaches
    metrics, lanes, _ = evaluate(
        load(bundle),
        past,
        QUICK,
        EvaluateParams(resamples=20),
    )
    assert metrics["all_rows"]["rows"] == metrics["line_purged"]["rows"] == len(lanes) > 100
    assert "auroc" in metrics["all_rows"]
    assert "auroc" not in metrics["line_purged"]
    (told,) = left_out(metrics)
    assert told.startswith("The view line_purged is left out. Only 0 controlled goods items")


def test_an_evaluation_without_any_outcome_is_refused(bundle: Path) -> None:
    past = a_past()
    with pytest.raises(NotEnoughDataError, match="nothing can be judged"):
        evaluate(
            load(bundle),
            replace(past, outcomes=past.outcomes[:10]),
            QUICK,
            EvaluateParams(),
        )
