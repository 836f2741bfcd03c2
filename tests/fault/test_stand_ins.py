"""What speaks when the model in force does not: the last good one, then points, then rules."""

import asyncio
import dataclasses
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import Bundle, load, verify
from models.pointer import Pointer, read_pointer, write_pointer
from models.trees import TREES
from pipelines.publish import publish
from selectivity.actor import Actor
from selectivity.deciding.decision import Source
from selectivity.deciding.guard import OfficeCapacity
from selectivity.deciding.modes import Mode
from selectivity.deciding.office_loads import OfficeLoads
from selectivity.errors import DecisionLogError
from selectivity.lanes import Channel, Lane
from selectivity.mode_orders import ModeAsked, ModeStep
from selectivity.record import DecisionRecord
from serving.audit.replay import Replayed, replay
from serving.deciding.assign import assign, count, lodge
from serving.deciding.breaker import IN_A_ROW, REST_SECONDS, Breaker
from serving.deciding.catch_up import catch_up
from serving.deciding.draw_key import read_or_create_draw_key
from serving.deciding.follow_bundle import BundleFollower
from serving.deciding.follow_log import LogFollower
from serving.deciding.parts import Parts
from serving.deciding.predictor import Predictor
from serving.deciding.published import open_bundle
from serving.deciding.receiving import receive
from serving.deciding.successor import hand_over as successor_takes_over
from serving.log.keep import Kept
from serving.log.reader import LogReader
from serving.start import assemble, count_today, predictor_for
from tests.builders import NOON, a_declaration, an_inspection, an_item
from tests.bundles import NO_DRAWS, a_bundle
from tests.command_line import lanes
from tests.services import settings_in

NAN = np.full((1, 3), np.nan)
SECONDS = 5.0


RULES_ONLY = ModeStep(
    order_id="0" * 24,
    asked=ModeAsked(mode=Mode.RULES_ONLY, hours=72, reason="a test"),
    before=Mode.NORMAL,
    needs_second=False,
    ordered_by=Actor(id="a", name="An"),
    at=datetime.now(UTC),
)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Model:
    """The model of a bundle, but it fails, lies, or takes so long."""

    def __init__(self, bundle: Bundle, clock: Clock, *, takes: float = 0, says: Any = None) -> None:
        self.knowledge, self._model = bundle.model.knowledge, bundle.model
        self._clock, self.takes, self.says = clock, takes, says
        self.asked = 0

    def features_of_rows(self, *arguments: Any) -> Any:
        self.asked += 1
        self._clock.seconds += self.takes
        if self.says == "fails":
            raise RuntimeError("the model failed")
        return self._model.features_of_rows(*arguments)

    def assess(self, *arguments: Any) -> Any:
        risks = self._model.assess(*arguments)
        if self.says == "lies":
            return [risk._replace(probabilities=NAN) for risk in risks]
        return risks


def a_predictor(bundle: Path, **behaviour: Any) -> tuple[Predictor, Model, Clock]:
    clock, whole = Clock(), load(bundle)
    model = Model(whole, clock, **behaviour)
    replaced: Any = model
    predictor = Predictor.of_bundle(
        dataclasses.replace(whole, model=replaced),
        draw_key=b"k" * 32,
        seconds_allowed=0.25,
        clock=clock,
    )
    return predictor, model, clock


def decided(predictor: Predictor, number: int = 0, **options: Any) -> DecisionRecord:
    declaration = a_declaration(declaration_id=f"D-{number}")
    return predictor.decide(declaration, earlier_lane=None, now=NOON, **options)


def test_a_model_that_takes_too_long_is_left_alone_and_asked_again_later(bundle: Path) -> None:
    predictor, model, clock = a_predictor(bundle, takes=0.3)
    slow = [decided(predictor, number) for number in range(IN_A_ROW)]
    assert {record.decision.source for record in slow} == {Source.MODEL}
    resting = decided(predictor, 9)
    assert resting.decision.source is Source.SCORECARD
    assert resting.decision.fallback_cause == "MODEL_SLOW"
    assert model.asked == IN_A_ROW

    clock.seconds += REST_SECONDS
    assert decided(predictor, 10).decision.source is Source.MODEL  # slow still: it rests again
    assert decided(predictor, 11).decision.source is Source.SCORECARD
    clock.seconds, model.takes = clock.seconds + REST_SECONDS, 0
    back = [decided(predictor, number) for number in range(20, 30)]
    assert {record.decision.source for record in back} == {Source.MODEL}


