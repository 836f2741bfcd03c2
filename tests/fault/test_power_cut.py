"""What was called kept is on disk: no cut of the power, at whatever moment, takes it away."""

import random

import pytest

from tests.power_cut import Step, cut, record, why_not


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    return record(tmp_path_factory.mktemp("recorded"), 120)


def test_no_decision_that_was_kept_is_lost_in_a_power_cut(steps: list[Step]) -> None:
    chance = random.Random(3)
    found = [cut(steps, chance.randrange(len(steps)), chance) for _ in range(25)]
    assert sum(each.kept for each in found) > 500
    assert [each for each in found if each.lost or each.problems] == []


def test_on_a_disk_that_lies_about_syncing_the_same_cuts_lose_decisions(steps: list[Step]) -> None:
    chance = random.Random(3)
    found = [cut(steps, chance.randrange(len(steps)), chance, syncs=False) for _ in range(5)]
    assert sum(each.lost for each in found) > 0
