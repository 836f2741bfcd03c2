"""Publishing: what is in force is whole, named by a person, and can be taken back."""

import asyncio
import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.bundle import FILES, verify
from models.pointer import read_pointer, write_pointer
from models.publications import earlier, history
from pipelines.publish import publish
from pipelines.stage.outbox import Outbox
from selectivity.errors import BundleError, ParamsError
from serving.deciding.follow_bundle import BundleFollower
from serving.start import assemble, predictor_for
from tests.bundles import a_bundle
from tests.services import PATIENCE_SECONDS, settings_in

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three bundles that differ."""
    folder = tmp_path_factory.mktemp("trained")
    places = [folder / name for name in ("a", "b", "c")]
    for seed, place in enumerate(places):
        a_bundle(place, seed=seed)
    return places


def test_a_published_bundle_is_a_copy_that_the_pointer_names(
    bundles: list[Path], tmp_path: Path
) -> None:
    assert publish(bundles[0], tmp_path, by="ann.lee", at=NOW, note="first")

    pointer = read_pointer(tmp_path)
    assert pointer is not None
    assert (pointer.version, pointer.by, pointer.at) == (1, "ann.lee", NOW)
    assert verify(tmp_path / pointer.bundle)[0] == pointer.digest == verify(bundles[0])[0]
    (line,) = history(tmp_path)
    assert (line.version, line.bundle, line.by, line.note) == (
        1,
        pointer.bundle,
        "ann.lee",
        "first",
    )


def test_publishing_what_is_in_force_changes_nothing(bundles: list[Path], tmp_path: Path) -> None:
    publish(bundles[0], tmp_path, by="ann.lee", at=NOW)
    before = read_pointer(tmp_path)

    assert not publish(bundles[0], tmp_path, by="bob.ng", at=NOW)
    assert read_pointer(tmp_path) == before
    assert len(history(tmp_path)) == 1


def test_publishing_it_again_has_a_service_that_refused_it_try_again(
    bundles: list[Path], tmp_path: Path
) -> None:
    """It lacked memory or descriptors for the trial: the bundle is whole."""
    publish(bundles[0], tmp_path / "published", by="ann.lee", at=NOW)
    parts = assemble(settings_in(tmp_path, follow_seconds=0.1))
    publish(bundles[1], tmp_path / "published", by="ann.lee", at=NOW)
    troubles = [OSError(errno.ENOMEM, "Cannot allocate memory")]

    def trial(folder: Path, digest: str) -> None:
        if troubles:
            raise troubles.pop()

    async def follow() -> None:
        follower = BundleFollower(parts, lambda: predictor_for(parts.settings, bytes(32)), trial)
        task = asyncio.create_task(follower.follow())
        await _until(lambda: "refused" in str(parts.predictor.cause_detail))
        assert not publish(bundles[1], tmp_path / "published", by="bob.ng", at=NOW)
        await _until(lambda: parts.predictor.bundle_digest == verify(bundles[1])[0])
        task.cancel()

    asyncio.run(follow())
    parts.log.close()


async def _until(said: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not said():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_a_publication_that_finds_no_room_leaves_nothing_beside_what_is_in_force(
    bundles: list[Path], tmp_path: Path
) -> None:
    published = tmp_path / "models/published"
    publish(bundles[0], published, by="ann.lee", at=NOW)
    before = sorted(path.name for path in published.iterdir())

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))

    done = _command(tmp_path, "--bundle", str(bundles[1]), "--by", "ann.lee", before=little_room)
    assert done.returncode == os.EX_IOERR, done.stderr
    assert sorted(path.name for path in published.iterdir()) == before


def test_versions_rise_by_one(bundles: list[Path], tmp_path: Path) -> None:
    for bundle in bundles:
        publish(bundle, tmp_path, by="ann.lee", at=NOW)
    assert [line.version for line in history(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize("file", FILES)
def test_an_altered_bundle_is_refused_and_the_one_in_force_stays(
    bundles: list[Path], tmp_path: Path, file: str
) -> None:
    published, altered = tmp_path / "published", tmp_path / "altered"
    publish(bundles[0], published, by="ann.lee", at=NOW)
    before = read_pointer(published)
    shutil.copytree(bundles[1], altered)
    (altered / file).write_bytes((altered / file).read_bytes() + b" ")

    with pytest.raises(BundleError, match="altered after training"):
        publish(altered, published, by="ann.lee", at=NOW)

    assert read_pointer(published) == before
    assert {path.name for path in published.iterdir()} == {
        ".lock",
        "current.json",
        "history.jsonl",
        before.bundle if before else "",
    }


def test_a_published_copy_that_was_damaged_is_made_whole_and_the_damage_is_kept(
    bundles: list[Path], tmp_path: Path
) -> None:
    publish(bundles[0], tmp_path, by="ann.lee", at=NOW)
    place = tmp_path / verify(bundles[0])[0][:16]
    (place / "finding.txt").write_text("tree")

    assert publish(bundles[0], tmp_path, by="ann.lee", at=NOW, note="copy was damaged")
    verify(place)
    (aside,) = tmp_path.glob(f"{place.name}.damaged-*")
    assert (aside / "finding.txt").read_text() == "tree"


def test_rolling_back_goes_one_step_further_each_time(bundles: list[Path], tmp_path: Path) -> None:
    for bundle in bundles:
        publish(bundle, tmp_path, by="ann.lee", at=NOW)

    in_force = []
    for _ in range(2):
        publish(earlier(tmp_path, "previous"), tmp_path, by="ann.lee", at=NOW, rollback=True)
        pointer = read_pointer(tmp_path)
        in_force.append(pointer.digest if pointer else None)

    assert in_force == [verify(bundles[1])[0], verify(bundles[0])[0]]
    assert [line.version for line in history(tmp_path)] == [1, 2, 3, 4, 5]
    newest = f"{in_force[0][:16] if in_force[0] else None} \\(version 4\\)"
    with pytest.raises(BundleError, match=f"before fits 'previous'. Name one of these: .*{newest}"):
        earlier(tmp_path, "previous")


def test_before_the_first_bundle_there_is_nothing_to_go_back_to(
    bundles: list[Path], tmp_path: Path
) -> None:
    publish(bundles[0], tmp_path, by="ann.lee", at=NOW)
    name = verify(bundles[0])[0][:16]
    with pytest.raises(BundleError, match=f"{name} is in force and the first: there is nothing"):
        earlier(tmp_path, "previous")


def test_the_bundle_in_force_is_not_offered_to_go_back_to(
    bundles: list[Path], tmp_path: Path
) -> None:
    for bundle in bundles[:2]:
        publish(bundle, tmp_path, by="ann.lee", at=NOW)
    first, second = (verify(bundle)[0][:16] for bundle in bundles[:2])
    with pytest.raises(BundleError, match=first) as refused:
        earlier(tmp_path, "x")
    assert second not in str(refused.value)


def test_any_bundle_published_before_can_be_named(bundles: list[Path], tmp_path: Path) -> None:
    for bundle in bundles:
        publish(bundle, tmp_path, by="ann.lee", at=NOW)
    name = verify(bundles[0])[0][:16]
    assert earlier(tmp_path, name[:6]) == tmp_path / name
    with pytest.raises(BundleError, match="More than one"):
        earlier(tmp_path, "")
    with pytest.raises(BundleError, match="No bundle"):
        earlier(tmp_path, "x")


def test_a_history_with_an_altered_line_is_told_and_nothing_is_published(
    bundles: list[Path], tmp_path: Path
) -> None:
    publish(bundles[0], tmp_path, by="ann.lee", at=NOW)
    file = tmp_path / "history.jsonl"
    altered = file.read_text() + '{"version": 1, "bun\n'
    file.write_text(altered)
    with pytest.raises(BundleError, match=r"history\.jsonl has a line"):
        publish(bundles[1], tmp_path, by="ann.lee", at=NOW)
    assert file.read_text() == altered


@pytest.mark.parametrize("left", ["a torn line", "a line", "nothing"])
def test_a_publication_that_was_broken_off_never_happened(
    bundles: list[Path], tmp_path: Path, left: str
) -> None:
    first, never, second = (verify(bundle)[0][:16] for bundle in bundles)
    publish(bundles[0], tmp_path, by="ann.lee", at=NOW)
    pointer = read_pointer(tmp_path)
    assert pointer is not None
    publish(bundles[1], tmp_path, by="ann.lee", at=NOW)
    write_pointer(tmp_path, pointer)  # as if the disk had been full before it moved
    file = tmp_path / "history.jsonl"
    lines = file.read_text()
    file.write_text(lines[:-30] if left == "a torn line" else lines)
    if left == "nothing":
        file.unlink()
    publish(bundles[2], tmp_path, by="ann.lee", at=NOW)

    assert [line.bundle for line in history(tmp_path)][-1] == second
    now = read_pointer(tmp_path)
    assert now is not None
    assert (now.bundle, now.version) == (second, 2)
    assert now.previous == (None if left == "nothing" else first)
    assert never not in file.read_text()


def test_what_killed_publications_left_is_cleared_away_by_the_next(
    bundles: list[Path], tmp_path: Path
) -> None:
    (there := tmp_path / "published").mkdir()
    for name in (".current.json.4711", ".history.jsonl.4711"):
        (there / name).write_text("{")
    (there / ".5e5e5e5e5e5e5e5e.part").mkdir()
    (there / ".5e5e5e5e5e5e5e5e.part" / "manifest.json").write_text("{")
    publish(bundles[0], there, by="ann.lee", at=NOW)
    name = verify(bundles[0])[0][:16]
    names = {each.name for each in there.iterdir()}
    assert names == {".lock", "current.json", "history.jsonl", name}


def test_a_damaged_pointer_is_written_anew(bundles: list[Path], tmp_path: Path) -> None:
    for bundle in bundles[:2]:
        publish(bundle, tmp_path, by="ann.lee", at=NOW)
    (tmp_path / "current.json").write_text("{")
    publish(bundles[2], tmp_path, by="ann.lee", at=NOW)
    now = read_pointer(tmp_path)
    assert now is not None
    assert (now.version, now.previous) == (3, verify(bundles[1])[0][:16])


@pytest.mark.parametrize("damage", [None, "{"])
def test_who_lists_what_was_published_is_told_how_to_put_one_in_force_without_a_pointer(
    bundles: list[Path], tmp_path: Path, damage: str | None
) -> None:
    published = tmp_path / "models/published"
    for bundle in bundles[::-1]:
        publish(bundle, published, by="ann.lee", at=NOW)
    names = [line.bundle for line in history(published)]
    pointer = published / "current.json"
    pointer.unlink()
    if damage is not None:
        pointer.write_text(damage)
    listed = _command(tmp_path, "--list")
    assert [line.split()[1] for line in listed.stdout.splitlines()] == names
    assert "in force" not in listed.stdout
    assert f"the last one published last: {', '.join(names)}. Bring" in listed.stderr
    (told,) = re.findall(r"`python -m pipelines.publish (.*)`", listed.stderr)
    assert _command(tmp_path, *told.replace("YOUR.NAME", "bob.ng").split()).returncode == 0
    now = read_pointer(published)
    assert now is not None
    assert (now.bundle, now.version, now.by, now.previous) == (names[-1], 4, "bob.ng", names[-2])


def test_the_command_publishes_though_mlflow_is_down(bundles: list[Path], tmp_path: Path) -> None:
    done = _command(tmp_path, "--bundle", str(bundles[0]), "--by", "ann.lee")

    assert done.returncode == 0, done.stderr
    in_force, _, warning = done.stderr.splitlines()
    assert in_force.endswith("is in force, version 1, by ann.lee")
    assert warning.startswith("warning: MLflow at ")
    assert read_pointer(tmp_path / "models/published") is not None
    assert Outbox(tmp_path).promotion.exists()


def test_what_the_evaluation_speaks_against_is_published_on_demand_alone(
    bundles: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "evaluation").mkdir()
    told = {"against": ["The scores are chance."], "warnings": ["red is full"]}
    verdict = {"bundle": verify(bundles[0])[0], **told}
    (tmp_path / "evaluation/verdict.json").write_text(json.dumps(verdict))
    asked = ("--by", "ann.lee", "--evaluation", str(tmp_path / "evaluation"), "--bundle")
    refused = _command(tmp_path, *asked, str(bundles[0]))
    assert refused.returncode == BundleError.exit_code
    assert "warning: red is full" in refused.stderr
    assert "The scores are chance. With --despite it is published." in refused.stderr
    assert history(tmp_path / "models/published") == []
    assert _command(tmp_path, *asked, str(bundles[0]), "--despite").returncode == 0
    other = _command(tmp_path, *asked, str(bundles[1]))
    assert other.returncode == 0
    assert "is of another bundle" in other.stderr


def test_a_login_that_is_no_persons_answers_for_nothing(
    bundles: list[Path], tmp_path: Path
) -> None:
    bare = ("--bundle", str(bundles[0]))
    shared = _command(tmp_path, *bare, LOGNAME="root")
    assert shared.returncode == ParamsError.exit_code
    assert "The login 'root' is no person's" in shared.stderr
    assert "--by" in shared.stderr
    assert history(tmp_path / "models/published") == []
    assert _command(tmp_path, *bare, LOGNAME="ann.lee").returncode == 0
    assert [each.by for each in history(tmp_path / "models/published")] == ["ann.lee"]


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    done = _command(tmp_path, "--bundle", "nowhere", "--by", "ann.lee")
    assert done.returncode == BundleError.exit_code
    assert done.stderr.splitlines() == [
        "error: There is no bundle in nowhere: No such file or directory. "
        "Make one with `make repro`."
    ]


def _command(
    folder: Path,
    *options: str,
    before: Callable[[], None] = lambda: None,
    **environment: str,
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pipelines.publish", *options],
        cwd=folder,
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
            "PYTHONPATH": str(ROOT),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=before,
    )
