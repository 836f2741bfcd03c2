"""Declarations put to the model together get what each would get alone."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import load
from selectivity.deciding.modes import Mode
from selectivity.declaration import Declaration
from selectivity.histories.rows import arrays_of, rows_of
from selectivity.record import DecisionRecord
from serving.deciding.predictor import Predictor
from tests.builders import NOON, a_declaration, an_item

items = st.lists(
    st.tuples(
        st.sampled_from(["610910", "870323", "99", "0507", None]),
        st.sampled_from(["CN", "VN", "XX", None]),
        st.sampled_from([0.0, 12.5, 700.0, None]),
    ),
    min_size=1,
    max_size=4,
).map(
    lambda rows: (
        tuple(
            an_item(item_no=no, hs_code=code, country_of_origin=origin, net_mass_kg=mass)
            for no, (code, origin, mass) in enumerate(rows, start=1)
            if code is None or len(code) > 3
        )
        or (an_item(),)
    )
)
declarations = st.builds(
    a_declaration,
    declaration_id=st.sampled_from(["D-1", "D-2"]),  # the same one may come twice in a row
    importer_id=st.sampled_from(["IMP1", "IMP2", None]),
    importer_registered_on=st.none() | st.dates(),
    items=items,
)


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    predictor = Predictor.of_bundle(load(bundle), draw_key=b"k" * 32)
    earlier = NOON.replace(year=2025)
    predictor.observe(rows_of(a_declaration(accepted_at=earlier, importer_id="IMP2")) * 3)
    return predictor


def alone(predictor: Predictor, declaration: Declaration) -> DecisionRecord:
    return predictor.decide(declaration, earlier_lane=None, now=NOON)


@given(many=st.lists(declarations, max_size=8))
@settings(deadline=None)
def test_together_and_alone_are_the_same(predictor: Predictor, many: list[Declaration]) -> None:
    assessments = predictor.assess(many, Mode.NORMAL)
    assert len(assessments) == len(many)
    for declaration, assessment in zip(many, assessments, strict=True):
        together = predictor.decide(declaration, earlier_lane=None, now=NOON, assessment=assessment)
        assert assessment is not None
        assert together == alone(predictor, declaration)
        rows = rows_of(declaration)
        assert [str(row) for row in assessment.rows] == [
            str(row) for row in rows
        ]  # NaN is itself there
        bundle = predictor.bundle
        assert bundle is not None
        known = [bundle.profiles.values(row) for row in rows]
        matrix = bundle.model.features_of_rows(arrays_of(rows), known)
        assert assessment.features_sha256 == hashlib.sha256(matrix.tobytes()).hexdigest()


class _FailsOnTwo:
    """A model that fails on some declarations when they come together."""

    def __init__(self, model: Any) -> None:
        self._model, self.knowledge = model, model.knowledge

    def features_of_rows(self, *arguments: Any) -> Any:
        return self._model.features_of_rows(*arguments)

    def assess(self, columns: Any, matrix: Any, starts: list[int]) -> Any:
        if len(starts) > 1:
            raise RuntimeError("the model failed")
        return self._model.assess(columns, matrix, starts)


def test_a_model_that_fails_on_one_leaves_the_others_theirs(bundle: Path) -> None:
    whole = load(bundle)
    failing: Any = _FailsOnTwo(whole.model)
    predictor = Predictor.of_bundle(dataclasses.replace(whole, model=failing), draw_key=b"k" * 32)
    assert predictor.assess([a_declaration(), a_declaration()], Mode.NORMAL) == [None, None]
    assert alone(predictor, a_declaration()).decision.fallback_cause is None
