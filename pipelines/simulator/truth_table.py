"""The truth of a world as tables, which no stage of the pipeline reads."""

import numpy as np

from pipelines.simulator import shipments, violations
from pipelines.simulator.draws import Table, Texts, texts
from pipelines.simulator.history import History
from pipelines.simulator.schema import completed
from pipelines.simulator.selection import Selection
from pipelines.simulator.world import KINDS, OFFICER_TYPES, World
from selectivity.columns import Floats
from selectivity.lanes import Lane


def truth(
    world: World, history: History, names: Texts, selection: Selection, watched: Floats
) -> Table:
    """One row per goods item: what was true of it, and the policy's chances for its lanes."""
    named = texts([*(str(mechanism) for mechanism in violations.MECHANISMS), None])
    owner, truth, true = history.true.declaration, history.truth, history.true
    lane, chances = selection.lane[owner], selection.propensity[owner]
    trader = history.route.trader[owner]
    return {
        "declaration_id": names[owner],
        "version_no": history.route.version[owner].astype(np.float64),
        "item_no": true.item_no.astype(np.float64),
        "accepted_at": history.route.accepted_at[owner],
        "violating": truth.violating.astype(np.float64),
        "mechanism": named[truth.way],
        "true_risk": truth.risk,
        "honest_error": named[truth.error],
        "due": truth.due,
        "true_hs_code": world.goods.hs6[true.code],
        "true_customs_value": true.value,
        **shipments.deviations(world, history.route, history.told),
        "trader": trader.astype(np.float64),
        "trader_kind": texts(KINDS)[world.traders.kind[trader]],
        "watched": watched[trader],
        "lane": texts(each.name for each in Lane)[lane],
        "channel": selection.channel[owner],
        "propensity": chances[np.arange(len(lane)), lane],
        "propensity_green": chances[:, Lane.GREEN],
        "propensity_yellow": chances[:, Lane.YELLOW],
        "propensity_red": chances[:, Lane.RED],
    }


def officers(world: World) -> Table:
    """Who the officers truly are."""
    people, settings = world.officers, world.settings.officers
    at = np.arange(len(people.key)) // settings.per_office
    brokers = texts(None if one < 0 else f"SYNB{one + 1:03d}" for one in people.broker.tolist())
    return completed(
        "officers",
        {
            "officer_key": people.key,
            "office": world.places.office[at],
            "type": texts(OFFICER_TYPES)[people.type],
            "broker": brokers,
        },
    )
