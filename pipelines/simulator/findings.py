"""What controls found, and the tables that say so: imperfectly, and sometimes what is not there."""

from dataclasses import dataclass

import numpy as np

from pipelines.simulator.controls import (
    AUDIT,
    CONTROL_TYPES,
    DOCUMENT,
    FULL,
    PARTIAL,
    SAMPLE,
    SCAN,
    Controls,
    chances,
    wrong,
)
from pipelines.simulator.draws import Bools, Draws, Table, Texts, WeekStreams, blanked, texts
from pipelines.simulator.history import History, items_of
from pipelines.simulator.officers import Assignment
from pipelines.simulator.violations import CODE, MECHANISMS
from pipelines.simulator.world import World
from selectivity.columns import Floats, Ints
from selectivity.inspection import Mechanism, Result

STAGES = {SCAN: "SCAN", SAMPLE: "LAB", AUDIT: "POST_CLEARANCE"}
CONCLUDED = ""
NEVER = np.datetime64("NaT", "us")


@dataclass(frozen=True)
class Findings:
    """One entry per finding: the position of its control and goods item, what was written, and
    whether there was anything to find."""

    control: Ints
    item: Ints
    mechanism: Ints
    due: Floats
    imagined: Bools


def find(
    world: World,
    history: History,
    controls: Controls,
    diligence: Floats,
    luck: Floats,
    streams: WeekStreams,
) -> Findings:
    """What is found, item by item; each control type has luck of its own.

    A scanner image finds nothing: it only has goods opened.

    Args:
        diligence: share of what a diligent officer finds, per control; shape (controls,).
    """
    settings, is_wrong = world.settings.controls, wrong(history)
    rows, owners = items_of(history.told, controls.declaration)
    chance = chances(world)[is_wrong[rows], controls.type[owners]] * diligence[owners]
    hits = (luck[rows, controls.type[owners]] < chance) & (controls.type[owners] != SCAN)
    rows, owners = rows[hits], owners[hits]
    random = streams("miscodings")
    miscoded = random.random(len(is_wrong)) < settings.wrong_mechanism
    written = np.where(miscoded, random.integers(0, len(MECHANISMS), len(is_wrong)), is_wrong)
    imagined = _imagined(world, history, controls, owners, streams("false-findings"))
    first = np.searchsorted(history.told.declaration, controls.declaration[imagined])
    nothing = np.full(len(imagined), CODE[Mechanism.DOCUMENT_ERROR])
    return Findings(
        control=np.concatenate([owners, imagined]),
        item=np.concatenate([rows, first]),
        mechanism=np.concatenate([written[rows], nothing]),
        due=np.concatenate([history.truth.due[rows], np.zeros(len(imagined))]),
        imagined=np.repeat([False, True], [len(rows), len(imagined)]),
    )


def _imagined(
    world: World, history: History, controls: Controls, hits: Ints, random: Draws
) -> Ints:
    """Controls that report a finding where there is nothing to find."""
    luck = random.random(len(history))[controls.declaration]
    clean = np.bincount(hits, minlength=len(controls.type)) == 0
    looks = np.isin(controls.type, (DOCUMENT, PARTIAL, FULL))
    return np.flatnonzero(clean & (luck < world.settings.controls.false_finding) & looks)


def concluded(
    world: World, history: History, controls: Controls, cancelled: Ints, streams: WeekStreams
) -> Texts:
    """`CONCLUDED`, or the result of a control that came to nothing, as a suspicious image does: the
    goods are opened. Laboratories and audits always answer; goods that were withdrawn (`cancelled`)
    are never inspected."""
    settings = world.settings.controls
    fate = streams("fates").random(len(history))[controls.declaration]
    fate = np.where(np.isin(controls.type, (SAMPLE, AUDIT, SCAN)), 1.0, fate)
    opened = controls.declaration[np.isin(controls.type, (PARTIAL, FULL))]
    suspicious = (controls.type == SCAN) & np.isin(controls.declaration, opened)
    fate = np.where(suspicious, settings.cancelled, fate)
    withdrawn = np.isin(controls.declaration, cancelled)
    open_ended = settings.cancelled + settings.inconclusive
    results: Texts = np.select(
        [withdrawn | (fate < settings.cancelled), fate < open_ended],
        [Result.CANCELLED, Result.INCONCLUSIVE],
        CONCLUDED,
    ).astype(object)
    return results


