"""Simulated worlds for tests: name only what differs from the preset `small`."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.simulator.draws import Table
from pipelines.simulator.goods import Headings, read_headings
from pipelines.simulator.presets import read_settings
from pipelines.simulator.settings import WorldSettings
from pipelines.simulator.simulation import SelectionPolicy, Simulation
from pipelines.simulator.truth_table import officers

SIMULATOR = Path(__file__).parents[1] / "data/reference/simulator"
WEEK = np.timedelta64(7, "D")
KEY = ["declaration_id", "version_no"]
CLEARANCE = ("PRE_CLEARANCE", "SCAN", "LAB")

UNMOVED: Mapping[str, Any] = {
    "reaction": {"half_life": 1e12, "new_id": 0, "sanctioned": False},
    "lineages": {"refiled_when_red": 0},
    "traders": {
        kind: {"aversion": 0}
        for kind in ("priority", "regular", "careless", "opportunist", "evader", "new")
    },
}
"""Traders who make nothing of being inspected."""


@cache
def the_headings() -> Headings:
    """The goods of every world."""
    return read_headings(SIMULATOR / "goods.yaml")


def settings_of(preset: str = "small", **changes: Any) -> WorldSettings:
    """The settings of a preset with what differs from it."""
    return read_settings(SIMULATOR, preset, changes)


def a_simulation(preset: str = "small", **changes: Any) -> Simulation:
    """A world before its first week."""
    return Simulation(settings_of(preset, **changes), the_headings())


def a_world(preset: str = "small", **changes: Any) -> dict[str, pd.DataFrame]:
    """The tables of all weeks of a world, with the results that nobody knows yet, and `officers`.

    Made once for the same changes: do not alter what you get.
    """
    return _lived(preset, json.dumps(changes, sort_keys=True))


@cache
def _lived(preset: str, changes: str) -> dict[str, pd.DataFrame]:
    simulation = a_simulation(preset, **json.loads(changes))
    return lived(simulation, simulation.world.settings.weeks)


def lived(
    simulation: Simulation, weeks: int, policy: SelectionPolicy | None = None
) -> dict[str, pd.DataFrame]:
    """The same of a world that lives through some weeks, under a policy of your own if given."""
    tables = joined(simulation.weeks(weeks, policy))
    for name, pending in simulation.state.pending.tables.items():
        later = pd.DataFrame(pending)[tables[name].columns]
        tables[name] = pd.concat([tables[name], later], ignore_index=True)
    return tables | {"officers": pd.DataFrame(officers(simulation.world))}


def joined(weeks: Iterable[Mapping[str, Table]]) -> dict[str, pd.DataFrame]:
    """Tables of several weeks, one after the other."""
    parts = list(weeks)
    return {
        name: pd.DataFrame(
            {
                column: np.concatenate([part[name][column] for part in parts])
                for column in parts[0][name]
            }
        )
        for name in parts[0]
    }


def declared(world: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per declaration version: its header, lane and chances, its trader, whether it
    violates the law, its risk, the `week` it was lodged in, and whether an amendment `replaced`
    it."""
    truth, header = world["truth"], world["declarations"]
    truth = truth.assign(certain=np.log1p(-truth["true_risk"]))
    groups = truth.groupby(KEY, sort=False)
    chances = [f"propensity_{lane}" for lane in ("green", "yellow", "red")]
    table = groups[["lane", "channel", "trader", "trader_kind", "watched", *chances]].first()
    table["violating"] = groups["violating"].max() > 0
    table["risk"] = -np.expm1(groups["certain"].sum())
    table = header.merge(table.reset_index(), on=KEY, validate="one_to_one")
    latest = table.groupby("declaration_id")["version_no"].transform("max")
    monday = header["lodged_at"].min().normalize()
    table["replaced"] = table["version_no"] < latest
    table["week"] = (table["lodged_at"] - monday) // pd.Timedelta(WEEK)
    return table


def first_versions(world: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of `declared` that are no amendments."""
    table = declared(world)
    return table[table["version_no"] == 1].reset_index(drop=True)


def controlled(world: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per control, with the declaration version it was of (those of `declared`)."""
    table = declared(world)
    return world["inspections"].merge(
        table[~table["replaced"]], on="declaration_id", validate="many_to_one"
    )