@pytest.mark.parametrize(
    ("behaviour", "cause", "named"),
    [
        ({"takes": 0.3}, "MODEL_SLOW", 0),
        ({"says": "fails"}, "MODEL_ERROR", IN_A_ROW),
        ({"says": "lies"}, "MODEL_OUTPUT", IN_A_ROW),
    ],
)
def test_a_model_that_rests_is_told_once_with_the_declarations_that_led_to_it(
    bundle: Path, caplog: pytest.LogCaptureFixture, behaviour: Any, cause: str, named: int
) -> None:
    predictor, model, clock = a_predictor(bundle, **behaviour)
    for number in range(4 * IN_A_ROW):
        decided(predictor, number)
        clock.seconds += REST_SECONDS if number >= 2 * IN_A_ROW else 0
    model.takes, model.says = 0, None
    for number in range(50, 55):
        decided(predictor, number)
    told = [(each.message, vars(each)) for each in caplog.records]
    assert [message for message, _ in told] == ["model failed"] * named + [
        "model rests",
        "model answers again",
    ]
    failed, (_, rests) = told[:named], told[named]
    assert [what["declaration_id"] for _, what in failed] == [f"D-{no}" for no in range(named)]
    assert {what["cause"] for _, what in failed} | {rests["cause"]} == {cause}
    assert rests["bundle"] == predictor.bundle_digest


def test_one_slow_answer_among_quick_ones_is_nothing() -> None:
    clock = Clock()
    breaker = Breaker(0.25, clock)
    for number in range(50):
        began = clock()
        clock.seconds += 1.0 if number % IN_A_ROW else 0.0
        breaker.timed(began, 1)
    assert breaker.rests_because is None


def test_a_declaration_of_many_goods_items_may_take_longer() -> None:
    clock = Clock()
    breaker = Breaker(0.25, clock)
    for _ in range(IN_A_ROW):
        began = clock()
        clock.seconds += 4.9
        breaker.timed(began, 2_000)
    assert breaker.rests_because is None


@pytest.mark.parametrize(("says", "cause"), [("fails", "MODEL_ERROR"), ("lies", "MODEL_OUTPUT")])
def test_the_last_good_model_speaks_for_one_that_gives_nothing_usable(
    bundle: Path, says: str, cause: str
) -> None:
    predictor, model, _ = a_predictor(bundle, says=says)
    predictor.last_good, *_ = a_predictor(bundle)
    records = [decided(predictor, number) for number in range(IN_A_ROW + 3)]
    assert {each.decision.source for each in records} == {Source.LAST_GOOD}
    assert {each.decision.fallback_cause for each in records} == {cause}
    assert all(each.scores and each.model_digest for each in records)
    assert model.asked == IN_A_ROW


def test_a_model_that_lies_of_what_comes_together_is_left_alone_too(bundle: Path) -> None:
    predictor, model, _ = a_predictor(bundle, says="lies")
    causes = []
    for number in range(IN_A_ROW + 3):
        declaration = a_declaration(declaration_id=f"D-{number}")
        (assessment,) = predictor.assess([declaration], Mode.NORMAL)
        causes.append(decided(predictor, number, assessment=assessment).decision.fallback_cause)
    assert set(causes) == {"MODEL_OUTPUT"}
    assert model.asked == IN_A_ROW


def test_when_both_models_fail_the_points_table_decides(bundle: Path) -> None:
    predictor, *_ = a_predictor(bundle, says="fails")
    predictor.last_good, *_ = a_predictor(bundle, says="fails")
    record = decided(predictor)
    assert record.decision.source is Source.SCORECARD
    assert record.decision.fallback_cause == "MODEL_ERROR"
    assert record.model_digest is None
    assert record.decision.reasons[0].code == "SCORECARD"


def test_what_is_asked_first_is_the_best_there_is(bundle: Path) -> None:
    predictor, *_ = a_predictor(bundle)
    first = [predictor.source]
    predictor.last_good, *_ = a_predictor(bundle)
    for gone in ("bundle", "last_good", "scorecard"):
        setattr(predictor, gone, None)
        first.append(predictor.source)
    assert first == [Source.MODEL, Source.LAST_GOOD, Source.SCORECARD, Source.FALLBACK]


