"""A start goes on from what a service kept of its histories, and from nothing else."""

import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from models.bundle import load
from selectivity.errors import DecisionLogError
from serving.audit.replay import replay
from serving.deciding import histories_file
from serving.deciding.keep_histories import Task, keep
from serving.deciding.parts import Parts
from serving.log.reader import LogReader
from serving.settings import Settings
from tests.builders import NOON, a_declaration, an_inspection
from tests.bundles import a_bundle
from tests.logs import path_of
from tests.service.test_histories import FOUND, alter, fold, trader_history
from tests.services import (
    settings_in,
)

NO_USE = "kept histories of no use"


def kept_by(settings: Settings, draw_key: bytes = bytes.fromhex("5e" * 32)) -> int:
    """Have what the histories know kept; gives up to which record."""
    assert settings.bundle is not None
    digest = load(settings.bundle).digest
    return keep(
        Task(
            log=str(settings.log_file),
            bundle=settings.bundle,
            digest=digest,
            folder=settings.histories_folder,
            draw_key=draw_key.hex(),
        )
    )


def kept_file(settings: Settings) -> Path:
    """The one there is."""
    (file,) = settings.histories_folder.iterdir()
    return file


def kept_upto(parts: Parts) -> int:
    """The record from which a start went on; 0 if it read the whole log."""
    return parts.predictor.kept_upto


def test_a_start_goes_on_from_what_was_kept_and_knows_the_same(
    tmp_path: Path, bundle: Path
) -> None:
    parked = an_inspection(inspection_id="I-9", declaration_id="D-9")
    settings = settings_in(tmp_path, bundle=bundle)
    fold(tmp_path, [a_declaration(), FOUND, parked], bundle=bundle)
    assert kept_by(settings) == 3
    later = [a_declaration(declaration_id=f"D-{no}") for no in (2, 9)]
    went_on = fold(tmp_path, later, bundle=bundle)
    assert kept_upto(went_on) == 3
    again = fold(tmp_path, [], bundle=bundle)
    kept_file(settings).unlink()
    anew = fold(tmp_path, [], bundle=bundle)
    assert (kept_upto(again), kept_upto(anew)) == (3, 0)
    assert trader_history(went_on) == trader_history(again) == trader_history(anew)
    assert trader_history(anew)["controlled"] == 2
    with closing(LogReader(settings.log_file)) as log:
        assert replay(log, settings).all_equal


def test_a_declaration_that_comes_very_late_is_judged_as_if_nobody_had_started_anew(
    tmp_path: Path, bundle: Path
) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    days = (0, 20, 400)  # what lies between is folded into one where a bundle carries it
    declared = [
        a_declaration(declaration_id=f"D-{day}", accepted_at=NOON + timedelta(days=day))
        for day in days
    ]
    fold(tmp_path, declared, bundle=bundle)
    kept_by(settings)
    late = a_declaration(declaration_id="D-late", accepted_at=NOON + timedelta(days=10))
    assert kept_upto(fold(tmp_path, [late], bundle=bundle)) == 3
    with closing(LogReader(settings.log_file)) as log:
        assert replay(log, settings).line == "4 decisions replayed and equal"


