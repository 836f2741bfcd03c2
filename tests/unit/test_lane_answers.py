"""What is sent is what the API description promises, to the byte."""

from datetime import UTC, datetime

import pytest

from selectivity.lanes import Reason
from selectivity.reasons.wording import Language, sentence
from serving.answers.lanes import LaneAnswer, lane_answer
from serving.deciding.predictor import Predictor
from tests.builders import NOON, a_declaration, an_item
from tests.bundles import a_predictor


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return a_predictor()


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("now", [NOON, datetime(2026, 3, 2, 1, 2, 3, 4_000, tzinfo=UTC)])
def test_an_answer_is_written_as_its_model_would_write_it(
    predictor: Predictor, language: Language, now: datetime
) -> None:
    ivory = a_declaration(declaration_id="Ngà 1/2", items=(an_item(hs_code="050710"),))
    record = predictor.decide(ivory, earlier_lane=None, now=now)
    sent = lane_answer(record, predictor.rules, language)
    assert LaneAnswer.model_validate_json(sent).model_dump_json().encode() == sent
    assert LaneAnswer.model_validate_json(sent).reasons[0].legal_basis


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("vi", "Phiên bản trước của tờ khai đã ở luồng vàng"),
        ("en", "An earlier version of this declaration was in the yellow lane"),
    ],
)
def test_the_lane_of_an_earlier_version_is_named_once(language: Language, said: str) -> None:
    reason = Reason(code="LINEAGE", facts={"earlier_lane": "YELLOW"})
    assert sentence(reason, language) == said