def kept(found: Findings, rows: Bools) -> Findings:
    """These findings alone."""
    return Findings(
        found.control[rows],
        found.item[rows],
        found.mechanism[rows],
        found.due[rows],
        found.imagined[rows],
    )


def tables(
    world: World,
    history: History,
    controls: Controls,
    found: Findings,
    open_ended: Texts,
    *,
    ids: Texts,
    triggered_by: Texts,
    assigned: Assignment,
    recorded: Bools,
) -> tuple[Table, Table]:
    """Inspections and their findings, with the trader of each finding beside them.

    Args:
        recorded: controls whose propensity somebody wrote down.
    """
    letters = texts(name[0] for name in CONTROL_TYPES)[controls.type]
    letters = np.where(controls.type == SAMPLE, "L", np.where(controls.type == SCAN, "X", letters))
    own_ids = texts(
        f"SYNI{name[3:]}{version}{letter}"
        for name, version, letter in zip(
            ids[controls.declaration],
            history.route.version[controls.declaration].tolist(),
            letters,
            strict=True,
        )
    )
    with_finding = np.bincount(found.control, minlength=len(own_ids)) > 0
    verdict = np.where(with_finding, Result.FINDING, Result.NO_FINDING)
    began = open_ended != Result.CANCELLED
    extents = np.select([controls.type == PARTIAL, controls.type == FULL], [30.0, 100.0], np.nan)
    officer = assigned.officer[controls.declaration]
    by_hand = assigned.manual[controls.declaration]
    elsewhere = np.isin(controls.type, (SAMPLE, AUDIT))  # not the work of an officer at the border
    stages = texts(STAGES.get(kind, "PRE_CLEARANCE") for kind in range(len(CONTROL_TYPES)))
    inspections = {
        "inspection_id": own_ids,
        "declaration_id": ids[controls.declaration],
        "control_type": texts(CONTROL_TYPES)[controls.type],
        "triggered_by": triggered_by,
        "propensity": np.where(recorded, controls.propensity, np.nan),
        "result": np.where(open_ended == CONCLUDED, verdict, open_ended).astype(object),
        "observed_at": controls.observed_at,
        "stage": stages[controls.type],
        "assigned_officer_key": blanked(world.officers.key[officer], elsewhere),
        "assignment_mode": blanked(np.where(by_hand, "MANUAL", "AUTO").astype(object), elsewhere),
        "started_at": np.where(began, controls.started_at, NEVER),
        "finished_at": np.where(began, controls.finished_at, NEVER),
        "extent_percent": extents,
    }
    findings = {
        "inspection_id": own_ids[found.control],
        "item_no": history.told.item_no[found.item].astype(np.float64),
        "mechanism": texts(str(mechanism) for mechanism in MECHANISMS)[found.mechanism],
        "additional_duty": found.due,
        "currency": texts(["USD"] * len(found.due)),
        "intent": _intent(history, found),
        "observed_at": controls.observed_at[found.control],
        "trader": history.route.trader[controls.declaration[found.control]],
        "declaration": history.route.lineage[controls.declaration[found.control]],
        "imagined": found.imagined.astype(np.float64),
    }
    return inspections, findings


def _intent(history: History, found: Findings) -> Texts:
    """As an officer judges it in the end: honest errors are told from fraud."""
    fraud = history.truth.violating[found.item] & ~found.imagined
    intents: Texts = np.where(fraud, "FRAUD", "ERROR").astype(object)
    return intents
