"""Settings of a world: who controls, what controls and audits find, and what traders dispute."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipelines.simulator.setting_kinds import AtLeastZero, Closed, MeanAndSpread, Positive, Share
from selectivity.inspection import ControlType, Mechanism

Shift = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


class Minutes(Closed):
    """Minutes of an officer's work per control: papers, scanner image, goods."""

    DOCUMENT: Positive
    SCAN: Positive
    GOODS: Positive


class Capacity(Closed):
    """Shifts, and what they can take."""

    shifts: tuple[Shift, ...] = Field(min_length=1)
    weight: tuple[Positive, ...]
    minutes: Minutes
    spare: AtLeastZero
    slack: Positive

    @model_validator(mode="after")
    def _each_shift_has_a_weight(self) -> Self:
        if len(self.shifts) != len(self.weight):
            raise ValueError("weight needs as many numbers as there are shifts")
        return self


class Controls(Closed):
    """What controls find, and when."""

    detection: Mapping[Mechanism, Mapping[ControlType, Share]]
    hours: Mapping[ControlType, MeanAndSpread]
    full: Share
    scanned: Share
    scan_false_alarm: Share
    sampled: Share
    sampled_when_miscoded: Share
    false_finding: Share
    wrong_mechanism: Share
    inconclusive: Share
    cancelled: Share


class Lax(Closed):
    """Officers who look less closely. `detects` is times what a diligent one finds."""

    share: Share
    detects: Share


class Colluding(Lax):
    """Officers who look away for one broker, and see to it that they get his declarations."""

    with_their_broker: Share
    minutes: Share
    manual: Share


class Officers(Closed):
    """Who controls."""

    per_office: int = Field(ge=2, description="Who lowers a lane needs a second officer.")
    manual: Share
    lax: Lax
    colluding: Colluding


class Audit(Closed):
    """Audits after clearance."""

    share: Share
    of_controlled: AtLeastZero
    sharpness: AtLeastZero
    days: tuple[int, int]

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        if not 0 < self.days[0] <= self.days[1]:
            raise ValueError("days must be two numbers above 0, the smaller one first")
        return self


class Appeals(Closed):
    """Findings that traders dispute."""

    share: Share
    overturned: Share
    overturned_when_false: Share
    days: MeanAndSpread
