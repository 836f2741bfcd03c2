"""API keys: kept as digests, changed as a whole, followed while the service runs."""

import asyncio
import errno
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from selectivity.errors import ParamsError
from serving.callers.api_keys import ApiKey, Role
from serving.callers.followed import Followed
from serving.callers.key_changes import create, revoke, rotate
from serving.callers.key_file import change_keys, read_keys
from serving.callers.key_ring import KeyRing
from serving.callers.spare import SPARE
from serving.callers.tokens import read_key_set
from serving.deciding.draw_key import read_or_create_draw_key
from serving.log.signing_key import read_or_create_signing_key
from serving.meters import Meters
from tests.builders import NOON

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keys.json"


def _created(file: Path, *roles: Role, name: str = "centre") -> tuple[ApiKey, str]:
    return create(file, name, roles or (Role.SCORER,), now=NOON, valid_for=DAY)


def test_a_key_is_kept_as_its_digest_alone_and_for_its_owner(file: Path) -> None:
    made, key = _created(file)

    assert len(key.rpartition("_")[2]) == 64  # 256 bits
    assert key not in file.read_text()
    assert key.rpartition("_")[2] not in file.read_text()
    assert made.sha256 in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_key_opens_until_it_expires(file: Path) -> None:
    made, key = _created(file, Role.AUDITOR, Role.SCORER)
    ring = KeyRing(file)

    assert ring.holder(key, NOON + DAY - SECOND) == made
    assert made.roles == (Role.AUDITOR, Role.SCORER)
    assert ring.holder(key, NOON + DAY) is None


@pytest.mark.parametrize(("days", "told"), [(0, True), (1, True), (14, True), (15, False)], ids=str)
def test_a_key_that_expired_is_measured_while_somebody_may_miss_it(
    file: Path, days: int, told: bool
) -> None:
    """An alarm that ended with the key would end when nothing works any more."""
    made, _ = _created(file)
    revoked, _ = _created(file, name="gone")
    revoke(file, revoked.id, now=NOON)
    meters = Meters()
    meters.keys(read_keys(file), NOON + days * DAY, outdated=False)
    lines = meters.exposition().decode().splitlines()
    measured = [line.split() for line in lines if "_expires_" in line and line[0] != "#"]
    assert [(name, float(seconds)) for name, seconds in measured] == [
        (f'lanes_key_expires_timestamp_seconds{{name="{each.name}"}}', each.expires_at.timestamp())
        for each in (made,) * told
    ]


def test_a_holder_of_a_key_that_opens_nothing_any_more_is_told_of_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made, key = _created(file)
    ring = KeyRing(file)
    guessed = key[:-1] + ("0" if key[-1] != "0" else "1")
    for sent, at in ((key, NOON), (guessed, NOON + DAY), (key, NOON + DAY), (key, NOON + DAY)):
        ring.holder(sent, at)
    (told,) = caplog.records
    assert (told.message, vars(told)["key"], vars(told)["cause"]) == (
        "key refused",
        made.id,
        "EXPIRED",
    )
    assert key.rpartition("_")[2] not in str(vars(told))


@pytest.mark.parametrize(
    "alter",
    [
        lambda key: "",
        lambda key: key[:-1],
        lambda key: key + "0",
        lambda key: key + "\n",
        lambda key: key.upper(),
        lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
        lambda key: key.replace(key[6:14], "00000000"),
        lambda key: "lanes_" + key[6:14] + "_" + "0" * 64,
        lambda key: key[6:14],
        lambda key: "lанes" + key[5:],
    ],
)
def test_what_only_resembles_a_key_opens_nothing(file: Path, alter: Any) -> None:
    _, key = _created(file)
    assert KeyRing(file).holder(alter(key), NOON) is None


def test_a_ring_without_a_file_lets_nobody_in(file: Path) -> None:
    _, key = _created(file)
    assert KeyRing().holder(key, NOON) is None


def test_a_revoked_key_opens_nothing_from_the_next_question_on(file: Path) -> None:
    (one, key), (_, other) = _created(file), _created(file)
    ring = KeyRing(file)
    assert ring.holder(key, NOON)
    revoke(file, one.id, now=NOON)

    assert ring.holder(key, NOON) is None
    assert ring.holder(other, NOON)
    assert revoke(file, one.id, now=NOON + DAY).revoked_at == NOON


@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "renamed"])
def test_a_file_that_looks_as_before_is_noticed_all_the_same(file: Path, in_place: bool) -> None:
    (one, key), before = _created(file), file.stat()
    ring, other = KeyRing(file), file.with_name("other.json")
    assert ring.holder(key, NOON)
    text = file.read_text().replace(one.sha256, "0" * 64)
    changed = file if in_place else other
    changed.touch(mode=0o600)
    changed.write_text(text)
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    changed.replace(file)
    assert file.stat().st_size == before.st_size
    assert ring.holder(key, NOON) is None


