"""The goods that are traded, from `data/reference/simulator/goods.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from pipelines.simulator.draws import Bools, Draws, Streams, Texts, texts
from pipelines.stage.params import explain
from selectivity.columns import Floats, Ints
from selectivity.errors import ParamsError

Paper = Literal["851", "852", "853", "890", "CITES", "LICENCE"]
Control = Literal[
    "arms",
    "brand",
    "endangered",
    "explosive",
    "food",
    "licence",
    "quality",
    "quarantine",
    "waste",
]

PAPERS: tuple[Paper, ...] = ("851", "852", "853", "890", "CITES", "LICENCE")


@dataclass(frozen=True)
class Covers:
    """Codes that goods could pass for, with less duty or fewer controls: those of any heading, and
    those of their own. Rows are codes, padded with -1; `counts` tell how many there are."""

    codes: Ints
    counts: Ints
    near: Ints
    near_counts: Ints


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    usd_per_kg: float = Field(gt=0, le=1e9)
    unit: tuple[str, float]
    trade: float = Field(gt=0, le=1e9)
    papers: tuple[Paper, ...]
    controls: tuple[Control, ...]


class _Heading(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    goods: _Kind
    codes: Mapping[str, tuple[float, str] | tuple[float, str, str]] = Field(min_length=1)


class Headings(RootModel[Mapping[str, _Heading]]):
    """HS4 headings with their HS6 codes."""


@dataclass(frozen=True)
class Goods:
    """One entry per HS6 code, in the order of the table; codes of one heading stand together.

    `bounds` are the positions where headings begin, and the end. `papers` has a column for each of
    `PAPERS`. `spread` is that of unit prices from shipment to shipment, in logarithms.
    """

    hs6: Texts
    description: Texts
    undg_id: Texts
    unit: Texts
    duty_percent: Floats
    usd_per_kg: Floats
    spread: Floats
    kg_per_unit: Floats
    hazard: Floats
    trade: Floats
    heading: Ints
    bounds: Ints
    papers: Bools
    controls: tuple[frozenset[str], ...]
    in_scheme: Bools
    covers: "Covers"

    def pick(self, headings: Ints, uniforms: Floats) -> Ints:
        """A code of each heading, by its share of the heading's trade."""
        first, last = self.bounds[headings], self.bounds[headings + 1] - 1
        running = np.concatenate([[0.0], np.cumsum(self.trade)])
        at = running[first] + uniforms * (running[last + 1] - running[first])
        codes: Ints = np.clip(np.searchsorted(running, at, side="right") - 1, first, last)
        return codes

    def under(self, *controls: Control) -> Bools:
        """Codes that some of these controls watch. Shape (codes,)."""
        return np.array([not held.isdisjoint(controls) for held in self.controls])


def read_headings(path: Path) -> Headings:
    """The table of goods.

    Raises:
        ParamsError: the file is missing, or some entry cannot be used.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Headings.model_validate(content)
    except (OSError, yaml.YAMLError) as error:
        raise ParamsError(f"Goods table {path} cannot be read: {error}. Restore it.") from error
    except ValidationError as error:
        raise ParamsError(f"Goods table {path}: {explain(error, Headings)}") from error


def goods_of(
    headings: Headings, streams: Streams, *, hazard_spread: float, scheme_headings: int
) -> Goods:
    """The table as arrays, with what it leaves open drawn: prices, shares and hazards by code."""
    rows = [
        (number, heading.goods, hs6, line)
        for number, heading in enumerate(headings.root.values())
        for hs6, line in heading.codes.items()
    ]
    number = np.array([row[0] for row in rows], dtype=np.int64)
    kinds = [row[1] for row in rows]
    bounds = np.searchsorted(number, np.arange(len(headings.root) + 1)).astype(np.int64)
    prices, hazards = streams("goods-prices"), streams("goods-hazards")
    duty_percent = np.array([row[3][0] for row in rows])
    controls = tuple(frozenset(kind.controls) for kind in kinds)
    usd_per_kg = np.array([kind.usd_per_kg for kind in kinds])
    usd_per_kg = usd_per_kg * np.exp(prices.normal(0, 0.35, len(rows)))
    return Goods(
        hs6=texts(row[2] for row in rows),
        description=texts(row[3][1] for row in rows),
        undg_id=texts(row[3][2] if len(row[3]) == 3 else None for row in rows),
        unit=texts(kind.unit[0] for kind in kinds),
        duty_percent=duty_percent,
        usd_per_kg=usd_per_kg,
        spread=prices.uniform(0.15, 0.5, len(rows)),
        kg_per_unit=np.array([kind.unit[1] for kind in kinds]),
        hazard=np.exp(hazards.normal(0, hazard_spread, len(rows))),
        trade=np.array([kind.trade for kind in kinds])
        * _shares_within(number, bounds, streams("goods-trade")),
        heading=number,
        bounds=bounds,
        papers=np.array([[paper in kind.papers for paper in PAPERS] for kind in kinds]),
        controls=controls,
        in_scheme=np.isin(number, hazards.permutation(len(headings.root))[:scheme_headings]),
        covers=_covers(number, duty_percent, usd_per_kg, controls),
    )


def _shares_within(heading: Ints, bounds: Ints, random: Draws) -> Floats:
    weights = random.gamma(0.8, 1.0, len(heading)) + 0.05
    shares: Floats = weights / np.add.reduceat(weights, bounds[:-1])[heading]
    return shares


_WATCHED = {"arms", "endangered", "explosive", "licence", "quarantine", "waste"}


def _covers(
    heading: Ints, duty_percent: Floats, usd_per_kg: Floats, controls: tuple[frozenset[str], ...]
) -> Covers:
    watched = np.array([not held.isdisjoint(_WATCHED) for held in controls])
    gains = (duty_percent[None, :] < duty_percent[:, None]) | (watched[:, None] & ~watched[None, :])
    alike = np.abs(np.log(usd_per_kg[None, :] / usd_per_kg[:, None])) < 1
    same = heading[None, :] == heading[:, None]
    codes, counts = _padded(gains & (alike | same))
    near, near_counts = _padded(gains & same)
    return Covers(codes, counts, near, near_counts)


def _padded(chosen: Bools) -> tuple[Ints, Ints]:
    """Positions of the true ones in each row, padded with -1, and how many there are."""
    counts = chosen.sum(axis=1)
    padded = np.full((len(chosen), max(1, int(counts.max()))), -1, dtype=np.int64)
    rows, columns = np.nonzero(chosen)
    padded[rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)] = columns
    return padded, counts
