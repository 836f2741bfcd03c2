"""Give past declarations a lane with the very `decide` that the service calls.

One row per declaration, in the order of the items. Draws are made with a fixed key, so that the
same history and bundle always give the same lanes. Within a lineage lanes only tighten, so items
have to stand in the order of time.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from models.bundle import Bundle
from pipelines.stage.command import say
from pipelines.training.settled import EVALUATION_KEY
from selectivity.columns import Columns, each_declaration, first_rows
from selectivity.deciding.capacity import Prices
from selectivity.deciding.modes import Mode
from selectivity.deciding.office_loads import OfficeLoads
from selectivity.deciding.policy import Policy, decide
from selectivity.deciding.risk import Risk
from selectivity.lanes import Lane


def replay(
    items: Columns,
    risks: Sequence[Risk | None],
    bundle: Bundle,
    *,
    policy: Policy | None = None,
    prices: Prices | None = None,
    draw_key: bytes = EVALUATION_KEY,
    strictest: dict[str, Lane] | None = None,
    loads: OfficeLoads | None = None,
    mode: Mode = Mode.NORMAL,
) -> pd.DataFrame:
    """Lanes of the declarations in these rows; `policy` and `prices` replace the bundle's.

    Without a risk the points table decides, as in the service.

    `strictest` holds the strictest lane by name of lineages and declarations decided before, and
    `loads` what each office got of them; both are kept up to date.
    """
    rows: list[dict[str, Any]] = []
    strictest = {} if strictest is None else strictest
    loads = OfficeLoads() if loads is None else loads
    for first, declaration, risk in zip(
        first_rows(items).tolist(), each_declaration(items), risks, strict=True
    ):
        names = (declaration.lineage, declaration.declaration_id)
        earlier = [strictest[name] for name in names if name in strictest]
        decision = decide(
            declaration,
            risk=risk,
            rules=bundle.rules,
            policy=policy or bundle.policy,
            prices=prices or bundle.prices,
            draw_key=draw_key,
            earlier_lane=max(earlier, default=None),
            facts_known=bundle.model.knowledge.facts,
            scored=bundle.scorecard.judge(declaration),
            mode=mode,
            load=loads.of(declaration.declaration_office, declaration.accepted_at),
        )
        loads.count(declaration.declaration_office, declaration.accepted_at, decision)
        strictest.update(dict.fromkeys(names, decision.lane))
        chances = decision.chances
        rows.append(
            {
                "row": first,
                "items": len(declaration.items),
                "declaration_id": declaration.declaration_id,
                "version_no": declaration.version_no,
                "accepted_at": declaration.accepted_at,
                "office": declaration.declaration_office,
                "lane": decision.lane.name,
                "channel": str(decision.channel),
                "reason": decision.reasons[0].code,
                "signals": [reason.code for reason in decision.signals],
                "risk": decision.risk,
                "shadow": decision.shadow and decision.shadow.lane.name,
                "green": chances and chances.green,
                "yellow": chances and chances.yellow,
                "red": chances and chances.red,
            }
        )
        if len(rows) % 20_000 == 0:
            say(f"  {len(rows)} declarations")
    return pd.DataFrame(rows)
