"""Who is selected, and how often rightly: the same figures for groups of traders and of origins."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from models.lane_model import LaneModel
from pipelines.judging.new_traders import NEW_DAYS, PARTIES, is_named, is_new
from pipelines.reporting.evidence import Evidence
from pipelines.reporting.sections import Row, Section, Table
from pipelines.reporting.sentences import Between, Fact, Number, Sentence, Share, say
from pipelines.stage.tables import read_frame
from pipelines.training.outcomes import UNKNOWN, known_classes, read_outcomes
from pipelines.training.rows import Rows
from selectivity.features.matrix import FEATURE_NAMES
from selectivity.inspection import FindingClass
from selectivity.metrics import Interval, share_in_groups

MOST_ORIGINS = 8
SIZES = ("small", "medium", "large")
FEWEST = 30
"""Inspected goods items from which a group's rate of findings is compared."""
_KNOWN = [FEATURE_NAMES.index(f"trader_{what}") for what in ("known_days", "declared")]


def goods_of(
    evidence: Evidence, model: LaneModel, features: Path, items: Path, outcomes: Path
) -> pd.DataFrame:
    """One row per evaluated goods item, as `with_groups` wants it."""
    decisions, declared = (
        evidence.decisions,
        read_frame(items, ["accepted_at", "country_of_origin", *PARTIES]),
    )
    moments = declared["accepted_at"].dt.tz_convert(None).to_numpy()
    evaluated = evidence.periods.rows({"accepted_at": moments}, "evaluate")
    blocks = [
        np.column_stack([block[:, _KNOWN], 1 - model.probabilities(block)[:, 0]])
        for block in Rows.stored(features, len(declared)).chosen(evaluated).blocks()
    ]
    classes = known_classes(read_outcomes(outcomes, len(declared)), len(declared))[0][evaluated]
    return pd.DataFrame(np.concatenate(blocks), columns=["known_days", "declared", "risk"]).assign(
        named=is_named({name: declared[name][evaluated] for name in PARTIES}),
        origin=declared["country_of_origin"].to_numpy()[evaluated],
        declaration=np.repeat(np.arange(len(decisions)), decisions["items"]),
        lane=np.repeat(decisions["lane"].to_numpy(), decisions["items"]),
        inspected=classes != UNKNOWN,
        found=classes > FindingClass.NONE,
    )


def with_groups(goods: pd.DataFrame) -> pd.DataFrame:
    """Goods items with the groups they belong to: `trader`, `size` and `origin`.

    Args:
        goods: evaluated goods items, as `goods_of` gives them: `known_days` and `declared`, what
            was known of the trader then, NaN where nothing was; `named`, whether one is;
            `origin`; `declaration`, a number; `lane`, `inspected`, `found` and `risk`.
    """
    named = goods["named"].to_numpy(bool)
    new = is_new(goods["known_days"].to_numpy(), named)
    # Who declared as much is as large: those of whom nothing is known are the smallest.
    place = goods["declared"].fillna(0).where(named).rank(method="min") - 1
    size = (place * len(SIZES) // max(named.sum(), 1)).fillna(0).astype(int)
    origin = goods["origin"].fillna("")
    most = origin.value_counts().sort_index().nlargest(MOST_ORIGINS).index
    return goods.assign(
        trader=np.select([~named, new], ["", "new"], "known"),
        size=np.where(named, np.array(SIZES)[size], ""),
        origin=origin.where(origin.isin(most), "other"),
    )


def groups(grouped: pd.DataFrame) -> Section:
    """Section: lanes, findings and risks per group."""
    known = grouped[grouped.inspected]
    caveats = ("caveat", *["caveat_size"] * ("size" in _kinds(grouped)), "caveat_origin")
    return Section(
        name="groups",
        answers=(_of_new(grouped), say("groups.risk")),
        blocks=tuple(_tables(grouped)),
        caveats=tuple(say(f"groups.{name}") for name in caveats),
        warnings=tuple(_differing(known)),
    )


def _of_new(grouped: pd.DataFrame) -> Sentence:
    share = (grouped.lane != "GREEN").groupby(grouped.trader).mean()
    told = {name: Share(share[name]) for name in ("new", "known") if name in share}
    keys = {(): "groups.unnamed", ("new",): "groups.only_new", ("known",): "groups.only_known"}
    return say(keys.get(tuple(told), "groups.answer"), **told, days=Number(NEW_DAYS))


def _kinds(grouped: pd.DataFrame) -> tuple[str, ...]:
    """Those of traders only where traders are named."""
    return ("trader", "size", "origin") if grouped.trader.any() else ("origin",)


def _tables(grouped: pd.DataFrame) -> Iterator[Table]:
    names = ("items", "checked", "RED", "inspected", "found_of", "interval", "risk_mean")
    for kind in _kinds(grouped):
        rows = tuple(_row(kind, name, rows) for name, rows in _in_order(kind, grouped))
        headings = tuple(say(f"heading.{name}") for name in (kind, *names))
        yield Table(say(f"groups.{kind}_caption"), headings, rows)


def _in_order(kind: str, grouped: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    order = {"trader": ("known", "new", ""), "size": (*SIZES, "")}.get(kind)
    if order is None:
        counts = grouped[kind].value_counts()
        order = tuple(sorted(counts.index, key=lambda name: (name == "other", -counts[name], name)))
    for name in order:
        if len(rows := grouped[grouped[kind] == name]):
            yield name, rows


def _row(kind: str, name: str, rows: pd.DataFrame) -> Row:
    known = rows[rows.inspected]
    rate = _found_in(known)
    named: Fact = name if kind == "origin" and name not in ("", "other") else say(f"group.{name}")
    if not name:
        named = say("group.undeclared")
    return Row(
        (
            named,
            Number(len(rows)),
            Share(float((rows.lane != "GREEN").mean())),
            Share(float((rows.lane == "RED").mean())),
            Number(len(known)),
            Share(rate.value),
            Between(rate),
            Share(float(known.risk.mean())),
        )
    )


def _found_in(known: pd.DataFrame) -> Interval:
    """Share of inspected goods items with a finding; those of one declaration hang together."""
    return share_in_groups(known.found.to_numpy(np.int64), known.declaration.to_numpy())


def _differing(known: pd.DataFrame) -> Iterator[Sentence]:
    """A sentence per group whose mean risk lies outside the interval of what was found."""
    for kind in ("trader", "size"):
        for name, rows in _in_order(kind, known):
            rate, risk = _found_in(rows), float(rows.risk.mean())
            if name and len(rows) >= FEWEST and not rate.low <= risk <= rate.high:
                yield say(
                    f"groups.{'overrated' if risk > rate.high else 'underrated'}",
                    group=say(f"group.{name}"),
                    risk=Share(risk, 2),  # with one decimal it may look as if it lay within
                    rate=Share(rate.value, 2),
                    ends=say("between", low=Share(rate.low, 2), high=Share(rate.high, 2)),
                )
