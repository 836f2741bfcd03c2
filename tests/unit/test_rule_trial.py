"""What other rules would have moved, for whom, and which of them nobody needs."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from selectivity.deciding.capacity import Prices
from selectivity.deciding.policy import Policy
from selectivity.deciding.random_stratum import RandomPolicy
from selectivity.deciding.risk import Risk
from selectivity.deciding.rule_trial import PastDeclaration, RuleTrial, TrialInputs, try_rules
from selectivity.lanes import Lane
from selectivity.rules.rule_set import RuleSet
from tests.builders import NOON, a_declaration, an_item

NO_CHANCE = Policy(random=RandomPolicy(yellow=0, red=0))
INPUTS = TrialInputs(NO_CHANCE, Prices(), b"key")
SAFE = Risk([[1.0, 0, 0]], [0.0])


def a_row(id_: str, when: Mapping[str, Any], lane: str = "RED", **fields: Any) -> dict[str, Any]:
    plain = {
        "layer": "facilitation" if lane == "GREEN" else "selectivity",
        "reason_code": "IVORY",
        "legal_basis": ["law"],
        "valid_from": date(2020, 1, 1),
        "owner": "unit",
        "approver": "unit",
        "cases": [{"declared": {"importer_id": "nobody"}, "hits": False}],
    }
    return plain | {"id": id_, "lane": lane, "when": when} | fields


def rules(*rows: dict[str, Any]) -> RuleSet:
    return RuleSet.build([("file", row) for row in rows])


def past(number: int, **fields: Any) -> PastDeclaration:
    return PastDeclaration(a_declaration(declaration_id=f"D-{number}", **fields), SAFE)


OLD = rules(a_row("R-300", {"importer_id": ["OLD"]}))
NEW = rules(a_row("R-301", {"importer_id": ["NEW"]}), a_row("R-302", {"seller_id": ["NONE"]}))


def tried(*pasts: PastDeclaration, old: RuleSet = OLD, new: RuleSet = NEW) -> RuleTrial:
    return try_rules(pasts, old, new, INPUTS)


def test_it_counts_what_moves_up_and_down_and_for_whom() -> None:
    trial = tried(
        past(1, importer_id="NEW", declaration_office="A"),
        past(2, importer_id="NEW", declaration_office="B"),
        past(3, importer_id="OLD", declaration_office="B"),
        past(4),
    )
    assert (trial.declarations, trial.up, trial.down) == (4, 2, 1)
    assert trial.moves == {(Lane.GREEN, Lane.RED): 2, (Lane.RED, Lane.GREEN): 1}
    assert trial.importers == {"NEW": 2, "OLD": 1}
    assert trial.offices == {"B": 2, "A": 1}
    assert trial.hits == {"R-301": 2}


def test_the_same_rules_move_nothing() -> None:
    trial = tried(*[past(number, importer_id="OLD") for number in range(5)], new=OLD)
    assert (trial.up, trial.down, trial.hits) == (0, 0, {"R-300": 5})


def test_a_lane_of_an_earlier_version_holds_under_both() -> None:
    declaration = a_declaration(importer_id="NEW")
    assert tried(PastDeclaration(declaration, SAFE, Lane.RED)).moves == {}


def test_it_can_be_done_without_a_model() -> None:
    assert tried(PastDeclaration(a_declaration(importer_id="NEW"), None)).up == 1


def test_only_rules_in_force_on_the_day_of_acceptance_move_lanes() -> None:
    later = rules(a_row("R-301", {"importer_id": ["NEW"]}, valid_from=date(2026, 3, 3)))
    assert tried(past(1, importer_id="NEW", accepted_at=NOON), new=later).moves == {}
    next_day = NOON.replace(day=3)
    assert tried(past(1, importer_id="NEW", accepted_at=next_day), new=later).up == 1


@pytest.mark.parametrize(("day", "unused"), [(date(2025, 3, 2), True), (date(2025, 3, 3), False)])
def test_a_rule_without_a_hit_in_twelve_months_is_named(day: date, unused: bool) -> None:
    at = NOON.replace(year=day.year, month=day.month, day=day.day)
    trial = tried(past(1, importer_id="NEW", accepted_at=at), past(2, accepted_at=NOON))
    assert trial.unused() == (["R-301", "R-302"] if unused else ["R-302"])


def test_a_rule_that_ended_is_not_called_unused() -> None:
    ended = a_row("R-303", {"importer_id": ["X"]}, valid_to=date(2026, 1, 1))
    assert tried(past(1), new=rules(ended)).unused() == []


def test_nothing_tried_is_said_to_be_nothing() -> None:
    assert list(tried().lines()) == ["no declarations, so nothing can be said"]


def test_it_tells_everything_in_words_and_as_data() -> None:
    trial = tried(past(1, importer_id="NEW"), past(2, items=(an_item(hs_code="010101"),)))
    told = "\n".join(trial.lines())
    assert "2 declarations accepted 2026-03-02 to 2026-03-02: 1 lanes up, 0 down" in told
    assert "GREEN to RED: 1" in told
    assert "importers: NEW 1" in told
    table = ("rule     layer        lane    hits", "R-301    selectivity  RED        1")
    assert "\n".join(table) in told
    assert "without a hit in the last 12 months: R-302" in told
    assert trial.content()["hits"] == {"R-301": 1, "R-302": 0}
