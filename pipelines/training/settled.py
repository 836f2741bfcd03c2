"""What rules, missing facts and chance settle of past declarations before a model speaks."""

from collections.abc import Iterable

from selectivity.deciding.policy import Least, Policy, least_lane
from selectivity.declaration import Declaration
from selectivity.rules.rule_set import RuleSet

EVALUATION_KEY = b"evaluation"
"""Key of the draws where the past is decided again: the same history gives the same lanes."""


def settled(
    declarations: Iterable[Declaration],
    *,
    rules: RuleSet,
    policy: Policy,
    facts_known: frozenset[str],
    facilitate: bool = True,
) -> list[Least]:
    """See `least_lane`, of each of them."""
    return [
        least_lane(
            each,
            rules=rules,
            policy=policy,
            draw_key=EVALUATION_KEY,
            facts_known=facts_known,
            facilitate=facilitate,
        )
        for each in declarations
    ]
