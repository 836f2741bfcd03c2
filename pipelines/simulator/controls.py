"""What controls found: goods that nobody looked at have no inspection, those that were looked at
were looked at imperfectly, and some answers came weeks later."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.simulator.draws import Bools, Streams, Table, Texts, texts
from pipelines.simulator.selection import Selection
from pipelines.simulator.shipments import Lines, Shipments
from pipelines.simulator.violations import CODE, MECHANISMS, NONE, Truth
from selectivity.columns import Floats, Ints
from selectivity.inspection import Mechanism, Result
from selectivity.lanes import Channel, Lane

CONTROL_TYPES = ("DOCUMENT", "PARTIAL_PHYSICAL", "FULL_PHYSICAL", "SAMPLE")
DOCUMENT, PARTIAL, FULL, SAMPLE = range(4)

DETECTION = {
    Mechanism.UNDERVALUATION: (0.40, 0.50, 0.55, 0.05),
    Mechanism.OVERVALUATION: (0.40, 0.50, 0.55, 0.05),
    Mechanism.MISCLASSIFICATION: (0.25, 0.45, 0.60, 0.90),
    Mechanism.QUANTITY: (0.03, 0.60, 0.85, 0.0),
    Mechanism.ORIGIN: (0.35, 0.38, 0.40, 0.05),
    Mechanism.PROHIBITED_RESTRICTED: (0.02, 0.55, 0.80, 0.30),
    Mechanism.IPR: (0.02, 0.50, 0.75, 0.0),
    Mechanism.LICENCE: (0.60, 0.60, 0.60, 0.0),
    Mechanism.DOCUMENT_ERROR: (0.50, 0.50, 0.50, 0.0),
    Mechanism.OTHER: (0.0, 0.0, 0.0, 0.0),
}
"""Chance that each control type finds a wrong declaration of each kind."""

DELAY_HOURS = ((4, 1.0), (26, 0.97), (26, 0.97), (216, 0.5))
"""Median and spread of the logarithm of the time to a result, per control type."""

FULL_SHARE = 0.6
SAMPLE_SHARE = 0.08
FALSE_FINDING = 0.003
WRONG_MECHANISM = 0.1
INCONCLUSIVE, CANCELLED = 0.012, 0.005
CONCLUDED = ""


@dataclass(frozen=True)
class Control:
    """One entry per control: positions of its declaration and of its type."""

    declaration: Ints
    type: Ints


def _controls(selection: Selection, streams: Streams) -> Control:
    """Papers of yellow, goods of red, and now and then a sample for the laboratory as well."""
    n = len(selection.lane)
    full = (streams("extents").random(n) < FULL_SHARE) | (selection.channel == Channel.RANDOM)
    type_ = np.where(selection.lane == Lane.YELLOW, DOCUMENT, np.where(full, FULL, PARTIAL))
    looked_at = np.flatnonzero(selection.lane > Lane.GREEN)
    sampled = (selection.lane == Lane.RED) & (streams("samples").random(n) < SAMPLE_SHARE)
    declaration = np.concatenate([looked_at, np.flatnonzero(sampled)])
    types = np.concatenate([type_[looked_at], np.full(sampled.sum(), SAMPLE)])
    order = np.lexsort((types, declaration))
    return Control(declaration[order], types[order])


@dataclass(frozen=True)
class Found:
    """One entry per finding: the position of its control, and what was found."""

    control: Ints
    item_no: Ints
    mechanism: Ints
    due: Floats

    def only(self, kept: Bools) -> "Found":
        """These findings alone."""
        return Found(self.control[kept], self.item_no[kept], self.mechanism[kept], self.due[kept])


def inspect(
    shipments: Shipments,
    told: Lines,
    truth: Truth,
    selection: Selection,
    streams: Streams,
    *,
    ids: Texts,
    propensity_from_week: int,
) -> tuple[Table, Table]:
    """Inspections and their findings. Propensities were not recorded before the given week."""
    control = _controls(selection, streams)
    own_ids = texts(f"SYNI{number:07d}" for number in range(1, len(control.type) + 1))
    open_ended = _open_ended(control, len(ids), streams("fates"))
    found = _found(told, truth, control, streams)
    found = found.only(open_ended[found.control] == CONCLUDED)
    with_finding = np.bincount(found.control, minlength=len(own_ids)) > 0
    concluded = np.where(with_finding, Result.FINDING, Result.NO_FINDING)
    inspections = {
        "inspection_id": own_ids,
        "declaration_id": ids[control.declaration],
        "control_type": texts(CONTROL_TYPES)[control.type],
        "triggered_by": selection.channel[control.declaration],
        "propensity": _recorded(shipments, selection, control, propensity_from_week),
        "result": np.where(open_ended == CONCLUDED, concluded, open_ended).astype(object),
        "observed_at": _observed_at(shipments, control, streams("delays")),
    }
    findings = {
        "inspection_id": own_ids[found.control],
        "item_no": found.item_no,
        "mechanism": texts(str(mechanism) for mechanism in MECHANISMS)[found.mechanism],
        "additional_duty": found.due,
        "currency": texts(["USD"] * len(found.due)),
    }
    return inspections, findings


def _open_ended(control: Control, declarations: int, random: np.random.Generator) -> Texts:
    """`CONCLUDED`, or the result of a control that came to nothing."""
    fate = random.random(declarations)[control.declaration]
    fate = np.where(control.type == SAMPLE, 1.0, fate)
    results: Texts = np.select(
        [fate < CANCELLED, fate < CANCELLED + INCONCLUSIVE],
        [Result.CANCELLED, Result.INCONCLUSIVE],
        CONCLUDED,
    ).astype(object)
    return results


def _recorded(
    shipments: Shipments, selection: Selection, control: Control, from_week: int
) -> Floats:
    """Chance of each control, where it was written down; an officer's choice has none."""
    lane = selection.lane[control.declaration]
    chance = selection.propensity[control.declaration, lane]
    chance = chance * np.where(control.type == SAMPLE, SAMPLE_SHARE, 1.0)
    late = shipments.week[control.declaration] >= from_week
    by_officer = selection.channel[control.declaration] == Channel.OFFICER
    return np.where(late & ~by_officer, chance, np.nan)


