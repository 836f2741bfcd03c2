"""What was declared and found reaches the histories: live, after a restart, and once only."""

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import httpx
import pytest

from selectivity.deciding.modes import Mode
from selectivity.declaration import Declaration
from selectivity.errors import ConflictError, DecisionLogError
from selectivity.histories.aggregates import VALUES
from selectivity.histories.rows import rows_of
from selectivity.inspection import Inspection
from selectivity.lanes import Lane
from selectivity.record import DecisionRecord
from serving.app import create_app
from serving.deciding import catch_up, follow_log, lessons
from serving.deciding.assign import MOST_ROWS, assign, lodge_together
from serving.deciding.parts import Parts
from serving.deciding.receiving import receive
from serving.log.reader import LogReader
from serving.log.spool import SpoolingJournal
from serving.log.under_names import Lineages
from serving.start import assemble
from tests.builders import NOON, a_declaration, an_inspection, an_item
from tests.bundles import a_bundle
from tests.command_line import lanes_alone
from tests.logs import path_of
from tests.services import KEY, bearer, settings_in

QUANTITY = ({"item_no": 1, "mechanism": "QUANTITY"},)
FOUND = an_inspection(result="FINDING", findings=QUANTITY)


def trader_history(parts: Parts, *, after: int = 10) -> dict[str, float]:
    """What is known about the trader so many days later."""
    assert parts.predictor.bundle is not None
    (row,) = rows_of(a_declaration(accepted_at=NOON + timedelta(days=after)))
    values = zip(VALUES, parts.predictor.bundle.profiles.values(row), strict=True)
    return {
        value.measure: known
        for value, known in values
        if value.profile == "trader" and value.kind == "sum" and value.days is None
    }


def fold(folder: Path, events: Sequence[Declaration | Inspection], **fields: Any) -> Parts:
    """A service that took these in, closed again."""
    parts = assemble(settings_in(folder, **fields))

    async def take() -> None:
        for event in events:
            if isinstance(event, Declaration):
                await assign(event, parts)
            else:
                await receive(event, parts)

    asyncio.run(take())
    parts.log.close()
    return parts


def test_a_decision_and_its_inspection_are_known_afterwards(tmp_path: Path, bundle: Path) -> None:
    parts = fold(tmp_path, [a_declaration(), FOUND], bundle=bundle)
    known = trader_history(parts)
    assert (known["declared"], known["controlled"], known["physical"]) == (1, 1, 1)


def test_what_the_model_was_not_asked_about_is_known_as_well(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Parts, "mode", Mode.RULES_ONLY)
    assert trader_history(fold(tmp_path, [a_declaration()], bundle=bundle))["declared"] == 1


def test_goods_items_that_are_too_many_to_be_held_are_known_as_well(
    tmp_path: Path, bundle: Path
) -> None:
    many = tuple(an_item(item_no=number) for number in range(1, MOST_ROWS + 2))
    parts = fold(tmp_path, [a_declaration(items=many)], bundle=bundle)
    assert trader_history(parts)["declared"] == MOST_ROWS + 1


