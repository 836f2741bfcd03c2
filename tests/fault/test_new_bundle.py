"""A newly published bundle takes over while the service runs; a bad one changes nothing."""

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.bundle import load, seal, verify
from models.pointer import Pointer, write_pointer
from models.trees import FINDING
from selectivity.errors import AuditError, BundleError, DecisionLogError
from serving.deciding import follow_bundle
from serving.deciding.assign import assign
from serving.deciding.follow_bundle import BundleFollower, may_be_over_soon
from serving.deciding.follow_log import LogFollower
from serving.deciding.going_back import gone_back_to, is_worth_keeping, kept_behind
from serving.deciding.handover import Handover
from serving.deciding.parts import Parts
from serving.deciding.predictor import Predictor
from serving.deciding.receiving import receive
from serving.deciding.successor import hand_over
from serving.deciding.trial import try_out
from serving.log.kept_texts import AlteredTextError
from serving.log.reader import LogReader
from serving.log.spool import SpoolingJournal
from serving.start import assemble, predictor_for
from serving.storage.store import AwayError
from tests.builders import NOON, a_declaration, an_inspection
from tests.bundles import a_bundle, a_predictor
from tests.service.test_histories import FOUND, trader_history
from tests.services import a_service, lodged, settings_in

SECONDS = 60


def publish(bundle: Path, folder: Path, digest: str | None = None) -> str:
    """Put a bundle in force; gives the digest that the pointer names."""
    pointer = Pointer.to(digest or verify(bundle)[0], version=1, by="a risk manager", at=NOON)
    shutil.copytree(bundle, folder / "published" / pointer.bundle, dirs_exist_ok=True)
    write_pointer(folder / "published", pointer)
    return pointer.digest


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("other") / "bundle"
    a_bundle(directory, seed=1)
    return directory