def _cut(settings: Settings, file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _altered(settings: Settings, file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _emptied(settings: Settings, file: Path) -> None:
    file.write_bytes(b"")


def _in_its_place(settings: Settings, file: Path) -> None:
    file.unlink()
    file.mkdir()


def _a_pipe(settings: Settings, file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _without_end(settings: Settings, file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def _of_another_key(settings: Settings, file: Path) -> None:
    file.unlink()
    kept_by(settings, draw_key=b"another")


def _of_another_log(settings: Settings, file: Path) -> None:
    aside = settings.log_file.parent / "aside"
    aside.mkdir()
    for each in settings.log_file.parent.glob("decisions.sqlite*"):
        each.rename(aside / each.name)
    settings.anchor_file.rename(aside / "anchor")
    folder = settings.state.parent
    fold(folder, [a_declaration(importer_id="IMP2")], bundle=settings.bundle)


def _of_another_bundle(settings: Settings, file: Path) -> None:
    other = settings.state.parent / "other"
    a_bundle(other, seed=9)
    file.unlink()
    kept_by(settings.model_copy(update={"bundle": other}))
    kept_file(settings).rename(file)  # as if the first digits of both were the same


def _of_other_software(settings: Settings, file: Path) -> None:
    file.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serving.deciding.catch_up.software", lambda: "of yesterday")
        kept_by(settings)


@pytest.mark.parametrize(
    "spoilt",
    [
        *(_cut, _altered, _emptied, _in_its_place, _a_pipe, _without_end),
        *(_of_another_key, _of_another_log, _of_another_bundle, _of_other_software),
    ],
)
def test_what_was_kept_otherwise_is_told_and_the_log_is_read(
    tmp_path: Path,
    bundle: Path,
    spoilt: Callable[[Settings, Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    fold(tmp_path, [a_declaration()], bundle=bundle)
    kept_by(settings)
    assert kept_upto(fold(tmp_path, [], bundle=bundle)) == 1
    assert NO_USE not in caplog.messages
    spoilt(settings, kept_file(settings))
    caplog.clear()
    parts = fold(tmp_path, [], bundle=bundle)
    assert kept_upto(parts) == 0
    assert trader_history(parts)["declared"] == (0 if spoilt is _of_another_log else 1)
    assert NO_USE in caplog.messages


def test_records_that_the_log_lost_are_not_gone_on_from(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    fold(tmp_path, [a_declaration()], bundle=bundle)
    before = settings.log_file.read_bytes()
    fold(tmp_path, [a_declaration(declaration_id="D-2")], bundle=bundle)
    kept_by(settings)
    settings.anchor_file.unlink()  # it vouches for what is lost
    for each in settings.state.glob("decisions.sqlite*"):
        each.unlink()
    settings.log_file.write_bytes(before)
    parts = fold(tmp_path, [a_declaration(declaration_id="D-3")], bundle=bundle)
    assert trader_history(parts)["declared"] == 2
    assert NO_USE in caplog.messages


def test_another_bundle_has_histories_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("first", "second", "third")
    for seed, name in enumerate(names):
        a_bundle(tmp_path / name, seed=seed)
    fold(tmp_path, [a_declaration()], bundle=tmp_path / "first")
    for name in names:
        settings = settings_in(tmp_path, bundle=tmp_path / name)
        assert kept_upto(fold(tmp_path, [], bundle=tmp_path / name)) == 0
        kept_by(settings)
        assert kept_upto(fold(tmp_path, [], bundle=tmp_path / name)) == 1
    assert NO_USE not in caplog.messages
    files = settings_in(tmp_path).histories_folder
    assert len(list(files.iterdir())) == histories_file.MOST_FILES


def test_what_is_kept_stays_though_the_clock_was_set_back_and_odd_things_lie_beside_it(
    tmp_path: Path, bundle: Path
) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    fold(tmp_path, [a_declaration()], bundle=bundle)
    kept_by(settings)
    ours, beside = kept_file(settings), settings.histories_folder
    for no in range(histories_file.MOST_FILES + 1):
        later = ours.with_name(f"{no}{histories_file.ENDING}")
        later.touch()
        os.utime(later, (2e9, 2e9))
    (beside / f"folder{histories_file.ENDING}").mkdir()
    (beside / f"nowhere{histories_file.ENDING}").symlink_to("nowhere")
    kept_by(settings)
    assert kept_upto(fold(tmp_path, [], bundle=bundle)) == 1
    assert len([file for file in beside.iterdir() if file.is_file()]) == histories_file.MOST_FILES


def test_what_a_killed_process_left_of_a_file_takes_nobodys_place(
    tmp_path: Path, bundle: Path
) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    fold(tmp_path, [a_declaration()], bundle=bundle)
    kept_by(settings)
    half = kept_file(settings).with_name(f".{kept_file(settings).name}.123")
    half.write_text("half")
    assert kept_upto(fold(tmp_path, [], bundle=bundle)) == 1
    kept_by(settings)
    assert kept_file(settings) != half


def test_who_keeps_them_lets_another_come_to_an_end_first(tmp_path: Path, bundle: Path) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    fold(tmp_path, [a_declaration()], bundle=bundle)
    kept_by(settings)
    half = settings.histories_folder / ".another.histories.123"
    half.write_text("being written")
    keeping = threading.Thread(target=kept_by, args=[settings])
    other = os.open(settings.histories_folder, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        keeping.start()
        keeping.join(2)  # as long as it would take several times
        assert half.exists()
    finally:
        os.close(other)
        keeping.join()
    assert not half.exists()


@pytest.mark.parametrize("ids", [("D-0", "D-1"), ("D-1", "D-0")])
def test_a_decision_altered_since_is_checked_before_a_finding_teaches_by_it(
    ids: tuple[str, str], tmp_path: Path, bundle: Path
) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    declared = [a_declaration(declaration_id=name) for name in ids]
    log = fold(tmp_path, declared, bundle=bundle).log
    kept_by(settings)
    fold(tmp_path, [FOUND], bundle=bundle)
    alter(path_of(log), '"net_mass_kg":100.0', '"net_mass_kg":-1.0')
    with pytest.raises(DecisionLogError, match="altered from outside"):
        fold(tmp_path, [], bundle=bundle)


def test_nothing_is_kept_of_a_log_that_was_altered(tmp_path: Path, bundle: Path) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    log = fold(tmp_path, [a_declaration()], bundle=bundle).log
    alter(path_of(log), '"declaration_id":"D-1"', '"declaration_id":"D-2"')
    with pytest.raises(DecisionLogError, match="altered from outside"):
        kept_by(settings)
    assert not settings.histories_folder.exists()


def test_a_start_that_read_much_keeps_what_it_knows(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    declared = [a_declaration(declaration_id=f"D-{no}") for no in range(3)]
    fold(tmp_path, declared, bundle=bundle)
    fold(tmp_path, [], bundle=bundle, histories_records=4)
    assert not settings_in(tmp_path).histories_folder.exists()
    fold(tmp_path, [], bundle=bundle, histories_records=3)
    assert kept_upto(fold(tmp_path, [], bundle=bundle)) == 3
    assert "histories not kept" not in caplog.messages


def test_a_start_that_cannot_keep_what_it_knows_says_so_and_goes_on(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fold(tmp_path, [a_declaration()], bundle=bundle)
    settings_in(tmp_path).histories_folder.write_text("in the way")
    parts = fold(tmp_path, [], bundle=bundle, histories_records=1)
    assert trader_history(parts)["declared"] == 1
    assert "histories not kept" in caplog.messages


def test_a_start_keeps_nothing_of_a_log_that_was_altered_and_goes_on(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = fold(tmp_path, [a_declaration()], bundle=bundle).log
    alter(path_of(log), '"net_mass_kg":100.0', '"net_mass_kg":200.0')
    parts = fold(tmp_path, [], bundle=bundle, histories_records=1)
    assert trader_history(parts)["declared"] == 1
    assert {"record altered", "histories not kept"} <= set(caplog.messages)
    assert not settings_in(tmp_path).histories_folder.exists()
