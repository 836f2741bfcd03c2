"""What a control concluded. A declaration that nobody looked at has no inspection: it is unknown,
never clean."""

from enum import IntEnum, StrEnum
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from selectivity.declaration import Amount, Currency, Identifier, Moment, Strict, problems
from selectivity.errors import InspectionError
from selectivity.lanes import Channel


class FindingClass(IntEnum):
    """What the classifier predicts per goods item."""

    NONE = 0
    DOCUMENTARY = 1
    PHYSICAL = 2


class Mechanism(StrEnum):
    """How the declaration was wrong."""

    UNDERVALUATION = "UNDERVALUATION"
    OVERVALUATION = "OVERVALUATION"
    MISCLASSIFICATION = "MISCLASSIFICATION"
    ORIGIN = "ORIGIN"
    LICENCE = "LICENCE"
    DOCUMENT_ERROR = "DOCUMENT_ERROR"
    OTHER = "OTHER"
    QUANTITY = "QUANTITY"
    PROHIBITED_RESTRICTED = "PROHIBITED_RESTRICTED"
    IPR = "IPR"

    @property
    def finding_class(self) -> FindingClass:
        """Found by checking papers, or only by looking at the goods."""
        return FindingClass.PHYSICAL if self in _PHYSICAL else FindingClass.DOCUMENTARY


_PHYSICAL = {Mechanism.QUANTITY, Mechanism.PROHIBITED_RESTRICTED, Mechanism.IPR}


class Result(StrEnum):
    """What a control concluded. Only FINDING and NO_FINDING teach the model anything."""

    FINDING = "FINDING"
    NO_FINDING = "NO_FINDING"
    INCONCLUSIVE = "INCONCLUSIVE"
    CANCELLED = "CANCELLED"


ControlType = Literal["DOCUMENT", "SCAN", "PARTIAL_PHYSICAL", "FULL_PHYSICAL", "SAMPLE", "AUDIT"]


class Finding(Strict):
    """Something to correct in one goods item, or in the whole declaration without `item_no`."""

    item_no: int | None = Field(default=None, ge=1, le=99_999)
    mechanism: Mechanism = Field(strict=False)
    additional_duty: Amount | None = Field(default=None, description="Duty assessed on top.")
    currency: Currency | None = None


class Inspection(Strict):
    """One control of one declaration."""

    inspection_id: Identifier
    declaration_id: Identifier
    control_type: ControlType
    triggered_by: Channel | None = Field(default=None, strict=False)
    propensity: float | None = Field(
        default=None, gt=0, le=1, description="Chance this control had under the policy of its day."
    )
    result: Result = Field(strict=False)
    observed_at: Moment = Field(description="When the result became known.")
    corrects: Identifier | None = Field(
        default=None,
        description="The inspection whose result holds no more from `observed_at` on; this one "
        "stands in its place, or nothing does if it is CANCELLED.",
    )
    findings: tuple[Finding, ...] = Field(default=(), max_length=2_000)

    @model_validator(mode="after")
    def _result_and_findings_agree(self) -> Self:
        if self.result is Result.FINDING and not self.findings:
            raise ValueError("findings: result FINDING needs at least one finding")
        if self.result is Result.NO_FINDING and self.findings:
            raise ValueError("findings: result NO_FINDING cannot carry findings")
        if self.corrects == self.inspection_id:
            raise ValueError("corrects: an inspection cannot correct itself; name the earlier one")
        return self


def read_inspection(body: bytes | str) -> Inspection:
    """An inspection from its JSON text.

    Raises:
        InspectionError: not JSON, or some field breaks a rule; the message names the field.
    """
    try:
        return Inspection.model_validate_json(body)
    except ValidationError as error:
        raise InspectionError("?", problems(error)) from error
