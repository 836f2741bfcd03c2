"""An auditor decides again on everything in the log, and gets the same for the same reasons."""

import asyncio
import dataclasses
import random
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import PROFILES_FILE, Bundle, seal
from models.rules_files import read_rules
from selectivity.deciding.policy import Policy
from selectivity.deciding.random_stratum import RandomPolicy
from selectivity.declaration import Declaration
from selectivity.inspection import Inspection
from selectivity.lanes import LINEAGE, Lane
from serving.audit.replay import Replayed, replay
from serving.deciding.assign import assign
from serving.deciding.parts import Parts
from serving.deciding.predictor import MODEL_ERROR
from serving.deciding.receiving import receive
from serving.log.kept_texts import read_record
from serving.log.reader import LogReader
from serving.start import assemble
from tests.builders import NOON, a_declaration, an_inspection, an_item
from tests.bundles import a_bundle
from tests.command_line import lanes
from tests.logs import path_of
from tests.services import settings_in

DRAWS = Policy(id="draws", random=RandomPolicy(yellow=0.3, red=0.2))
FOUND = ({"item_no": 1, "mechanism": "QUANTITY"},)
Event = Declaration | Inspection


def months_of_trade(chance: random.Random, name: str, count: int = 40) -> list[Event]:
    """Few importers over many days, amended now and then, inspected before or after."""
    events: list[Event] = []
    for number in range(count):
        id_ = f"{name}-{number}"
        day = NOON + timedelta(days=number if chance.random() < 0.9 else chance.randrange(count))
        code = chance.choice(["610910", "870323", "050710", "999999"])
        declaration = a_declaration(
            declaration_id=id_,
            accepted_at=day,
            importer_id=f"IMP{chance.randrange(4)}",
            lineage_id=f"{name}-L{chance.randrange(count)}" if chance.random() < 0.3 else None,
            items=(an_item(hs_code=code, customs_value=chance.uniform(1, 9_000)),),
        )
        finding = {"result": "FINDING", "findings": FOUND} if chance.random() < 0.5 else {}
        inspection = an_inspection(
            inspection_id=f"I-{id_}", declaration_id=id_, observed_at=day, **finding
        )
        both: list[Event] = [declaration, inspection]
        chance.shuffle(both)
        events += both
        if chance.random() < 0.2:
            events.append(declaration.model_copy(update={"version_no": 2}))
    return events


def served(folder: Path, events: Sequence[Event], *, at_once: int = 1, **fields: Any) -> Parts:
    """A service that took these in, so many at a time, and was stopped."""
    parts = assemble(settings_in(folder, **fields))

    async def take(event: Event) -> None:
        if isinstance(event, Declaration):
            await assign(event, parts)
        else:
            await receive(event, parts)

    async def take_all() -> None:
        for first in range(0, len(events), at_once):
            await asyncio.gather(*map(take, events[first : first + at_once]))

    asyncio.run(take_all())
    parts.log.close()
    return parts


def replayed(folder: Path, **fields: Any) -> Replayed:
    settings = settings_in(folder, **fields)
    return replay(LogReader(settings.log_file), settings)


def published(folder: Path, **fields: Any) -> Path:
    """A bundle in the folder of published bundles, under its own name."""
    digest = a_bundle(folder / "new", **fields)
    return (folder / "new").rename(folder / "published" / digest[:16])


@pytest.fixture
def chance() -> random.Random:
    return random.Random(11)


def test_every_decision_comes_out_the_same(tmp_path: Path, chance: random.Random) -> None:
    (tmp_path / "published").mkdir()
    first = published(tmp_path, policy=DRAWS)
    served(tmp_path, months_of_trade(chance, "A"), at_once=16, bundle=first)
    served(tmp_path, months_of_trade(chance, "B"), bundle=first)
    served(tmp_path, months_of_trade(chance, "C", 10))  # no bundle is in force for a while
    log_id = LogReader(settings_in(tmp_path).log_file).log_id
    upto = {"feedback_upto": {"log_id": log_id, "decision_seq": 60, "inspection_seq": 30}}
    second = published(tmp_path, policy=DRAWS, seed=1, trained_on=upto)
    served(tmp_path, months_of_trade(chance, "D"), at_once=7, bundle=second)
    served(tmp_path, months_of_trade(chance, "E", 10), bundle=first)

    found = replayed(tmp_path)
    assert found.all_equal, found.line
    assert found.equal > 140
    told = lanes(tmp_path, "replay").stdout
    assert told.startswith(f"{found.equal} decisions replayed and equal. Not shown: ")