def test_the_points_table_speaks_beside_the_model_on_every_decision(bundle: Path) -> None:
    predictor, *_ = a_predictor(bundle)
    record = decided(predictor)
    table = load(bundle).scorecard
    assert record.decision.shadow == table.judge(record.declaration())
    assert record.decision.source is Source.MODEL


@pytest.mark.parametrize("mode", [Mode.RULES_ONLY, Mode.MANUAL])
def test_a_mode_without_the_model_does_not_ask_it(bundle: Path, mode: Mode) -> None:
    predictor, model, _ = a_predictor(bundle)
    predictor.last_good, behind, _ = a_predictor(bundle)
    assert list(predictor.assess([a_declaration()], mode)) == [None]
    record = decided(predictor, mode=mode)
    assert (model.asked, behind.asked) == (0, 0)
    assert record.decision.fallback_cause == f"MODE_{mode}"
    assert record.decision.mode is mode
    assert record.scores == ()


# --- the same in a service, and decided again by an auditor


def replayed(folder: Path, **fields: Any) -> Replayed:
    settings = settings_in(folder, **fields)
    return replay(LogReader(settings.log_file), settings)


def take(parts: Parts, name: str, count: int = 12, **fields: Any) -> list[DecisionRecord]:
    async def each() -> list[DecisionRecord]:
        records = []
        for number in range(count):
            id_ = f"{name}-{number}"
            declaration = a_declaration(
                declaration_id=id_,
                importer_id=f"IMP{number % 3}",
                importer_compliance_level=(1, 3, 5)[number % 3],
                items=(an_item(customs_value=50.0 * 4 ** (number % 4)),),
                **fields,
            )
            records.append(await assign(declaration, parts))
            if number % 4 == 0:
                await receive(an_inspection(inspection_id=id_, declaration_id=id_), parts)
        return records

    return asyncio.run(each())


def break_model(predictor: Predictor) -> None:
    assert predictor.bundle is not None
    failing: Any = Model(predictor.bundle, Clock(), says="fails")
    predictor.bundle = dataclasses.replace(predictor.bundle, model=failing)


def hand_over(
    parts: Parts,
    bundle: Path,
    *,
    until: Callable[[], bool],
    made: Callable[[], None] = lambda: None,
    **how: Any,
) -> None:
    """Publish a bundle while a service follows, and wait for it; `made` is called when another
    predictor is."""

    def prepare() -> Predictor:
        made()
        return predictor_for(parts.settings, read_or_create_draw_key(parts.settings.draw_key_file))

    async def follow() -> None:
        follower = BundleFollower(parts, prepare, lambda *_: None)
        task = asyncio.create_task(follower.follow())
        publish(bundle, parts.settings.published, by="a manager", at=NOON, **how)
        while not until():
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(follow())


def test_after_a_handover_the_one_before_is_kept_warm_and_speaks_when_the_new_one_fails(
    tmp_path: Path, bundle: Path
) -> None:
    first = tmp_path / "first"
    a_bundle(first, seed=1)
    published = tmp_path / "published"
    publish(first, published, by="a manager", at=NOON)
    settings = settings_in(tmp_path, follow_seconds=0.1)
    parts = assemble(settings)
    take(parts, "A")

    hand_over(parts, bundle, until=lambda: parts.predictor.last_good is not None)
    take(parts, "B")
    break_model(parts.predictor)
    by_last_good = take(parts, "C")
    new, old = verify(bundle)[0], verify(first)[0]
    assert {each.decision.source for each in by_last_good} == {Source.LAST_GOOD}
    assert {(each.bundle_digest, each.model_digest) for each in by_last_good} == {(new, old)}
    assert [each.known_upto for each in by_last_good][:2] == [30, 32]  # it learns along
    assert parts.predictor.last_good is not None
    break_model(parts.predictor.last_good)
    by_points = take(parts, "D")
    assert {each.decision.source for each in by_points} == {Source.SCORECARD}
    parts.log.close()
    found = replayed(tmp_path)
    assert found.all_equal, found.line
    assert found.equal == 48


def follow_until(parts: Parts, done: Callable[[], bool]) -> None:
    async def follow() -> None:
        task = asyncio.create_task(LogFollower(parts).follow())
        async with asyncio.timeout(SECONDS):
            while not done():
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(follow())


def _damage(folder: Path) -> None:
    with (folder / TREES[0]).open("ab") as stream:
        stream.write(b" ")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize("damage", [_damage, _remove])
