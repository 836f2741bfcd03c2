"""A bundle is verified before any of it is parsed."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from models.bundle import (
    FILES,
    MANIFEST,
    PROFILES_FILE,
    RULES,
    RULING,
    load,
    load_ruling,
    seal,
    verify,
)
from models.calibration import Calibration, Curve
from models.lane_model import CALIBRATION, KNOWLEDGE, LaneModel
from models.trees import FINDING, Trees
from selectivity.columns import to_columns
from selectivity.errors import BundleError, RulesError
from tests.builders import a_declaration, an_item
from tests.spoken import a_spoken_model, spoken


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("at", [0, 0.5, -1])
def test_a_changed_byte_is_refused_before_parsing(copy: Path, name: str, at: float) -> None:
    content = bytearray((copy / name).read_bytes())
    content[int(at * (len(content) - 1)) if at >= 0 else -1] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match="altered after training"):
        load(copy)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=r"missing|no bundle"):
        verify(copy)


def test_a_manifest_of_another_format_is_refused(copy: Path) -> None:
    text = (copy / MANIFEST).read_text()
    (copy / MANIFEST).write_text(text.replace('"format": 2', '"format": 1'))
    with pytest.raises(BundleError, match="another format"):
        load(copy)


def test_a_manifest_that_leaves_a_file_out_is_refused(copy: Path) -> None:
    text = (copy / MANIFEST).read_text()
    lines = [line for line in text.splitlines() if FINDING not in line]
    (copy / MANIFEST).write_text("\n".join(lines))
    with pytest.raises(BundleError):
        load(copy)


@pytest.mark.parametrize("name", RULING)
def test_what_decides_without_the_model_is_verified_by_itself(copy: Path, name: str) -> None:
    (copy / FINDING).unlink()
    digest = load_ruling(copy).digest
    assert digest == hashlib.sha256((copy / MANIFEST).read_bytes()).hexdigest()
    (copy / name).write_bytes((copy / name).read_bytes() + b" ")
    with pytest.raises(BundleError, match="altered after training"):
        load_ruling(copy)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 half of it"])
def test_sealed_profiles_that_cannot_be_unpacked_are_refused(copy: Path, content: bytes) -> None:
    (copy / PROFILES_FILE).write_bytes(content)
    seal(copy, {})
    with pytest.raises(BundleError, match="does not fit"):
        load(copy)


def test_sealed_profiles_that_run_code_when_they_are_unpacked_are_refused(copy: Path) -> None:
    with np.load(copy / PROFILES_FILE) as packed:
        arrays = dict(packed)
    name = next(name for name in arrays if name.endswith(".first_days"))
    np.savez(copy / PROFILES_FILE, **arrays | {name: np.array([_Trap(copy / "sprung")])})
    seal(copy, {})
    with pytest.raises(BundleError, match="does not fit"):
        load(copy)
    assert not (copy / "sprung").exists()


class _Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", [CALIBRATION, KNOWLEDGE])
def test_a_model_that_cannot_be_read_is_refused(copy: Path, name: str) -> None:
    (copy / name).write_text("{")
    with pytest.raises(BundleError, match=r"cannot be read: .*JSON.* Train it again"):
        LaneModel.load(copy)
    (copy / name).unlink()
    with pytest.raises(BundleError, match=r"cannot be read: .*No such file.* Train it again"):
        LaneModel.load(copy)


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"\nTree=1\n", b"\nTree=7\n"), (b"end of trees", b""), (b"end of parameters", b"")],
)
def test_trees_that_do_not_lie_where_their_head_says_are_refused(
    copy: Path, before: bytes, after: bytes
) -> None:
    """Of some LightGBM ends the process."""
    whole = (copy / FINDING).read_bytes()
    assert whole.count(before) == 1
    (copy / FINDING).write_bytes(whole.replace(before, after))
    with pytest.raises(BundleError, match=r"finding\.txt is cut or altered"):
        Trees.load(copy)


def test_a_loaded_model_scores_like_the_saved_one(bundle: Path, tmp_path: Path) -> None:
    loaded = load(bundle)
    loaded.model.save(tmp_path)
    columns = to_columns([a_declaration(), a_declaration(declaration_id="D-2")])
    matrix = loaded.model.features(columns, loaded.profiles.read(columns))
    np.testing.assert_array_equal(
        loaded.model.probabilities(matrix), LaneModel.load(tmp_path).probabilities(matrix)
    )


def test_a_code_that_training_never_saw_is_named(bundle: Path) -> None:
    loaded = load(bundle)
    columns = to_columns(
        [a_declaration(items=(an_item(item_no=4, hs_code="999999", country_of_origin="XX"),))]
    )
    matrix = loaded.model.features(columns, loaded.profiles.read(columns))
    (risk,) = loaded.model.assess(columns, matrix)
    assert risk.unknown_codes == [(4, "hs_code"), (4, "country_of_origin")]


def test_expected_duty_is_scaled_by_what_was_found_and_counts_up_to_the_cap() -> None:
    """Trees that expect half of what was found: 100 stands for 200, of a cap of 1000."""
    columns = to_columns([a_declaration(declaration_id=name) for name in ("some", "most")])
    model = a_spoken_model(Calibration(duty=2.0), duty_cap=1_000.0)
    shares = model.duty_share(columns, spoken([0.5, 0.5], duties=[100.0, 800.0]))
    assert shares.tolist() == [0.2, 1.0]


def test_calibrated_rows_are_distributions_and_keep_the_order() -> None:
    step = Curve(raw=(0.0, 0.5, 0.5, 1.0), calibrated=(0.1, 0.1, 0.9, 0.9))
    same = Curve(raw=(0.0, 1.0), calibrated=(0.0, 1.0))
    calibration = Calibration(finding=step, physical=same)
    rows = calibration.apply(np.array([[0.1, 0.5], [0.2, 0.5], [0.2, 0.6]]))
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert rows[1, 0] < rows[0, 0]
    assert rows[2, 0] == rows[1, 0]
    assert rows[2, 2] > rows[1, 2]


def test_a_curve_that_falls_is_refused() -> None:
    with pytest.raises(ValueError, match="rise"):
        Curve(raw=(0.0, 1.0), calibrated=(0.5, 0.1))


@pytest.mark.parametrize("knot", [float("nan"), -0.1, 1.1])
def test_a_knot_that_is_no_chance_is_refused(knot: float) -> None:
    for knots in ({"raw": (0.0, knot)}, {"calibrated": (0.0, knot)}):
        with pytest.raises(ValidationError, match="than or equal to"):
            Curve.model_validate({"raw": (0.0, 1.0), "calibrated": (0.0, 1.0)} | knots)


@pytest.mark.parametrize("content", ["true", "3", "[7]", '{"R-1": 3}'])
def test_sealed_rules_that_are_no_rows_are_refused(copy: Path, content: str) -> None:
    (copy / RULES).write_text(content)
    seal(copy, {"source": "tests"})
    with pytest.raises((BundleError, RulesError)):
        load(copy)


def test_a_curve_with_a_knot_too_many_is_refused() -> None:
    with pytest.raises(ValueError, match="same number of knots"):
        Curve(raw=(0.0, 0.5, 1.0), calibrated=(0.0, 1.0))
