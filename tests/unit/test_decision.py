"""What a decision says of itself, also one that was written by earlier software."""

import json

from selectivity.deciding.decision import LaneDecision, Source
from selectivity.lanes import LINEAGE, Channel, Lane, Reason, Vote

FALLBACK = Vote(lane=Lane.YELLOW, channel=Channel.FALLBACK, reason=Reason(code="FALLBACK"))


def test_a_record_that_does_not_say_what_spoke_is_read_by_its_cause() -> None:
    for cause, source in ((None, Source.MODEL), ("NO_MODEL", Source.FALLBACK)):
        written = json.loads(LaneDecision.of([FALLBACK], fallback_cause=cause).model_dump_json())
        del written["source"]
        assert LaneDecision.model_validate(written).source is source


def test_an_earlier_green_lane_is_kept_among_the_votes_and_is_no_reason() -> None:
    def lineage(lane: Lane) -> Vote:
        return Vote(lane=lane, channel=Channel.RULE, reason=Reason(code=LINEAGE))

    model = Vote(lane=Lane.GREEN, channel=Channel.MODEL, reason=Reason(code="LOW_RISK"))
    decision = LaneDecision.of([lineage(Lane.GREEN), model])
    assert decision.channel is Channel.MODEL
    assert [reason.code for reason in decision.reasons] == ["LOW_RISK"]
    assert [vote.reason.code for vote in decision.votes] == [LINEAGE, "LOW_RISK"]
    held = LaneDecision.of([lineage(Lane.YELLOW), FALLBACK])
    assert [reason.code for reason in held.reasons] == [LINEAGE, "FALLBACK"]
    assert [reason.code for reason in LaneDecision.of([lineage(Lane.GREEN)]).reasons] == [LINEAGE]


def test_what_spoke_is_kept_as_it_was() -> None:
    decision = LaneDecision.of([FALLBACK], fallback_cause="X", source=Source.SCORECARD)
    assert LaneDecision.model_validate_json(decision.model_dump_json()) == decision