def test_the_bundle_before_serves_from_the_start_if_the_published_one_is_refused(
    tmp_path: Path, bundle: Path, damage: Callable[[Path], None]
) -> None:
    first, published = tmp_path / "first", tmp_path / "published"
    a_bundle(first, seed=1)
    for each in (first, bundle):
        publish(each, published, by="a manager", at=NOON)
    new, old = verify(bundle)[0], verify(first)[0]
    damage(published / new[:16])
    parts = assemble(settings_in(tmp_path))
    assert parts.predictor.source is Source.LAST_GOOD
    records = take(parts, "A")
    parts.log.close()
    assert {each.decision.source for each in records} == {Source.LAST_GOOD}
    assert {each.decision.fallback_cause for each in records} == {"BUNDLE_REFUSED"}
    assert {each.model_digest for each in records} == {old}
    assert {each.bundle_digest for each in records} == {new if damage is _damage else old}
    assert replayed(tmp_path).all_equal
    whose = "refused" if damage is _damage else "last good"
    told = lanes(tmp_path, "check").stdout
    assert f"of the {whose} bundle, version {records[0].rules_version}\n" in told


def test_another_bundle_in_the_place_of_the_one_before_does_not_serve(
    tmp_path: Path, bundle: Path
) -> None:
    first, other, published = (tmp_path / name for name in ("first", "other", "published"))
    for seed, folder in enumerate((first, other), start=1):
        a_bundle(folder, seed=seed)
    for each in (first, bundle):
        publish(each, published, by="a manager", at=NOON)
    new, old = verify(bundle)[0], verify(first)[0]
    _damage(published / new[:16])
    _remove(published / old[:16])
    shutil.copytree(other, published / old[:16])
    opened = open_bundle(settings_in(tmp_path))
    assert (opened.bundle, opened.cause) == (None, "BUNDLE_REFUSED")
    assert opened.last_good is None


@pytest.mark.parametrize("in_force", ["has no model", "knows more"])
def test_the_model_behind_learns_what_other_services_wrote(
    tmp_path: Path, bundle: Path, in_force: str
) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    parts, other = assemble(settings), assemble(settings)
    behind = Predictor.of_bundle(load(bundle), draw_key=b"k" * 32)
    behind.known_upto = 0
    take(other, "A", 4)
    if in_force == "knows more":
        catch_up(parts.predictor, other.log)
    else:
        parts.predictor.bundle = None
    parts.predictor.last_good = behind

    follow_until(parts, lambda: behind.known_upto == other.log.head().no)
    known, head = behind.known_upto, other.log.head().no
    for each in (parts, other):
        each.log.close()
    assert known == head == 5


