"""Simulate a customs administration whose truth is known: the embedded default data.

Reads   data/reference/simulator/    base.yaml, presets/*.yaml: how it behaves; goods.yaml
Writes  data/raw/simulated/          declarations, goods_items, inspections, findings, appeals,
                                     overrides, traders, capacity_calendar, each by month (Parquet)
        data/raw/truth/              truth and officers, which no other stage reads but world_report

All of it is invented. Other worlds are made with `python -m pipelines.worlds make`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines.simulator.draws import Table
from pipelines.simulator.goods import read_headings
from pipelines.simulator.presets import read_settings
from pipelines.simulator.simulation import Simulation
from pipelines.simulator.store import Folder, write_weeks
from pipelines.stage.command import command, say
from pipelines.stage.options import ParamsFile, ReferenceFolder, SimulatedFolder, TruthFolder
from pipelines.stage.params import check_watched, section

GOODS = "goods.yaml"


class SimulateParams(BaseModel):
    """Section `simulate` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str = Field(default="mid_n", description="A preset's name, or a file beside base.yaml.")
    changes: Mapping[str, Any] = Field(
        default_factory=dict, description="What else differs from base.yaml, nested as there."
    )


def follow(weeks: Iterable[dict[str, Table]], simulation: Simulation, until: int) -> str:
    """Live through the weeks, say how far they are, and sum them up in one line."""
    declarations = items = inspections = findings = 0
    first = simulation.state.week
    for tables in weeks:
        declarations += len(tables["declarations"]["declaration_id"])
        items += len(tables["goods_items"]["item_no"])
        inspections += len(tables["inspections"]["inspection_id"])
        findings += len(set(tables["findings"]["inspection_id"]))
        done = simulation.state.week
        if done == until or (done - first) % 10 == 0:
            say(f"simulate: week {done} of {until}, {items:,} goods items")
    return (
        f"{declarations:,} declarations, {items:,} goods items; {inspections:,} inspections, "
        f"{findings:,} of them with a finding"
    )


def main(
    params: ParamsFile, reference: ReferenceFolder, out: SimulatedFolder, truth: TruthFolder
) -> None:
    """Write an invented administration's history, and its truth apart."""
    wanted = section(params, "simulate", SimulateParams)
    if wanted.preset.endswith((".yaml", ".yml")):
        check_watched(Path(wanted.preset), reference, "simulate.preset")
    settings = read_settings(reference, wanted.preset, wanted.changes)
    simulation = Simulation(settings, read_headings(reference / GOODS))
    folder = Folder(tables=out, truth=truth)
    folder.clear()
    weeks = write_weeks(folder, simulation, simulation.weeks(settings.weeks))
    print(f"simulate: {settings.title}: {follow(weeks, simulation, settings.weeks)}")


if __name__ == "__main__":
    command(main)
