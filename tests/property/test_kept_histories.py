"""Going on from what was kept comes to what reading the whole log comes to, wherever it was cut."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import Bundle, load
from selectivity.histories.aggregates import PROFILES
from selectivity.histories.profiles import Profiles
from selectivity.histories.snapshot import KeyArrays
from serving.deciding.catch_up import CatchUp
from serving.deciding.histories_file import HistoriesFile
from serving.deciding.predictor import Predictor
from serving.log.journal import Journal
from serving.log.keep import NewDecision, keep_inspection
from serving.log.reader import LogReader
from serving.storage.file import LogFile
from tests.builders import NOON, a_declaration, an_inspection
from tests.bundles import a_bundle
from tests.logs import PREDICTOR

KEY = b"one draw key"
FOUND = ({"item_no": 1, "mechanism": "QUANTITY"},)

decisions = st.builds(
    lambda number, version, importer, day: _new(number, version, importer, day),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from(["A", "B"]),
    st.integers(0, 9),
)
inspections = st.builds(
    lambda number, declared, found, corrects, day: partial(
        keep_inspection,
        an_inspection(
            inspection_id=f"I-{number}",
            declaration_id=f"D-{declared}",
            observed_at=NOON + timedelta(days=day),
            corrects=None if corrects in (0, number) else f"I-{corrects}",
            **{"result": "FINDING", "findings": FOUND} if found else {},
        ),
    ),
    st.integers(1, 4),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 4),
    st.integers(-2, 20),
)
"""Some come before their decision, and some correct one that is not there."""
parts = st.lists(st.lists(decisions | inspections, max_size=6), min_size=2, max_size=4)


def _new(number: int, version: int, importer: str, day: int) -> NewDecision:
    declared = a_declaration(
        declaration_id=f"D-{number}",
        version_no=version,
        importer_id=importer,
        accepted_at=NOON + timedelta(days=day),
    )
    record = PREDICTOR.decide(declared, earlier_lane=None, now=NOON)
    return NewDecision(record, record.as_kept())


def _known(profiles: Profiles) -> dict[str, dict[str, Any]]:
    """Everything that histories hold of each key."""
    arrays, known = profiles.snapshot(pruned=False), {}
    for profile in PROFILES:
        found = KeyArrays.of_arrays(profile, arrays)
        cells, moments = found.cell_starts.tolist(), found.moment_starts.tolist()
        known[profile.name] = {
            key: (
                repr(found.first_days[at]),
                found.days[cells[at] : cells[at + 1]].tolist(),
                found.sums[cells[at] : cells[at + 1]].tolist(),
                repr(found.last_days[cells[at] : cells[at + 1]].tolist()),
                found.moments[moments[at] : moments[at + 1]].tolist(),
            )
            for at, key in enumerate(found.keys)
        }
    return known


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle, to be taken with histories of one's own."""
    folder = tmp_path_factory.mktemp("bundle")
    a_bundle(folder)
    return load(folder)


def _read(
    file: Path, bundle: Bundle, kept: HistoriesFile | None, *, keep_after: float | None = None
) -> Predictor:
    """A predictor that knows the log; what it knows after that share of what is new is kept."""
    predictor = Predictor.of_bundle(replace(bundle, profiles=Profiles()), draw_key=KEY)
    with closing(LogReader(file)) as log, log.one_moment():
        reading = CatchUp(predictor, log, kept)
        head = log.head().no
        if keep_after is not None and kept is not None and head:
            reading.to(max(1, reading.at + round(keep_after * (head - reading.at))))
            reading.keep_in(kept)
        reading.to(head)
    return predictor


def _profiles(predictor: Predictor) -> Profiles:
    assert predictor.bundle is not None
    return predictor.bundle.profiles


@given(parts, st.data())
@settings(deadline=None, max_examples=40)
def test_going_on_from_what_was_kept_comes_to_the_same(
    loaded: Bundle, written: Sequence[Sequence[Any]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.sqlite"
        kept, went_on = HistoriesFile(Path(folder) / "histories", KEY, often=1), 0
        for some in written:
            journal = Journal(LogFile(file))
            journal.keep(some)
            journal.let_go()
            anew = _read(file, loaded, None)
            again = _read(file, loaded, kept)
            assert (again.known_upto, again.kept_upto) == (anew.known_upto, went_on)
            assert _known(_profiles(again)) == _known(_profiles(anew))
            if (share := data.draw(st.none() | st.floats(0, 1))) is not None:
                went_on = _read(file, loaded, kept, keep_after=share).kept_upto