def test_a_bundle_that_was_taken_back_is_not_the_one_to_fall_back_on(
    tmp_path: Path, bundle: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    a_bundle(one, seed=1)
    a_bundle(two, seed=2)
    published = tmp_path / "published"
    for each in (one, bundle, two):
        publish(each, published, by="a manager", at=NOON)
    assert _previous(published) == verify(bundle)[0][:16]
    publish(bundle, published, by="a manager", at=NOON, rollback=True)
    assert _previous(published) == verify(one)[0][:16]


def test_a_bundle_that_was_taken_back_is_not_kept_warm(tmp_path: Path, bundle: Path) -> None:
    one = tmp_path / "one"
    a_bundle(one, seed=1)
    publish(one, tmp_path / "published", by="a manager", at=NOON)
    parts = assemble(settings_in(tmp_path, follow_seconds=0.1))
    new, old = verify(bundle)[0], verify(one)[0]
    hand_over(parts, bundle, until=lambda: parts.predictor.bundle_digest == new)
    hand_over(parts, one, until=lambda: parts.predictor.bundle_digest == old, rollback=True)
    parts.log.close()
    assert parts.predictor.last_good is None


@pytest.mark.parametrize("works", [True, False])
def test_while_a_bundle_is_made_one_that_works_has_none_behind_it(
    tmp_path: Path, bundle: Path, works: bool
) -> None:
    one, two, published = tmp_path / "one", tmp_path / "two", tmp_path / "published"
    a_bundle(one, seed=1)
    a_bundle(two, seed=2)
    publish(one, published, by="a manager", at=NOON)
    parts = assemble(settings_in(tmp_path, follow_seconds=0.1))
    first, second, third = (verify(each)[0] for each in (one, bundle, two))
    hand_over(parts, bundle, until=lambda: parts.predictor.bundle_digest == second)
    if not works:
        for _ in range(IN_A_ROW):
            parts.predictor.breaker.failed("MODEL_ERROR")
    behind = list[str | None]()

    def look() -> None:
        last_good = parts.predictor.last_good
        behind.append(last_good and last_good.bundle_digest)

    hand_over(parts, two, until=lambda: parts.predictor.bundle_digest == third, made=look)
    parts.log.close()
    assert behind == [None if works else first]
    assert parts.predictor.last_good is not None
    assert parts.predictor.last_good.bundle_digest == (second if works else first)


def test_going_back_to_the_bundle_that_is_kept_warm_makes_nothing_and_loses_nothing(
    tmp_path: Path, bundle: Path
) -> None:
    one = tmp_path / "one"
    a_bundle(one, seed=1)
    publish(one, tmp_path / "published", by="a manager", at=NOON)
    parts = assemble(settings_in(tmp_path, follow_seconds=0.1))
    new, old = verify(bundle)[0], verify(one)[0]
    take(parts, "A")
    hand_over(parts, bundle, until=lambda: parts.predictor.bundle_digest == new)
    take(parts, "B")
    made = list[int]()
    hand_over(
        parts,
        one,
        until=lambda: parts.predictor.bundle_digest == old,
        made=lambda: made.append(1),
        rollback=True,
    )
    take(parts, "C")
    parts.log.close()
    assert made == []
    assert parts.predictor.last_good is None
    found = replayed(tmp_path)
    assert found.all_equal, found.line
    assert found.equal == 36


def _previous(published: Path) -> str | None:
    pointer = read_pointer(published)
    assert pointer is not None
    return pointer.previous


def test_points_and_rules_of_a_damaged_bundle_hold_and_are_replayed(
    tmp_path: Path, bundle: Path
) -> None:
    digest = verify(bundle)[0]
    pointer = Pointer.to(digest, version=1, by="a manager", at=NOON)
    shutil.copytree(bundle, tmp_path / "published" / pointer.bundle)
    write_pointer(tmp_path / "published", pointer)
    _damage(tmp_path / "published" / pointer.bundle)
    parts = assemble(settings_in(tmp_path))
    records = take(parts, "A")
    parts.log.close()
    assert {each.decision.source for each in records} == {Source.SCORECARD}
    assert {each.bundle_digest for each in records} == {digest}
    assert {each.decision.lane for each in records} == {Lane.GREEN, Lane.YELLOW, Lane.RED}
    assert replayed(tmp_path).all_equal


def test_a_guarded_office_is_counted_over_a_restart_and_replayed(tmp_path: Path) -> None:
    office = OfficeCapacity(yellow=3, red=2)
    policy = NO_DRAWS.model_copy(update={"offices": {"OFF01": office}})
    bundle = tmp_path / "bundle"
    a_bundle(bundle, policy=policy)
    records: list[DecisionRecord] = []
    for name in ("A", "B", "C"):
        parts = assemble(settings_in(tmp_path, bundle=bundle))
        parts.orders = [RULES_ONLY] if name == "B" else []
        records += take(parts, name, 20)
        parts.log.close()
    rooms = [each.decision.room for each in records if each.decision.room]
    for lane in (Lane.YELLOW, Lane.RED):
        taken = [room.taken for room in rooms if room.lane is lane]
        assert taken == sorted(taken)
    assert any(each.decision.channel is Channel.CAPACITY for each in records)
    assert sum(each.decision.lane is Lane.RED for each in records) <= 3
    found = replayed(tmp_path, bundle=bundle)
    assert found.all_equal, found.line


@pytest.mark.parametrize("model", [True, False])
def test_several_services_on_one_log_guard_an_office_together(tmp_path: Path, model: bool) -> None:
    office = OfficeCapacity(yellow=1_000, red=4)
    bundle = tmp_path / "bundle"
    a_bundle(bundle, policy=NO_DRAWS.model_copy(update={"offices": {"OFF01": office}}))
    if not model:
        (bundle / "finding.txt").write_text("altered")
    settings = settings_in(tmp_path, bundle=bundle)
    services = [assemble(settings) for _ in range(2)]
    records: list[DecisionRecord] = []
    for round_ in range(3):
        for at, parts in enumerate(services):
            records += take(parts, f"{round_}{at}", 12)
            for each in services:
                follow_until(each, partial(counted, each, len(records)))
    for parts in services:
        parts.log.close()
    assert {each.decision.source for each in records} == {
        Source.MODEL if model else Source.SCORECARD
    }
    assert sum(each.decision.lane is Lane.RED for each in records) == 5  # 1.25 times a normal day
    assert replayed(tmp_path, bundle=bundle).all_equal


def test_what_others_decided_counts_in_a_service_that_takes_a_guarding_bundle_over(
    tmp_path: Path, bundle: Path
) -> None:
    office = OfficeCapacity(yellow=1_000, red=4)
    guarding = tmp_path / "guarding"
    a_bundle(guarding, policy=NO_DRAWS.model_copy(update={"offices": {"OFF01": office}}))
    one, other = (assemble(settings_in(tmp_path, bundle=bundle)) for _ in range(2))
    take(other, "A", 12)
    catch_up(one.predictor, other.log)  # so that nothing is left to be read from the log

    async def take_over() -> None:
        successor = Predictor.of_bundle(load(guarding), draw_key=b"k" * 32)

        def make(log: LogReader) -> Predictor:
            catch_up(successor, log)
            return successor

        await successor_takes_over(one, make)

    asyncio.run(take_over())
    number = counted(one, 12)
    for parts in (one, other):
        parts.log.close()
    assert number


def test_what_comes_late_of_earlier_days_leaves_the_count_of_today(
    tmp_path: Path, bundle: Path
) -> None:
    parts = assemble(settings_in(tmp_path, bundle=bundle))
    parts.now = lambda: NOON
    (today,) = take(parts, "A", 1)
    for days in range(1, 5):
        late = {"decided_at": NOON - timedelta(days=days), "declaration_id": f"D-{days}"}
        count(today.model_copy(update=late), parts)
    parts.log.close()
    assert counted(parts, 1)


def counted(parts: Parts, number: int) -> bool:
    office = parts.loads.of("OFF01", parts.now())
    return sum(office.taken(lane) for lane in Lane) == number


def test_what_is_sent_twice_at_the_same_moment_takes_one_place_of_its_office(
    tmp_path: Path, bundle: Path
) -> None:
    parts, sent = assemble(settings_in(tmp_path, bundle=bundle)), a_declaration()
    parts.now = lambda: NOON

    async def twice() -> list[Kept]:
        return await asyncio.gather(*[lodge(sent, parts) for _ in range(2)])

    kept = asyncio.run(twice())
    parts.log.close()
    assert [each.new for each in kept] == [True, False]
    office = parts.loads.of(sent.declaration_office, NOON)
    assert sum(office.taken(lane) for lane in Lane) == 1


def test_the_guard_holds_when_the_clock_jumps_ahead_and_back_also_over_a_restart(
    tmp_path: Path,
) -> None:
    office = OfficeCapacity(yellow=1_000, red=4)
    bundle = tmp_path / "bundle"
    a_bundle(bundle, policy=NO_DRAWS.model_copy(update={"offices": {"OFF01": office}}))
    day, records = timedelta(days=1), list[DecisionRecord]()
    for start, clocks in enumerate(((0, 400), (0, -1, 0), (0, 400, 0))):
        parts = assemble(settings_in(tmp_path, bundle=bundle))
        for at, ahead in enumerate(clocks):
            parts.now = lambda ahead=ahead: NOON + ahead * day  # type: ignore[misc]
            parts.loads = OfficeLoads() if at == 0 else parts.loads
            if at == 0:
                count_today(parts)
            records += take(parts, f"{start}{at}", 12)
        parts.log.close()
    today = [each for each in records if each.decided_at == NOON]
    assert len(today) == 60
    assert sum(each.decision.lane is Lane.RED for each in today) == 5  # 1.25 times its normal day


def test_what_was_not_kept_takes_no_place_of_its_office(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, sent = assemble(settings_in(tmp_path, bundle=bundle)), a_declaration()
    parts.now = lambda: NOON

    async def not_kept() -> None:
        failed: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        monkeypatch.setattr(parts.log, "append", lambda *_, **__: failed)
        kept = lodge(sent, parts)
        office = parts.loads.of(sent.declaration_office, NOON)
        assert sum(office.taken(lane) for lane in Lane) == 1
        failed.set_exception(DecisionLogError("the disk is full"))
        await asyncio.wait([kept])
        await asyncio.sleep(0)
        assert sum(office.taken(lane) for lane in Lane) == 0

    asyncio.run(not_kept())
    parts.log.close()