def test_a_log_that_another_process_writes_too_is_replayed(tmp_path: Path, bundle: Path) -> None:
    one, other = (assemble(settings_in(tmp_path, bundle=bundle)) for _ in range(2))

    async def take_turns() -> None:
        for number in range(6):
            day = NOON + timedelta(days=number)
            await assign(a_declaration(declaration_id=f"D-{number}", accepted_at=day), one)
            await assign(a_declaration(declaration_id=f"E-{number}", accepted_at=day), other)

    asyncio.run(take_turns())
    for parts in (one, other):
        parts.log.close()
    found = replayed(tmp_path, bundle=bundle)
    assert found.all_equal, found.line
    assert found.equal == 12


def test_what_went_through_the_spool_is_replayed(tmp_path: Path, bundle: Path) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    parts = assemble(settings)

    async def decide(*names: str) -> None:
        for name in names:
            await assign(a_declaration(declaration_id=name), parts)

    asyncio.run(decide("D-1", "D-2"))
    with closing(sqlite3.connect(settings.log_file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        asyncio.run(decide("D-3", "D-4"))
    asyncio.run(decide("D-5"))
    parts.log.close()
    served(tmp_path, [a_declaration(declaration_id="D-6")], bundle=bundle)

    found = replayed(tmp_path, bundle=bundle)
    assert found.all_equal, found.line
    assert found.equal == 6


def test_a_decision_that_does_not_follow_is_named_with_what_differs(
    tmp_path: Path, bundle: Path
) -> None:
    parts = served(tmp_path, [a_declaration(), a_declaration(declaration_id="D-2")], bundle=bundle)
    kept = path_of(parts.log)
    with closing(sqlite3.connect(kept)) as connection, connection:
        (risk,) = connection.execute(
            "UPDATE decisions SET record = json_set(record, '$.decision.risk', 0.5) WHERE seq = 2 "
            "RETURNING json_extract(record, '$.decision.risk')"
        ).fetchone()
    ended = lanes(tmp_path, "replay", LANES_BUNDLE=str(bundle))
    assert risk == 0.5
    assert ended.exit_code == 42
    differing = "1 differing, none of them in the lane, first decision on 'D-2'"
    assert f"1 decisions replayed and equal; {differing}" in ended.stderr
    assert "decision.risk was 0.5 and is 0." in ended.stderr
    assert ended.stderr.count("\n") == 1
    with closing(sqlite3.connect(kept)) as connection, connection:
        connection.execute(
            "UPDATE decisions SET record = json_set(record, '$.decision.lane', 'GREEN') "
            "WHERE seq = 2"
        )
    assert "1 differing, 1 of them in the lane, first" in replayed(tmp_path, bundle=bundle).line


def test_what_was_decided_before_a_day_is_left_out_and_known_all_the_same(
    tmp_path: Path, bundle: Path
) -> None:
    """Other software may have worked features out otherwise, which is no news for ever after."""
    first, second = a_declaration(), a_declaration(declaration_id="D-2")
    parts = served(tmp_path, [first, second], bundle=bundle)
    with closing(sqlite3.connect(path_of(parts.log))) as connection, connection:
        connection.execute(
            "UPDATE decisions SET record = json_set(record, '$.decision.risk', 0.5, "
            "'$.decided_at', '2026-03-01T23:59:59Z') WHERE seq = 1"
        )
    told = {
        since: lanes(tmp_path, "replay", "--since", since, LANES_BUNDLE=str(bundle))
        for since in ("2026-03-01", "2026-03-02", "2026-03-02T06:59:59+07:00")
    }
    assert [each.exit_code for each in told.values()] == [42, 0, 42]
    assert told["2026-03-02"].stdout.startswith(
        "1 decisions replayed and equal; 1 of before left out. "
    )


def test_records_that_tell_first_of_an_earlier_green_lane_are_replayed(tmp_path: Path) -> None:
    """Software of before gave its channel, and it as the first of two reasons."""
    trusted = {"importer_compliance_level": 2, "lineage_id": "L"}
    versions = [a_declaration(version_no=number, **trusted) for number in (1, 2)]
    parts = served(tmp_path, versions)
    with closing(sqlite3.connect(path_of(parts.log))) as connection, connection:
        ((text,),) = connection.execute(
            "UPDATE decisions SET record = json_set(record, '$.decision.channel', 'RULE', "
            "'$.decision.reasons', json_array(json_extract(record, '$.decision.votes[0].reason'), "
            "json_extract(record, '$.decision.reasons[0]'))) WHERE seq = 2 RETURNING record"
        ).fetchall()
    decision = read_record(text).decision
    assert decision.lane is Lane.GREEN
    assert [reason.code for reason in decision.reasons][:1] == [LINEAGE]
    assert len({reason.code for reason in decision.reasons}) == 2
    found = replayed(tmp_path)
    assert found.all_equal, found.line
    assert found.equal == 2


def test_what_a_decision_rested_on_and_is_not_at_hand_is_named(
    tmp_path: Path, bundle: Path
) -> None:
    shutil.copytree(bundle, tmp_path / "gone")
    parts = served(tmp_path, [a_declaration()], bundle=tmp_path / "gone")
    served(tmp_path, [a_declaration(declaration_id="D-2")])
    digest = str(parts.predictor.bundle_digest)[:16]
    a_bundle(tmp_path / "published" / digest, seed=1)  # a whole bundle under the name of another
    some_rules = settings_in(tmp_path).rules_files()[0]

    found = replayed(tmp_path, rules=some_rules)
    assert read_rules([some_rules]).rules
    assert (found.equal, found.differing) == (0, 0)
    assert f"1 not replayed: bundle {digest} (LANES_PUBLISHED)" in found.line
    assert "1 not replayed: rules of version " in found.line


def test_a_decision_by_a_bundle_of_other_software_is_not_said_to_lack_it(
    tmp_path: Path, bundle: Path
) -> None:
    of_before = tmp_path / "published/of_before"
    shutil.copytree(bundle, of_before)
    with np.load(bundle / PROFILES_FILE) as arrays:
        np.savez(of_before / PROFILES_FILE, **dict(list(arrays.items())[:-1]))
    digest = seal(of_before, {"source": "tests"})
    of_before.rename(tmp_path / "published" / digest[:16])
    parts = served(tmp_path, [a_declaration()], bundle=bundle)
    with closing(sqlite3.connect(path_of(parts.log))) as connection, connection:
        connection.execute(
            "UPDATE decisions SET record = json_set(record, '$.bundle_digest', ?, "
            "'$.model_digest', ?)",
            (digest, digest),
        )
    assert replayed(tmp_path).line.endswith(
        f"1 not replayed: bundle {digest[:16]} was made by another version of this software"
    )
    told = lanes(tmp_path, "explain", "D-1").stderr
    assert "was made by another version of this software. Ask the version that decided" in told
    assert "is not a file in the archive. Another version of this software made it: train" in (
        lanes(tmp_path, "check", LANES_BUNDLE=str(tmp_path / "published" / digest[:16])).stderr
    )


def test_another_draw_key_replays_nothing(tmp_path: Path) -> None:
    served(tmp_path, [a_declaration()])
    other = tmp_path / "other.key"
    other.touch(mode=0o600)
    other.write_text("6f" * 32)
    found = replay(
        LogReader(settings_in(tmp_path).log_file),
        settings_in(tmp_path).model_copy(update={"draw_key": other}),
    )
    assert (found.equal, found.differing, sum(found.not_replayed.values())) == (0, 0, 1)
    assert "LANES_DRAW_KEY" in found.line


def test_what_cannot_be_decided_again_is_not_proven(tmp_path: Path, bundle: Path) -> None:
    served(tmp_path, [a_declaration()], bundle=bundle)
    ended = lanes(tmp_path, "replay")  # without the bundle
    assert ended.exit_code == 42
    assert "0 decisions replayed and equal" in ended.stderr


def test_an_absent_draw_key_is_not_made(tmp_path: Path) -> None:
    served(tmp_path, [a_declaration()])
    absent = tmp_path / "absent.key"
    ended = lanes(tmp_path, "replay", LANES_DRAW_KEY=str(absent))
    assert ended.exit_code == 21
    assert not absent.exists()


class _Failing:
    """A model that fails."""

    def __init__(self, bundle: Bundle) -> None:
        self.knowledge = bundle.model.knowledge

    def features(self, *_: Any) -> Any:
        raise RuntimeError("the model failed")


def test_a_decision_that_the_model_failed_to_give_is_replayed_without_it(
    tmp_path: Path, bundle: Path
) -> None:
    parts = assemble(settings_in(tmp_path, bundle=bundle))
    assert parts.predictor.bundle is not None
    failing: Any = _Failing(parts.predictor.bundle)
    parts.predictor.bundle = dataclasses.replace(parts.predictor.bundle, model=failing)
    record = asyncio.run(assign(a_declaration(), parts))
    parts.log.close()
    assert record.decision.fallback_cause == MODEL_ERROR
    assert replayed(tmp_path, bundle=bundle).all_equal


def test_an_empty_log_has_nothing_to_replay(tmp_path: Path) -> None:
    served(tmp_path, [])
    assert replayed(tmp_path).line == "0 decisions replayed and equal"
