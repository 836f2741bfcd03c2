"""What became of a changed lane."""

from pydantic import Field

from selectivity.lanes import LaneName
from selectivity.override import OverrideReason, OverrideState, OverrideStep, lane_in_force
from selectivity.reasons.wording import LANE_WORDS, Language
from selectivity.record import DecisionRecord
from serving.answers.answer import Answer


class OverrideAnswer(Answer):
    """What became of an override, and which lane holds."""

    override_id: str
    declaration_id: str
    version_no: int
    state: OverrideState = Field(description="pending: a second person has to approve it.")
    from_lane: LaneName
    to_lane: LaneName
    reason_code: OverrideReason
    requested_by: str
    approved_by: str | None
    proposed_lane: LaneName = Field(description="Lane of the decision, which stays as it is.")
    final_lane: LaneName = Field(description="Lane that holds now.")
    final_lane_name: str = Field(description="The same in the caller's language.")

    @classmethod
    def of(
        cls, record: DecisionRecord, steps: list[OverrideStep], language: Language
    ) -> "OverrideAnswer":
        """The answer to the last of these steps."""
        last, final = steps[-1], lane_in_force(record, steps)
        return cls(
            override_id=last.override_id,
            declaration_id=record.declaration_id,
            version_no=record.version_no,
            state=last.state,
            from_lane=last.from_lane,
            to_lane=last.asked.to_lane,
            reason_code=last.asked.reason_code,
            requested_by=last.requested_by.id,
            approved_by=last.approved_by and last.approved_by.id,
            proposed_lane=record.decision.lane,
            final_lane=final,
            final_lane_name=LANE_WORDS[final][language],
        )