def test_questions_of_one_turn_share_a_look_and_the_next_turn_sees_what_was_revoked(
    file: Path,
) -> None:
    one, key = _created(file)
    ring = KeyRing(file)

    async def ask() -> list[bool]:
        opened = [ring.holder(key, NOON) is not None]
        revoke(file, one.id, now=NOON)
        opened.append(ring.holder(key, NOON) is not None)
        for _ in range(2):
            await asyncio.sleep(0)
            opened.append(ring.holder(key, NOON) is not None)
        return opened

    assert asyncio.run(ask()) == [True, True, False, False]


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO])
def test_a_change_that_could_not_be_read_at_once_is_read_at_the_next_question(
    file: Path, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """As with a disk far away: the file is right, and nobody touches it."""
    (one, _), troubles = _created(file), list[OSError]()

    def ids(place: Path) -> set[str]:
        if troubles:
            raise ParamsError("it cannot be read") from troubles.pop()
        return {each.id for each in read_keys(place) if each.state(NOON) == "valid"}

    followed = Followed(file, ids, cause="KEY_FILE")
    assert followed.content() == {one.id}
    revoke(file, one.id, now=NOON)
    troubles += [OSError(number, os.strerror(number)) for _ in range(2)]
    asked = [(followed.content(), followed.outdated) for _ in range(2)]
    assert asked == [({one.id}, True), (set(), False)]
    assert [each.message for each in caplog.records] == ["key file refused"]  # once


def test_keys_that_cannot_be_written_are_told_with_their_file(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    for file in (tmp_path / "in the way/keys.json", tmp_path / "in the way/below/keys.json"):
        with pytest.raises(ParamsError, match=r"keys\.json cannot be used: .*Correct the path"):
            change_keys(file, lambda keys: (keys, None))


def test_a_file_that_stays_as_it_was_is_read_once(file: Path) -> None:
    (one, _), read = _created(file), list[Path]()
    followed = Followed(file, read.append, cause="KEY_FILE")
    for _ in range(3):
        followed.content()
    assert read == [file]
    revoke(file, one.id, now=NOON)
    for _ in range(3):
        followed.content()
    assert read == [file, file]


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Inside nobody can open anything."""
    limits, used = resource.getrlimit(resource.RLIMIT_NOFILE), list[int]()
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, limits[1]))
    try:
        with suppress(OSError):
            while True:
                used.append(os.dup(2))
        yield
    finally:
        for descriptor in used:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_key_that_is_revoked_while_no_descriptor_is_left_opens_nothing(file: Path) -> None:
    (one, key), (_, other) = _created(file), _created(file)
    ring, before = KeyRing(file), file.with_name("before.json")
    copyfile(file, before)
    before.chmod(0o600)
    revoke(file, one.id, now=NOON)
    file.rename(file.with_name("after.json"))
    before.rename(file)
    assert ring.holder(key, NOON)
    with no_descriptor_left():
        for _ in range(2):  # the spare descriptor is there again
            file.with_name("after.json").rename(file)
            assert ring.holder(key, NOON) is None
            assert ring.holder(other, NOON)
            assert not ring.outdated
            with pytest.raises(OSError, match="Too many open files"):
                file.read_bytes()
            file.rename(file.with_name("after.json"))
            assert ring.holder(other, NOON) is None  # taken away


def test_keys_stay_in_force_and_are_told_to_be_outdated_where_the_spare_is_taken_too(
    file: Path,
) -> None:
    """A moment's trouble locks nobody out."""
    one, key = _created(file)
    ring = KeyRing(file)
    with no_descriptor_left():
        file.touch()
        assert ring.holder(key, NOON)
        assert not ring.outdated
        spare = SPARE.read(lambda: os.dup(2))
        file.touch()
        assert ring.holder(key, NOON)
        assert ring.outdated
        os.close(spare)
    revoke(file, one.id, now=NOON)
    assert ring.holder(key, NOON) is None
    assert not ring.outdated


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Who waits for longer than that fails."""

    def give_up(*_: object) -> None:
        raise AssertionError("it waits for ever")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_pipe_in_the_place_of_a_key_file_is_refused_and_waited_for_by_nobody(
    file: Path,
) -> None:
    """Reading one waits for a writer: the service would answer nobody any more."""
    made, key = _created(file)
    ring = KeyRing(file)
    file.unlink()
    os.mkfifo(file, 0o600)
    with within(10):
        assert ring.holder(key, NOON) == made
    reads: tuple[Callable[[Path], object], ...] = (
        *(read_keys, read_key_set),
        *(read_or_create_draw_key, read_or_create_signing_key),
    )
    for read in reads:
        with within(10), pytest.raises(ParamsError, match="no plain file"):
            read(file)


def test_a_new_key_opens_without_a_restart(file: Path) -> None:
    ring = KeyRing(file)
    made, key = _created(file)
    assert ring.holder(key, NOON) == made


def test_both_keys_open_while_a_rotation_overlaps(file: Path) -> None:
    old, old_key = _created(file, Role.INSPECTOR)
    ring = KeyRing(file)
    hour = timedelta(hours=1)
    _, new, new_key = rotate(file, old.id, now=NOON, valid_for=30 * DAY, overlap=hour)

    assert (new.name, new.roles, new.replaces) == (old.name, old.roles, old.id)
    assert ring.holder(old_key, NOON + hour - SECOND)
    assert ring.holder(old_key, NOON + hour) is None
    assert ring.holder(new_key, NOON + 29 * DAY) == new


def test_a_rotation_takes_the_office_along(file: Path) -> None:
    """A key without one is for every office."""
    old, _ = create(file, "gate", [Role.INSPECTOR], now=NOON, valid_for=DAY, office="02CI")
    _, new, _ = rotate(file, old.id, now=NOON, valid_for=DAY, overlap=DAY)
    assert new.office == read_keys(file)[-1].office == "02CI"


def test_a_rotation_never_prolongs_the_old_key(file: Path) -> None:
    old, old_key = _created(file)
    rotate(file, old.id, now=NOON, valid_for=30 * DAY, overlap=5 * DAY)
    assert KeyRing(file).holder(old_key, NOON + DAY) is None


def test_a_key_that_has_ended_is_not_rotated(file: Path) -> None:
    old, _ = _created(file)
    revoke(file, old.id, now=NOON)
    with pytest.raises(ParamsError, match=r"is revoked\. Make a new one"):
        rotate(file, old.id, now=NOON, valid_for=DAY, overlap=DAY)


def test_a_key_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(ParamsError, match=r"no key 'abc'.*lanes keys list"):
        revoke(file, "abc", now=NOON)


def test_changes_at_the_same_time_are_all_kept(file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: _created(file, name=f"n{number}")[0], range(40)))
    assert {key.id for key in read_keys(file)} == {key.id for key in made}


def test_changes_of_one_key_file_wait_for_each_other_also_through_a_link(
    file: Path, tmp_path: Path
) -> None:
    _created(file)
    (link := tmp_path / "elsewhere" / "keys.json").parent.mkdir()
    link.symlink_to(file)
    with ThreadPoolExecutor() as pool:

        def change(keys: tuple[ApiKey, ...]) -> tuple[tuple[ApiKey, ...], bool]:
            waits = pool.submit(_created, link)
            with pytest.raises(FutureTimeoutError):
                waits.result(timeout=0.3)
            return keys, True

        assert change_keys(file, change)
    assert len(read_keys(file)) == 2


def test_a_key_file_that_others_can_read_is_refused(file: Path) -> None:
    _created(file)
    file.chmod(0o640)
    with pytest.raises(ParamsError, match="chmod 600"):
        KeyRing(file)


@pytest.mark.parametrize("text", ["", "[]", '{"keys": [{"id": "x"}]}', '{"kyes": []}'])
def test_a_damaged_key_file_is_refused_and_not_replaced(file: Path, text: str) -> None:
    _created(file)
    file.write_text(text)
    with pytest.raises(ParamsError, match="restore it from a backup"):
        KeyRing(file)
    with pytest.raises(ParamsError):
        _created(file)
    assert file.read_text() == text


def test_a_file_damaged_while_we_run_leaves_the_keys_known_before(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made, key = _created(file)
    ring = KeyRing(file)
    kept = file.read_text()
    file.write_text("damaged")

    assert [ring.holder(key, NOON) for _ in range(3)] == [made] * 3
    (told,) = caplog.records
    assert told.message == "key file refused"
    assert "restore it from a backup" in vars(told)["detail"]
    file.write_text(kept.replace(made.id, "00000000"))
    assert ring.holder(key, NOON) is None


def test_a_file_taken_away_while_we_run_leaves_no_keys(file: Path) -> None:
    _, key = _created(file)
    ring = KeyRing(file)
    file.unlink()
    assert ring.holder(key, NOON) is None


def test_a_change_that_fails_leaves_the_file_as_it_was(file: Path) -> None:
    made, _ = _created(file)

    def fail(_: object) -> Any:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        change_keys(file, fail)
    assert read_keys(file) == (made,)
    assert {each.name for each in file.parent.iterdir()} == {"keys.json", ".keys.json.lock"}
    assert json.loads(file.read_text())["keys"]