def test_where_one_declaration_fails_the_others_are_kept_in_one_transaction(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, kept = SpoolingJournal.keep, list[int]()

    def count(journal: SpoolingJournal, works: Sequence[Any]) -> list[Any]:
        kept.append(len(works))
        return keep(journal, works)

    monkeypatch.setattr(SpoolingJournal, "keep", count)
    parts = assemble(settings_in(tmp_path, bundle=bundle))
    decide = parts.predictor.decide

    def decide_or_fail(declaration: Declaration, **options: Any) -> DecisionRecord:
        if declaration.declaration_id == "D-2":
            raise RuntimeError("nobody expected this")
        time.sleep(0.02)  # so long that the first alone would be taken without the other
        return decide(declaration, **options)

    async def take() -> list[Any]:
        three = [a_declaration(declaration_id=f"D-{number}") for number in (1, 2, 3)]
        first, second, third = lodge_together(three, parts)
        assert isinstance(second, RuntimeError)
        assert not isinstance(first, Exception)
        assert not isinstance(third, Exception)
        return await asyncio.gather(first, third)

    monkeypatch.setattr(parts.predictor, "decide", decide_or_fail)
    told = asyncio.run(take())
    parts.log.close()
    assert [each.record.declaration_id for each in told] == ["D-1", "D-3"]
    assert kept == [2]


def test_a_version_that_joins_a_lineage_goes_by_those_under_its_own_id(
    tmp_path: Path, bundle: Path
) -> None:
    parts = assemble(settings_in(tmp_path, bundle=bundle))

    async def take() -> DecisionRecord:
        earlier = await assign(a_declaration(items=(an_item(hs_code=None),)), parts)
        (later,) = lodge_together([a_declaration(version_no=2, lineage_id="L-1")], parts)
        assert not isinstance(later, Exception)
        record = (await later).record  # the log would have it decided again
        assert record.earlier_lane is earlier.decision.lane
        return record

    asyncio.run(take())
    parts.log.close()


def test_one_that_is_never_kept_counts_for_no_later_version(tmp_path: Path) -> None:
    parts = assemble(settings_in(tmp_path))
    plain = a_declaration(declaration_id="D-2")
    ivory = a_declaration(declaration_id="D-2", items=(an_item(hs_code="050710"),))

    async def take() -> list[Any]:
        declared = [plain, ivory, plain, plain.model_copy(update={"version_no": 2})]
        lodged = lodge_together(declared, parts)
        futures = [each for each in lodged if not isinstance(each, Exception)]
        return await asyncio.gather(*futures, return_exceptions=True)

    first, conflicting, again, later = asyncio.run(take())
    parts.log.close()
    assert isinstance(conflicting, ConflictError)
    assert (again.record, again.new) == (first.record, False)
    assert first.record.decision.lane < Lane.RED  # which ivory is
    assert later.record.earlier_lane is first.record.decision.lane


def test_what_another_service_kept_is_no_conflict_though_a_twin_conflicts_with_it(
    tmp_path: Path,
) -> None:
    one, other = (assemble(settings_in(tmp_path)) for _ in range(2))
    plain = a_declaration(declaration_id="D-2")
    changed = a_declaration(declaration_id="D-2", seller_id="SEL2")

    async def take() -> list[Any]:
        await assign(plain, other)
        seen = one.log.lineages
        one.log.lineages = lambda names: Lineages([])  # type: ignore[method-assign]  # a moment old
        waiting = [asyncio.ensure_future(assign(each, one)) for each in (changed, plain)]
        for _ in range(3):
            await asyncio.sleep(0)
        one.log.lineages = seen  # type: ignore[method-assign]
        return await asyncio.gather(*waiting, return_exceptions=True)

    conflicting, answered = asyncio.run(take())
    for parts in (one, other):
        parts.log.close()
    assert isinstance(conflicting, ConflictError)
    assert answered.declaration_id == "D-2"


def test_what_came_twice_counts_once(tmp_path: Path, bundle: Path) -> None:
    parts = fold(tmp_path, [a_declaration(), a_declaration(), FOUND, FOUND], bundle=bundle)
    known = trader_history(parts)
    assert (known["declared"], known["controlled"]) == (1, 1)


def test_twins_that_come_together_count_once(tmp_path: Path, bundle: Path) -> None:
    parts = assemble(settings_in(tmp_path, bundle=bundle))

    async def take_twins() -> None:
        await asyncio.gather(*[assign(a_declaration(), parts) for _ in range(8)])

    asyncio.run(take_twins())
    parts.log.close()
    assert trader_history(parts)["declared"] == 1


@pytest.mark.parametrize("result", ["INCONCLUSIVE", "CANCELLED"])
def test_a_control_without_conclusion_is_no_control(
    tmp_path: Path, bundle: Path, result: str
) -> None:
    parts = fold(tmp_path, [a_declaration(), an_inspection(result=result)], bundle=bundle)
    assert trader_history(parts)["controlled"] == 0


def test_a_parked_inspection_counts_when_its_declaration_comes(
    tmp_path: Path, bundle: Path
) -> None:
    parts = fold(tmp_path, [FOUND, a_declaration()], bundle=bundle)
    assert trader_history(parts)["physical"] == 1


CORRECTED = an_inspection(inspection_id="I-2", observed_at=NOON + timedelta(days=2), corrects="I-1")
WITHDRAWN = an_inspection(
    inspection_id="I-3", observed_at=NOON + timedelta(days=4), corrects="I-2", result="CANCELLED"
)


@pytest.mark.parametrize("parked", [0, 1, 3])
@pytest.mark.parametrize("order", list(permutations((FOUND, CORRECTED, WITHDRAWN))))
def test_what_was_corrected_counts_until_then(
    tmp_path: Path, bundle: Path, order: tuple[Inspection, ...], parked: int
) -> None:
    events = [*order[:parked], a_declaration(), *order[parked:]]
    for parts in (fold(tmp_path, events, bundle=bundle), fold(tmp_path, [], bundle=bundle)):
        told = [trader_history(parts, after=days) for days in (2, 4, 10)]
        counted = [(known["controlled"], known["physical"]) for known in told]
        assert counted == [(1, 1), (1, 0), (0, 0)]


def test_what_was_corrected_is_taken_from_the_version_it_was_found_in(
    tmp_path: Path, bundle: Path
) -> None:
    other = a_declaration(version_no=2, importer_id="IMP2")
    parts = fold(tmp_path, [a_declaration(), FOUND, other, CORRECTED], bundle=bundle)
    assert trader_history(parts)["controlled"] == 0


def test_an_inspection_speaks_on_the_newest_version_accepted_before_its_result(
    tmp_path: Path, bundle: Path
) -> None:
    versions = [
        a_declaration(version_no=number, accepted_at=NOON + timedelta(days=day))
        for number, day in ((1, 0), (2, 5), (3, 9))
    ]
    results = [
        an_inspection(inspection_id=f"I{day}", observed_at=NOON + timedelta(days=day))
        for day in (3, 5, 20, -1)
    ]
    parts = fold(tmp_path, [*versions, *results], bundle=bundle)
    with closing(LogReader(parts.log.store)) as log:
        spoken_on = {
            each.inspection.inspection_id: each.decision and each.decision.record.version_no
            for each in log.inspections()
        }
    assert spoken_on == {"I3": 1, "I5": 2, "I20": 3, "I-1": 1}


TOO_EARLY = FOUND.model_copy(update={"observed_at": NOON - timedelta(seconds=1)})
PUT_RIGHT = FOUND.model_copy(update={"inspection_id": "I-2", "corrects": "I-1"})


@pytest.mark.parametrize(
    ("told", "physical"), [([TOO_EARLY], 0), ([TOO_EARLY, PUT_RIGHT], 1), ([FOUND], 1)]
)
def test_a_result_of_before_the_acceptance_teaches_nothing_until_it_is_corrected(
    tmp_path: Path, bundle: Path, told: list[Inspection], physical: int
) -> None:
    parked, *others = told
    first = fold(tmp_path, [parked, a_declaration(), *others], bundle=bundle)
    for parts in (first, fold(tmp_path, [], bundle=bundle)):
        assert trader_history(parts)["physical"] == physical
        assert trader_history(parts)["controlled"] == physical


def test_a_restarted_service_knows_what_it_knew(tmp_path: Path, bundle: Path) -> None:
    parked = an_inspection(inspection_id="I-2", declaration_id="D-9")
    events = [
        a_declaration(),
        FOUND,
        an_inspection(inspection_id="I-1b", observed_at=NOON + timedelta(days=3)),
        parked,
        a_declaration(version_no=2),
        a_declaration(declaration_id="D-3", importer_id="IMP2"),
    ]
    before = fold(tmp_path, events, bundle=bundle)
    after = fold(tmp_path, [], bundle=bundle)
    assert trader_history(after) == trader_history(before)


def test_a_log_that_is_read_in_parts_is_read_once_and_is_whole(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(catch_up, "AT_ONCE", 2)
    fold(tmp_path, [a_declaration(declaration_id=f"D-{no}") for no in range(7)], bundle=bundle)
    assert trader_history(fold(tmp_path, [], bundle=bundle))["declared"] == 7
    assert "altered" not in caplog.text


@pytest.mark.parametrize(
    ("learnt", "told"),
    [(0, [FOUND]), (0, []), (1, [FOUND])],  # last the finding alone looks at the declaration
)
def test_a_declaration_that_was_altered_in_the_log_is_checked_as_if_it_came_now(
    tmp_path: Path, learnt: int, told: list[Inspection]
) -> None:
    a_bundle(tmp_path / "first")
    log = fold(tmp_path, [a_declaration(), *told], bundle=tmp_path / "first").log
    upto = {"feedback_upto": {"log_id": log.log_id, "decision_seq": learnt, "inspection_seq": 0}}
    a_bundle(tmp_path / "second", trained_on=upto)
    alter(path_of(log), '"net_mass_kg":100.0', '"net_mass_kg":-1.0')
    with pytest.raises(DecisionLogError, match="altered from outside"):
        fold(tmp_path, [], bundle=tmp_path / "second")


def test_a_newest_decision_whose_time_lost_its_offset_is_no_time_of_ours(
    tmp_path: Path, bundle: Path
) -> None:
    log = fold(tmp_path, [a_declaration()], bundle=bundle).log
    alter(path_of(log), 'Z","bundle_digest"', '","bundle_digest"')
    with pytest.raises(DecisionLogError, match="altered from outside"):
        fold(tmp_path, [], bundle=bundle)


def test_what_was_altered_and_can_still_be_read_is_told_at_the_start(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = fold(tmp_path, [a_declaration(declaration_id="D-0"), a_declaration()], bundle=bundle).log
    fold(tmp_path, [], bundle=bundle)
    assert "altered" not in caplog.text
    alter(path_of(log), '"declaration_id":"D-1"', '"declaration_id":"D-2"')
    assert trader_history(fold(tmp_path, [], bundle=bundle))["declared"] == 2
    (told,) = [each for each in caplog.records if each.message == "record altered"]
    assert (told.levelname, vars(told)["no"]) == ("CRITICAL", 2)


def test_what_was_altered_is_told_with_its_number_where_all_is_decided_again(
    tmp_path: Path, bundle: Path
) -> None:
    many = [a_declaration(declaration_id=f"D-{number}") for number in range(3)]
    log = fold(tmp_path, many, bundle=bundle).log
    alter(path_of(log), '"declaration_id":"D-1"', '"declaration_id":"D-7"')
    told = lanes_alone(tmp_path, "replay", "--log", str(path_of(log)), LANES_BUNDLE=str(bundle))
    assert '"event": "record altered", "no": 2' in told.stderr


def test_a_decision_whose_link_was_taken_out_is_checked_before_a_finding_teaches_by_it(
    tmp_path: Path, bundle: Path
) -> None:
    first, last = (a_declaration(declaration_id=name) for name in ("D-0", "D-9"))
    log = fold(tmp_path, [first, a_declaration(), last, FOUND], bundle=bundle).log
    with closing(sqlite3.connect(path_of(log))) as connection, connection:
        connection.execute("DELETE FROM chain WHERE no = 2")
        connection.execute(
            "UPDATE decisions SET record = replace(record, ?, ?) WHERE seq = 2",
            ('"net_mass_kg":100.0', '"net_mass_kg":-1.0'),
        )
    with pytest.raises(DecisionLogError, match="altered from outside"):
        fold(tmp_path, [], bundle=bundle)


@pytest.mark.parametrize(
    ("done", "after"),
    [
        ("UPDATE chain SET seq = x'ff' WHERE kind = 'decision'", 0),
        ("UPDATE inspections SET decision_seq = x'31'", 1),
        ("DELETE FROM decisions", 1),  # which the bundle knows, and a finding speaks on
    ],
)
def test_a_place_in_which_nothing_of_ours_can_lie_is_told_and_teaches_nothing(
    tmp_path: Path, done: str, after: int
) -> None:
    a_bundle(tmp_path / "first")
    log = fold(tmp_path, [a_declaration(), FOUND], bundle=tmp_path / "first").log
    upto = {"feedback_upto": {"log_id": log.log_id, "decision_seq": 1, "inspection_seq": 0}}
    a_bundle(tmp_path / "second", trained_on=upto)
    with closing(sqlite3.connect(path_of(log))) as connection, connection:
        connection.execute(done)
    with pytest.raises(DecisionLogError, match="altered from outside"):
        fold(tmp_path, [], bundle=tmp_path / "second")
    with (
        closing(LogReader(path_of(log))) as reader,
        pytest.raises(DecisionLogError, match="altered from outside"),
    ):
        lessons.lessons(reader, after=after, at_most=9)  # by which a running service follows


def test_who_has_no_model_reads_what_others_wrote_once(tmp_path: Path) -> None:
    without = assemble(settings_in(tmp_path))
    follower = follow_log.LogFollower(without)
    with closing(LogReader(without.log.store)) as log:
        read = [asyncio.run(follower.teach_next(log))]
        fold(tmp_path, [a_declaration()])
        read += [asyncio.run(follower.teach_next(log)) for _ in range(2)]
    without.log.close()
    assert read == [0, 1, 0]


def test_histories_that_stand_still_at_an_altered_record_say_so_once_until_it_is_mended(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(follow_log, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(follow_log, "AWAY_SECONDS", 0.01)
    behind = assemble(settings_in(tmp_path, bundle=bundle))
    follower = follow_log.LogFollower(behind)
    whole, altered = '"net_mass_kg":100.0', '"net_mass_kg":-1.0'
    for number in range(2):  # what is mended and comes back alike is told again
        log = fold(tmp_path, [a_declaration(declaration_id=f"D-{number}")], bundle=bundle).log
        alter(path_of(log), whole, altered)
        follow_for_a_moment(follower)
        ready, metrics = asyncio.run(health_of(behind))
        assert ready["histories"] == "still"
        assert "altered from outside" in ready["detail"]
        assert "lanes_histories_still 1.0" in metrics
        alter(path_of(log), altered, whole)
        follow_for_a_moment(follower)
        ready, metrics = asyncio.run(health_of(behind))
        assert (ready["histories"], ready["detail"]) == ("ok", None)
        assert "lanes_histories_still 0.0" in metrics
    behind.log.close()
    told = [each for each in caplog.records if each.message.startswith("histories")]
    assert [each.message for each in told] == ["histories stand still", "histories go on"] * 2
    assert "altered from outside" in vars(told[0])["cause"]


async def health_of(parts: Parts) -> tuple[dict[str, Any], str]:
    """What a service of these says of itself, and what it has measured."""
    transport = httpx.ASGITransport(create_app(parts))
    here: dict[str, Any] = {"base_url": "http://service", "headers": bearer(KEY)}
    async with httpx.AsyncClient(transport=transport, **here) as client:
        ready, metrics = [await client.get(path) for path in ("/health/ready", "/metrics")]
    return ready.json(), metrics.text


def follow_for_a_moment(follower: follow_log.LogFollower) -> None:
    with suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(follower.follow(), 0.5))


def alter(file: Path, before: str, after: str) -> None:
    """Write something else into every decision, as whoever can write the file could."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE decisions SET record = replace(record, ?, ?)", (before, after))


def test_what_the_bundle_was_trained_on_is_not_counted_again(tmp_path: Path) -> None:
    a_bundle(tmp_path / "first")
    log = fold(tmp_path, [a_declaration(), FOUND], bundle=tmp_path / "first").log
    upto = {"feedback_upto": {"log_id": log.log_id, "decision_seq": 1, "inspection_seq": 1}}
    a_bundle(tmp_path / "second", history=(a_declaration(),), trained_on=upto)
    new = a_declaration(declaration_id="D-2")
    parts = fold(tmp_path, [new], bundle=tmp_path / "second")

    known = trader_history(parts)
    assert known["declared"] == 2
    assert known["controlled"] == 0  # the second bundle's snapshot is taken at its word


@pytest.mark.parametrize(("learnt", "lost"), [(1, False), (2, True)])
def test_a_bundle_that_learnt_more_than_the_log_holds_is_told(
    tmp_path: Path, learnt: int, lost: bool, caplog: pytest.LogCaptureFixture
) -> None:
    a_bundle(tmp_path / "first")
    log = fold(tmp_path, [a_declaration()], bundle=tmp_path / "first").log
    upto = {"feedback_upto": {"log_id": log.log_id, "decision_seq": learnt}}
    a_bundle(tmp_path / "second", trained_on=upto)
    fold(tmp_path, [], bundle=tmp_path / "second")
    assert ("bundle learnt decisions that the log lost" in caplog.text) == lost


def test_a_bundle_that_was_trained_on_another_log_knows_nothing_of_this_one(
    tmp_path: Path,
) -> None:
    upto = {"feedback_upto": {"log_id": "another", "decision_seq": 9, "inspection_seq": 9}}
    a_bundle(tmp_path / "bundle", trained_on=upto)
    fold(tmp_path, [a_declaration(), FOUND], bundle=tmp_path / "bundle")
    known = trader_history(fold(tmp_path, [], bundle=tmp_path / "bundle"))
    assert (known["declared"], known["controlled"]) == (1, 1)


def test_an_inspection_that_was_parked_in_training_counts_later(tmp_path: Path) -> None:
    a_bundle(tmp_path / "first")
    events = [a_declaration(declaration_id="D-0"), FOUND]
    log = fold(tmp_path, events, bundle=tmp_path / "first").log
    upto = {"feedback_upto": {"log_id": log.log_id, "decision_seq": 1, "inspection_seq": 1}}
    a_bundle(tmp_path / "second", trained_on=upto)
    fold(tmp_path, [a_declaration()], bundle=tmp_path / "second")
    parts = fold(tmp_path, [], bundle=tmp_path / "second")
    assert trader_history(parts)["physical"] == 1


def test_a_service_without_a_bundle_still_keeps_what_it_will_learn_from(
    tmp_path: Path, bundle: Path
) -> None:
    shutil.copytree(bundle, tmp_path / "late")
    fold(tmp_path, [a_declaration(), FOUND])
    parts = fold(tmp_path, [], bundle=tmp_path / "late")
    assert trader_history(parts)["physical"] == 1


@pytest.mark.parametrize("parts_of", [(2, 3, 2, 2), (9,), (1,) * 8])
def test_what_another_service_wrote_is_learnt_in_the_order_of_the_log(
    tmp_path: Path, bundle: Path, parts_of: tuple[int, ...]
) -> None:
    other = assemble(settings_in(tmp_path, bundle=bundle))
    of_nine = {"result": "FINDING", "findings": QUANTITY, "declaration_id": "D-9"}
    events = [
        a_declaration(),
        an_inspection(inspection_id="I-9", **of_nine),  # parked
        FOUND,
        a_declaration(version_no=2),
        an_inspection(inspection_id="I-1b", observed_at=NOON + timedelta(days=3)),
        a_declaration(declaration_id="D-3"),
        a_declaration(declaration_id="D-9"),
        an_inspection(inspection_id="I-9b", **of_nine),
    ]
    one = fold(tmp_path, events, bundle=bundle)
    for at_most in parts_of:
        upto = other.predictor.known_upto or 0
        some = lessons.lessons(other.log, after=upto, at_most=at_most)
        for lesson in [*some[1:], *some, *some]:  # one too early or known already teaches nothing
            lessons.fold(lesson, other.predictor)
    other.log.close()
    assert other.predictor.known_upto == one.predictor.known_upto == len(events)
    assert trader_history(other) == trader_history(one)
    assert trader_history(other)["physical"] == 3


def test_a_declaration_of_next_to_no_mass_stops_neither_learning_nor_the_next_start(
    tmp_path: Path, bundle: Path
) -> None:
    tiny = {"customs_value": 1e15, "net_mass_kg": 5e-324, "tariff_quantity": 5e-324}
    item = an_item(**tiny)
    live = fold(tmp_path, [a_declaration(items=(item,)), FOUND], bundle=bundle)
    later = fold(tmp_path, [], bundle=bundle)
    for parts in (live, later):
        known = trader_history(parts)
        assert (known["declared"], known["controlled"], known["physical"]) == (1, 1, 1)
