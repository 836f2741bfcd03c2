"""Simulate a customs administration whose truth is known: the embedded default data.

Reads   data/reference/simulator_headings.yaml   goods: HS codes, duty rates, prices
Writes  data/raw/simulated/  declarations, goods_items, inspections, findings (Parquet)
        data/raw/truth/      truth.parquet, which no other stage reads

world -> weekly demand -> true goods -> decision to cheat -> declared goods -> legacy selection
-> imperfect control -> result, known later. All of it is invented.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import typer
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.command import FileOption, command, say
from pipelines.params import section
from pipelines.simulator import controls, forms, selection, shipments, violations
from pipelines.simulator.draws import Streams, Table, Texts, texts
from pipelines.simulator.goods import Headings, read_headings
from pipelines.simulator.world import World, build_world
from pipelines.sources.assembly import FINDING, INSPECTION
from pipelines.tables import Kinds, all_missing, write_columns
from selectivity.columns import HEADER, ITEM
from selectivity.inspection import Result
from selectivity.lanes import Lane

Share = Annotated[float, Field(ge=0, le=1)]

TABLES: Mapping[str, Kinds] = {
    "declarations": HEADER,
    "goods_items": {"declaration_id": "text", "version_no": "integer", **ITEM},
    "inspections": INSPECTION,
    "findings": FINDING,
}
TRUTH: Kinds = {
    "declaration_id": "text",
    "item_no": "integer",
    "violating": "boolean",
    "mechanism": "text",
    "true_risk": "number",
    "honest_error": "text",
    "due": "number",
    "true_hs_code": "text",
    "true_customs_value": "number",
    "lane": "text",
    "channel": "text",
    "propensity": "number",
    "propensity_green": "number",
    "propensity_yellow": "number",
    "propensity_red": "number",
}


class SimulateParams(BaseModel):
    """Section `simulate` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=20260301, ge=0)
    start: date = date(2025, 1, 6)
    weeks: int = Field(default=60, gt=0)
    declarations: int = Field(default=30_000, gt=0)
    items_mean: float = Field(default=3.1, ge=1, le=12, description="Goods items, at most 12.")
    traders: int = Field(default=1_500, ge=50)
    brokers: int = Field(default=120, ge=5)
    export_share: float = Field(default=0.35, gt=0, lt=1)
    violating_share: float = Field(
        default=0.04, gt=0, lt=1, description="Declarations with a violation."
    )
    honest_error_share: Share = Field(default=0.01, description="Goods items, ordinary traders.")
    missing_share: Share = Field(default=0.03, description="Fields and papers left out.")
    scheme_from_week: int = Field(default=36, ge=0, description="When a new scheme starts.")
    scheme_factor: float = Field(default=2.5, gt=0)
    red_share: Share = 0.06
    yellow_share: Share = 0.30
    random_share: Share = Field(default=0.01, description="Goods examined at random.")
    officer_share: Share = Field(default=0.006, description="Yellow sent to red by officers.")
    mandatory_yellow_share: Share = Field(default=0.6, description="Of the yellow ones.")
    legacy_sharpness: float = Field(default=1.0, ge=0)
    legacy_noise: float = Field(default=1.6, gt=0)
    propensity_from_week: int = Field(
        default=30, ge=0, description="Before it nobody recorded chances, as in real history."
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.random_share + self.officer_share > self.red_share:
            raise ValueError("random_share and officer_share together exceed red_share")
        if self.red_share + self.yellow_share > 1:
            raise ValueError("red_share and yellow_share together exceed 1")
        if self.start.weekday() != 0:
            raise ValueError("start must be a Monday")
        return self


@dataclass(frozen=True)
class Simulated:
    """The tables of `TABLES` by name, and the truth apart."""

    tables: Mapping[str, Table]
    truth: Table


@dataclass(frozen=True)
class History:
    """What happened: `true` goods, what was `told` of them on which `route`, and what for."""

    route: shipments.Shipments
    true: shipments.Lines
    told: shipments.Lines
    truth: violations.Truth


def simulate(
    headings: Headings, params: SimulateParams, *, tell: Callable[[str], None] = lambda _: None
) -> Simulated:
    """One administration's history. Pure: the same goods and params give the same tables.

    Args:
        headings: goods of the world.
        params: sizes, shares and the seed.
        tell: called with a word as each step begins.
    """
    streams = Streams(params.seed)
    tell("world")
    world = _world(headings, params, streams)
    tell("trade and violations")
    history = _history(world, params, streams)
    tell("declarations")
    header, item = _declared(world, history, params, streams)
    tell("selection and controls")
    chosen = selection.select(
        world, history.route, history.told, history.truth, streams, policy=_policy(params)
    )
    inspections, findings = controls.inspect(
        history.route,
        history.told,
        history.truth,
        chosen,
        streams,
        ids=header["declaration_id"],
        propensity_from_week=params.propensity_from_week,
    )
    tables = dict(zip(TABLES, (header, item, inspections, findings), strict=True))
    truth = _truth(world, history, chosen, header["declaration_id"])
    return Simulated(
        {name: _complete(table, TABLES[name]) for name, table in tables.items()},
        _complete(truth, TRUTH),
    )


def _world(headings: Headings, params: SimulateParams, streams: Streams) -> World:
    return build_world(
        headings,
        streams,
        start=np.datetime64(params.start, "D"),
        weeks=params.weeks,
        traders=params.traders,
        brokers=params.brokers,
        export_share=params.export_share,
    )


def _history(world: World, params: SimulateParams, streams: Streams) -> History:
    true_route = shipments.ship(world, streams, declarations=params.declarations)
    true = shipments.load(world, true_route, streams, items_mean=params.items_mean)
    scheme = violations.Scheme(params.scheme_from_week, params.scheme_factor)
    risk = violations.risks(
        world, true_route, true, scheme=scheme, violating_share=params.violating_share
    )
    route, told, truth = violations.falsify(
        world,
        true_route,
        true,
        streams,
        risk=risk,
        scheme=scheme,
        honest_error_share=params.honest_error_share,
    )
    return History(route, true, told, truth)


def _declared(
    world: World, history: History, params: SimulateParams, streams: Streams
) -> tuple[Table, Table]:
    """Headers with their totals, and goods items with the ids of their headers."""
    header = forms.headers(
        world, history.route, history.told, streams, missing_share=params.missing_share
    )
    item = forms.items(
        world, history.route, history.told, streams, missing_share=params.missing_share
    )
    owner = history.told.declaration
    keys = {name: header[name][owner] for name in ("declaration_id", "version_no")}
    return forms.with_totals(header, item), keys | item


def _policy(params: SimulateParams) -> selection.LegacyPolicy:
    return selection.LegacyPolicy(
        red_share=params.red_share,
        yellow_share=params.yellow_share,
        random_share=params.random_share,
        mandatory_yellow_share=params.mandatory_yellow_share,
        officer_share=params.officer_share,
        sharpness=params.legacy_sharpness,
        noise=params.legacy_noise,
    )


def _truth(world: World, history: History, chosen: selection.Selection, ids: Texts) -> Table:
    """One row per goods item: what was true of it, and the old policy's chances for its lanes."""
    named = texts([*(str(mechanism) for mechanism in violations.MECHANISMS), None])
    owner, truth = history.true.declaration, history.truth
    lane, chances = chosen.lane[owner], chosen.propensity[owner]
    return {
        "declaration_id": ids[owner],
        "item_no": history.true.item_no,
        "violating": truth.violating,
        "mechanism": named[truth.way],
        "true_risk": truth.risk,
        "honest_error": named[truth.error],
        "due": truth.due,
        "true_hs_code": world.goods.hs6[history.true.code],
        "true_customs_value": history.true.value,
        "lane": texts(each.name for each in Lane)[lane],
        "channel": chosen.channel[owner],
        "propensity": chances[np.arange(len(lane)), lane],
        "propensity_green": chances[:, Lane.GREEN],
        "propensity_yellow": chances[:, Lane.YELLOW],
        "propensity_red": chances[:, Lane.RED],
    }


def _complete(table: Table, kinds: Kinds) -> Table:
    """All fields in their order; what the simulator never fills is missing on every row."""
    rows = len(next(iter(table.values())))
    return {
        name: table[name] if name in table else all_missing(rows, kind)
        for name, kind in kinds.items()
    }


def summary(simulated: Simulated) -> str:
    """Declarations, items, lanes and hit rates in one line."""
    truth, inspections = simulated.truth, simulated.tables["inspections"]
    lanes = truth["lane"][truth["item_no"] == 1]
    shares = ", ".join(f"{lane.name} {np.mean(lanes == lane.name):.1%}" for lane in Lane)
    papers = inspections["control_type"] == "DOCUMENT"
    found = inspections["result"] == Result.FINDING
    return (
        f"simulate: {len(lanes):,} declarations, {len(truth['lane']):,} goods items; {shares}; "
        f"controls with a finding: documents {found[papers].mean():.1%}, "
        f"goods {found[~papers].mean():.1%}"
    )


def main(
    params: FileOption,
    out: FileOption,
    truth: FileOption,
    headings: Annotated[Path, typer.Option(help="Table of goods.")] = Path(
        "data/reference/simulator_headings.yaml"
    ),
) -> None:
    """Write an invented administration's history, and its truth apart."""
    settings = section(params, "simulate", SimulateParams)
    simulated = simulate(
        read_headings(headings), settings, tell=lambda step: say(f"simulate: {step}")
    )
    for name, kinds in TABLES.items():
        write_columns(simulated.tables[name], out / f"{name}.parquet", kinds)
    write_columns(simulated.truth, truth / "truth.parquet", TRUTH)
    print(summary(simulated))


if __name__ == "__main__":
    command(main)