def _found(told: Lines, truth: Truth, control: Control, streams: Streams) -> Found:
    """What is found, item by item; each control type has luck of its own."""
    wrong = np.where(truth.violating, truth.way, truth.error)
    chances = np.array([DETECTION[mechanism] for mechanism in MECHANISMS])
    luck = streams("detection").random((len(wrong), len(CONTROL_TYPES)))
    noticed = (wrong != NONE)[:, None] & (luck < chances[wrong])
    rows, controls = _items_of(told, control)
    hits = noticed[rows, control.type[controls]]
    rows, controls = rows[hits], controls[hits]
    miscoded = streams("miscodings").random(len(wrong)) < WRONG_MECHANISM
    any_mechanism = streams("miscoded-as").integers(0, len(MECHANISMS), len(wrong))
    written = np.where(miscoded, any_mechanism, wrong)
    imagined = _imagined(told, control, controls, streams("false-findings"))
    nothing = np.full(len(imagined), CODE[Mechanism.DOCUMENT_ERROR])
    return Found(
        control=np.concatenate([controls, imagined]),
        item_no=np.concatenate([told.item_no[rows], np.ones(len(imagined), dtype=np.int64)]),
        mechanism=np.concatenate([written[rows], nothing]),
        due=np.concatenate([truth.due[rows], np.zeros(len(imagined))]),
    )


def _items_of(told: Lines, control: Control) -> tuple[Ints, Ints]:
    """Every pair of an item and a control of its declaration, as rows and controls."""
    bounds = np.searchsorted(told.declaration, [control.declaration, control.declaration + 1])
    counts = bounds[1] - bounds[0]
    controls = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows + bounds[0][controls], controls


def _imagined(told: Lines, control: Control, hits: Ints, random: np.random.Generator) -> Ints:
    """Controls that report a finding where there is nothing to find."""
    luck = random.random(int(told.declaration[-1]) + 1)[control.declaration]
    clean = np.bincount(hits, minlength=len(control.type)) == 0
    return np.flatnonzero(clean & (luck < FALSE_FINDING) & (control.type != SAMPLE))


def _observed_at(
    shipments: Shipments, control: Control, random: np.random.Generator
) -> npt.NDArray[np.datetime64]:
    medians, spreads = np.array(DELAY_HOURS).T
    luck = random.normal(0, 1, (len(shipments.trader), len(CONTROL_TYPES)))
    hours = medians * np.exp(spreads * luck)
    seconds = np.floor(hours * 3600)[control.declaration, control.type].astype("timedelta64[s]")
    observed: npt.NDArray[np.datetime64] = shipments.accepted_at[control.declaration] + seconds
    return observed