def wait_for(client: httpx.Client, said: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the service says of itself, once it says this; it decides all the while."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        declared = lodged(declaration_id=f"D-{time.monotonic_ns()}")
        assert client.post("/v1/lanes", json=declared).json()["source"] == "model"
        ready: dict[str, Any] = client.get("/health/ready").json()
        if said(ready):
            return ready
        time.sleep(0.05)
    raise AssertionError(ready)


def test_a_published_bundle_takes_over_and_a_bad_one_does_not(
    tmp_path: Path, bundle: Path, other: Path
) -> None:
    first = publish(bundle, tmp_path)
    with a_service(tmp_path, follow_seconds=0.1) as client:
        before = client.post("/v1/lanes", json=lodged()).json()
        second = publish(other, tmp_path)
        wait_for(client, lambda ready: ready["bundle"] == second[:16])
        again = client.post("/v1/lanes", json=lodged()).json()
        after = client.post("/v1/lanes", json=lodged(declaration_id="new")).json()

        (tmp_path / "published/current.json").write_text("{")
        wait_for(client, lambda ready: "What is published now was refused" in str(ready["detail"]))
        publish(other, tmp_path)
        wait_for(client, lambda ready: ready["detail"] is None)
        (tmp_path / "published/current.json").unlink()
        wait_for(client, lambda ready: "Whole bundles lie there" in str(ready["detail"]))
        publish(other, tmp_path)
        ready = wait_for(client, lambda ready: ready["detail"] is None)
        metrics = client.get("/metrics").text

    assert before["bundle"] == again["bundle"] == first[:16]
    assert after["bundle"] == ready["bundle"] == second[:16]
    assert 'lanes_bundles_followed_total{outcome="taken over"} 1.0' in metrics
    assert 'lanes_bundles_followed_total{outcome="refused"} 2.0' in metrics
    assert f'bundle="{second[:16]}"' in metrics
    assert f'bundle="{first[:16]}"' not in metrics


def _altered(folder: Path) -> None:
    with (folder / FINDING).open("ab") as stream:
        stream.write(b" ")


def _damaged_and_sealed(folder: Path) -> None:
    """As a damaged model looks that was published with a right manifest."""
    model = (folder / FINDING).read_bytes()
    (folder / FINDING).write_bytes(model[: len(model) // 2])
    seal(folder, {"source": "tests"})


@pytest.mark.parametrize("damage", [_altered, _damaged_and_sealed])
def test_a_bundle_is_tried_in_a_process_of_its_own(
    tmp_path: Path, bundle: Path, damage: Callable[[Path], None]
) -> None:
    tried = tmp_path / "tried"
    shutil.copytree(bundle, tried)
    try_out(tried, verify(tried)[0])
    damage(tried)
    digest = verify(bundle)[0] if damage is _altered else verify(tried)[0]
    with pytest.raises(BundleError, match=r"Restore|Publish|again"):
        try_out(tried, digest)


@pytest.mark.parametrize(
    ("fate", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended its trial with code -11"),
        ("os._exit(3)", "ended its trial with code 3"),
        ("time.sleep(60)", "was not loaded within 2 s"),
    ],
)
def test_a_bundle_that_kills_or_hangs_its_trial_is_refused(
    tmp_path: Path, bundle: Path, fate: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a damaged model does, which raises nothing."""
    (tmp_path / "sitecustomize.py").write_text(f"import os, signal, time\n{fate}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("serving.deciding.trial.SECONDS", 2)
    with pytest.raises(BundleError, match=f"{told}. Publish another one"):
        try_out(bundle, verify(bundle)[0])


def test_a_trial_that_hangs_ends_by_itself_where_the_service_was_killed(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = "Path('left').write_text(str(signal.alarm(0)))"
    (tmp_path / "sitecustomize.py").write_text(
        f"import atexit, signal\nfrom pathlib import Path\natexit.register(lambda: {tell})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    try_out(bundle, verify(bundle)[0])
    assert 0 < int((tmp_path / "left").read_text()) <= 2 * SECONDS


def assembled(folder: Path) -> Parts:
    return assemble(settings_in(folder, follow_seconds=0.1))


class Following:
    """A service's parts and the follower of its pointer, with a trial that is a test's own."""

    def __init__(
        self, parts: Parts, trial: Callable[[Path, str], None] = lambda folder, digest: None
    ) -> None:
        self.parts, self.settings = parts, parts.settings
        self._follower = BundleFollower(
            parts, lambda: predictor_for(parts.settings, b"k" * 32), trial
        )

    @property
    def serves(self) -> str | None:
        """Digest of the bundle whose model is asked; None without one."""
        predictor = self.parts.predictor
        return None if predictor.bundle is None else predictor.bundle_digest

    async def until(self, digest: str) -> None:
        """Follow until this bundle serves."""
        task = asyncio.create_task(self._follower.follow())
        end = time.monotonic() + SECONDS
        while self.serves != digest and time.monotonic() < end:
            await asyncio.sleep(0.01)
        task.cancel()
        assert self.serves == digest


def test_histories_are_whole_after_a_change_in_the_midst_of_things(
    tmp_path: Path, bundle: Path, other: Path
) -> None:
    """What came before, during and after counts once, as after a restart."""
    publish(bundle, tmp_path)
    following = Following(assembled(tmp_path), lambda folder, digest: time.sleep(0.3))
    parts, done = following.parts, []

    async def lodge_and_inspect(number: int) -> None:
        id_ = f"H-{number}"
        inspection = an_inspection(inspection_id=id_, declaration_id=id_, result="INCONCLUSIVE")
        found = FOUND.model_copy(update={"inspection_id": f"{id_}-F", "declaration_id": id_})
        declare = assign(a_declaration(declaration_id=id_), parts)
        early = [receive(found, parts)] if number % 2 else []  # parked, or not, by chance
        await asyncio.gather(*early, declare, receive(inspection, parts))
        if not early:
            await receive(found, parts)
        done.append(number)

    async def keep_busy(digest: str) -> None:
        number = len(done)
        while parts.predictor.bundle_digest != digest:
            await lodge_and_inspect(number := number + 1)
        await lodge_and_inspect(number + 1)

    async def run() -> None:
        for number in range(6):
            await lodge_and_inspect(number)
        digest = publish(other, tmp_path)
        await asyncio.gather(following.until(digest), keep_busy(digest))

    asyncio.run(run())
    live = trader_history(parts)
    parts.log.close()
    restarted = assemble(following.settings)
    assert live == trader_history(restarted)
    assert live["declared"] == live["controlled"] == len(done) > 6
    restarted.log.close()


@pytest.mark.parametrize(
    "trial", [BundleError("It was refused. Publish another one."), OSError("no process")]
)
def test_what_served_goes_on_when_the_trial_fails(
    tmp_path: Path, bundle: Path, other: Path, trial: Exception
) -> None:
    def refuse(folder: Path, digest: str) -> None:
        raise trial

    first = publish(bundle, tmp_path)
    following = Following(assembled(tmp_path), refuse)
    publish(other, tmp_path)

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(following.until("never"), 1))
    assert following.parts.predictor.bundle_digest == first
    assert "refused" in str(following.parts.predictor.cause_detail)
    following.parts.log.close()


def test_a_service_without_a_model_takes_the_first_that_is_published(
    tmp_path: Path, bundle: Path
) -> None:
    following = Following(assembled(tmp_path))
    assert following.parts.predictor.cause == "NO_MODEL"
    asyncio.run(_lodged(following.parts))
    digest = publish(bundle, tmp_path)
    asyncio.run(following.until(digest))
    assert trader_history(following.parts)["declared"] == 1
    following.parts.log.close()


def test_a_bundle_takes_over_while_a_record_never_gets_to_the_disk(
    tmp_path: Path, bundle: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(bundle, tmp_path)
    go_on, keep = threading.Event(), SpoolingJournal.keep

    def stand_still(journal: SpoolingJournal, works: Sequence[Any]) -> list[Any]:
        go_on.wait(SECONDS)
        return keep(journal, works)

    monkeypatch.setattr(SpoolingJournal, "keep", stand_still)
    following = Following(assembled(tmp_path))

    async def run() -> None:
        waiting = asyncio.ensure_future(_lodged(following.parts))
        await asyncio.sleep(0.1)
        await following.until(publish(other, tmp_path))
        assert not waiting.done()
        go_on.set()
        await waiting

    asyncio.run(run())
    assert trader_history(following.parts)["declared"] == 1
    following.parts.log.close()


def test_a_bundle_that_was_repaired_and_published_again_takes_over(
    tmp_path: Path, bundle: Path
) -> None:
    digest = publish(bundle, tmp_path)
    (trees,) = (tmp_path / "published").glob(f"*/{FINDING}")
    trees.write_text("damaged")
    following = Following(assembled(tmp_path))
    assert (following.serves, following.parts.predictor.cause) == (None, "BUNDLE_REFUSED")
    assert publish(bundle, tmp_path) == digest
    asyncio.run(following.until(digest))
    following.parts.log.close()


def test_what_only_the_log_kept_from_taking_over_is_tried_again(
    tmp_path: Path,
    bundle: Path,
    other: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = [DecisionLogError("it went away meanwhile") for _ in range(3)]

    async def fail_first(*arguments: Any) -> Predictor:
        if failures:
            raise failures.pop()
        return await hand_over(*arguments)

    publish(bundle, tmp_path)
    following = Following(assembled(tmp_path))
    monkeypatch.setattr(follow_bundle, "hand_over", fail_first)
    asyncio.run(following.until(publish(other, tmp_path)))
    assert not failures
    assert [each.message for each in caplog.records].count("bundle waits for the log") == 1
    following.parts.log.close()


async def _lodged(parts: Parts) -> None:
    await assign(a_declaration(), parts)


def test_a_pointer_that_names_another_bundle_than_it_points_at_is_refused(
    tmp_path: Path, bundle: Path, other: Path
) -> None:
    first = publish(bundle, tmp_path)
    following = Following(assembled(tmp_path))
    publish(other, tmp_path, digest="f" * 64)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(following.until("f" * 64), 1))
    assert following.parts.predictor.bundle_digest == first
    following.parts.log.close()


def a_predictor_that_knows_the_log(folder: Path, seed: int) -> Predictor:
    a_bundle(folder, seed=seed)
    predictor = Predictor.of_bundle(load(folder), draw_key=b"k" * 32)
    predictor.known_upto = 0
    return predictor


def pointer_to(predictor: Predictor, **fields: Any) -> Pointer:
    digest = str(predictor.bundle_digest)
    return Pointer.to(digest, version=2, by="test", at=NOON).model_copy(update=fields)


def breaks(predictor: Predictor) -> None:
    while predictor.breaker.rests_because is None:
        predictor.breaker.failed("MODEL_ERROR")


def forgets_the_log(predictor: Predictor) -> None:
    predictor.known_upto = None


@pytest.mark.parametrize("fails", [breaks, forgets_the_log])
def test_only_a_model_that_works_and_knows_the_log_is_kept_behind_or_gone_back_to(
    tmp_path: Path, fails: Callable[[Predictor], None]
) -> None:
    one, other = (a_predictor_that_knows_the_log(tmp_path / str(no), no) for no in (1, 2))
    one.last_good = other
    assert gone_back_to(one, pointer_to(other)) is other
    assert gone_back_to(one, pointer_to(one)) is None
    assert is_worth_keeping(other, pointer_to(one))
    fails(other)
    assert gone_back_to(one, pointer_to(other)) is None
    assert not is_worth_keeping(other, pointer_to(one))


def test_what_takes_over_or_was_taken_back_is_not_what_stands_behind(tmp_path: Path) -> None:
    one, other = (a_predictor_that_knows_the_log(tmp_path / str(no), no) for no in (1, 2))
    assert not is_worth_keeping(one, pointer_to(one))
    back = {"rollback": True, "previous": pointer_to(other).bundle}
    assert not is_worth_keeping(one, pointer_to(other, rollback=True))
    assert is_worth_keeping(other, pointer_to(one, **back))
    one.last_good = other
    assert kept_behind(one, pointer_to(other)) is one
    assert one.last_good is None  # or there would be three


@pytest.mark.parametrize(
    ("error", "over"),
    [
        (AwayError("away"), True),
        (DecisionLogError("locked"), True),
        (AlteredTextError("a decision that cannot be read"), False),
        (AuditError("no id"), False),
        (BundleError("altered"), False),
    ],
)
def test_what_keeps_a_bundle_from_taking_over_may_be_over_soon(
    error: Exception, over: bool
) -> None:
    assert may_be_over_soon(error) == over


def test_what_is_taught_behind_a_handover_is_remembered_no_more() -> None:
    handover, taught = Handover(), list[Predictor]()
    serves, later = a_predictor(), a_predictor()
    with handover.remembering():
        handover.fold(serves, taught.append)
        handover.teach(later)
    assert taught == [serves, later]
    handover.fold(serves, taught.append)
    handover.teach(later)
    assert taught == [serves, later, serves]


def test_what_is_published_while_the_service_starts_takes_over(
    tmp_path: Path, bundle: Path, other: Path
) -> None:
    """Between the bundle that is loaded first and the first look, a long log is read."""
    publish(bundle, tmp_path)
    settings = settings_in(tmp_path, follow_seconds=0.1)
    parts = assemble(settings)
    digest = publish(other, tmp_path)
    following = Following(parts)
    asyncio.run(following.until(digest))
    parts.log.close()


def test_a_draw_key_that_was_changed_meanwhile_counts_from_the_next_start_on(
    tmp_path: Path, bundle: Path, other: Path
) -> None:
    """Also one that is gone: a new one would be made, and nobody told."""
    first = publish(bundle, tmp_path)
    with a_service(tmp_path, follow_seconds=0.1) as client:
        client.post("/v1/lanes", json=lodged())
        key = settings_in(tmp_path).draw_key_file
        key.unlink()
        second = publish(other, tmp_path)
        wait_for(client, lambda ready: ready["bundle"] == second[:16])
        client.post("/v1/lanes", json=lodged(declaration_id="D-2"))
        records = [client.get(f"/v1/decisions/{id_}").json()["record"] for id_ in ("D-1", "D-2")]
    assert [each["bundle_digest"] for each in records] == [first, second]
    assert records[0]["draw_key_id"] == records[1]["draw_key_id"]
    assert not key.exists()


def test_histories_that_are_made_anew_are_those_of_the_model_behind_as_well(
    tmp_path: Path,
) -> None:
    one, other = (a_predictor_that_knows_the_log(tmp_path / str(no), no) for no in (1, 2))
    for each in (one, other):
        forgets_the_log(each)
    parts = assemble(settings_in(tmp_path))
    parts.predictor, one.last_good = one, other
    with closing(LogReader(parts.log.store)) as log:
        made = LogFollower(parts, lambda: one).that_knows_the_log(log)
    parts.log.close()
    assert [each.known_upto for each in made.learners()] == [0, 0]
