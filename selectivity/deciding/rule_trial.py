"""What other rules would have done to past declarations: which lanes move, and whose.

Both sets are tried on the same declarations with the same risks, policy, prices and draws, so that
whatever differs comes from the rules alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

from selectivity.days import day_in_utc
from selectivity.deciding.capacity import Prices
from selectivity.deciding.policy import Policy, decide
from selectivity.deciding.risk import Risk
from selectivity.declaration import Declaration
from selectivity.lanes import Lane
from selectivity.rules.rule_set import RuleSet

UNUSED_AFTER = timedelta(days=365)
MOST_NAMED = 10


class PastDeclaration(NamedTuple):
    """A declaration as it was, with what was known of it then."""

    declaration: Declaration
    risk: Risk | None
    """None where no model spoke."""
    earlier_lane: Lane | None = None


class TrialInputs(NamedTuple):
    """What both sets of rules are tried with."""

    policy: Policy
    prices: Prices
    draw_key: bytes
    facts_known: frozenset[str] | None = None


@dataclass
class RuleTrial:
    """How lanes would have moved, and what each rule hit."""

    rules: RuleSet
    """The set that was tried."""
    declarations: int = 0
    moves: Counter[tuple[Lane, Lane]] = field(default_factory=Counter)
    importers: Counter[str] = field(default_factory=Counter)
    """Moved lanes per importer."""
    offices: Counter[str] = field(default_factory=Counter)
    """Moved lanes per office."""
    hits: Counter[str] = field(default_factory=Counter)
    """Declarations that each rule holds for."""
    last_hits: dict[str, date] = field(default_factory=dict)
    newest: date = date.min
    oldest: date = date.max

    @property
    def up(self) -> int:
        """How many lanes would be stricter."""
        return sum(number for (old, new), number in self.moves.items() if new > old)

    @property
    def down(self) -> int:
        """How many would be less strict."""
        return sum(self.moves.values()) - self.up

    def unused(self) -> list[str]:
        """Rules without a hit in the twelve months before the newest declaration."""
        since = self.newest - UNUSED_AFTER if self.declarations else date.min
        return [
            rule.id
            for rule in self.rules.rules
            if self.last_hits.get(rule.id, date.min) <= since and rule.in_force(self.newest)
        ]

    def lines(self) -> Iterator[str]:
        """All of it in words, for people."""
        if not self.declarations:
            yield "no declarations, so nothing can be said"
            return
        days = f"{self.oldest} to {self.newest}"
        moved = f"{self.up} lanes up, {self.down} down"
        yield f"{self.declarations} declarations accepted {days}: {moved}"
        for (old, new), number in sorted(self.moves.items()):
            yield f"  {old.name} to {new.name}: {number}"
        for what, counts in (("importers", self.importers), ("offices", self.offices)):
            named = [f"{name} {number}" for name, number in counts.most_common(MOST_NAMED)]
            if named:
                yield f"most moved {what}: {', '.join(named)}"
        yield "rule     layer        lane    hits"
        for rule in self.rules.rules:
            yield f"{rule.id:8} {rule.layer:12} {rule.lane.name:6} {self.hits[rule.id]:5}"
        if unused := self.unused():
            yield f"without a hit in the last 12 months: {', '.join(unused)}"
        if (self.newest - self.oldest) < UNUSED_AFTER:
            yield "(declarations of less than 12 months: such a rule may only wait for its hit)"

    def content(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "rules_version": self.rules.version,
            "declarations": self.declarations,
            "up": self.up,
            "down": self.down,
            "moves": {
                f"{old.name} to {new.name}": number
                for (old, new), number in sorted(self.moves.items())
            },
            "importers": dict(self.importers.most_common()),
            "offices": dict(self.offices.most_common()),
            "hits": {rule.id: self.hits[rule.id] for rule in self.rules.rules},
            "unused": self.unused(),
        }


def try_rules(
    pasts: Iterable[PastDeclaration], old: RuleSet, new: RuleSet, inputs: TrialInputs
) -> RuleTrial:
    """Decide on each of them under both sets of rules, and compare."""
    trial = RuleTrial(new)
    for past in pasts:
        lanes = _lane(past, old, inputs), _lane(past, new, inputs)
        _count(trial, past.declaration, *lanes)
    return trial


def _count(trial: RuleTrial, declaration: Declaration, old: Lane, new: Lane) -> None:
    day = day_in_utc(declaration.accepted_at)
    trial.declarations += 1
    trial.newest, trial.oldest = max(trial.newest, day), min(trial.oldest, day)
    for hit in trial.rules.hits(declaration):
        trial.hits[hit.rule.id] += 1
        trial.last_hits[hit.rule.id] = max(day, trial.last_hits.get(hit.rule.id, day))
    if old != new:
        trial.moves[old, new] += 1
        trial.importers[declaration.importer_id or "not declared"] += 1
        trial.offices[declaration.declaration_office or "not declared"] += 1


def _lane(past: PastDeclaration, rules: RuleSet, inputs: TrialInputs) -> Lane:
    decision = decide(
        past.declaration,
        risk=past.risk,
        rules=rules,
        policy=inputs.policy,
        prices=inputs.prices,
        draw_key=inputs.draw_key,
        earlier_lane=past.earlier_lane,
        facts_known=inputs.facts_known,
    )
    return decision.lane
