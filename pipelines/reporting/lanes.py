"""How declarations are spread over the lanes: over time, offices, channels and directions."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pipelines.judging.lanes import known_violations
from pipelines.reporting import charts
from pipelines.reporting.evidence import Evidence
from pipelines.reporting.sections import Chart, Row, Section, Table
from pipelines.reporting.sentences import Fact, Number, Sentence, Share, say
from selectivity.deciding.capacity import OVER_CAPACITY
from selectivity.lanes import LANES, Channel, Lane
from selectivity.metrics import wilson

FEWEST = 10
"""An office with fewer declarations is not shown on its own: it would tell of single traders."""
MOST_OFFICES = 30

_NOT_BY_RISK = (Channel.MANDATORY, Channel.RULE, Channel.RANDOM)
_OFTEN = (*_NOT_BY_RISK, Channel.MODEL)


def lanes(evidence: Evidence) -> Section:
    """Section: shares of the lanes, and who asked for the controls."""
    weeks = per_week(evidence.decisions)
    return Section(
        name="lanes",
        answers=(_shares(evidence), _askers(evidence), _planned(evidence)),
        blocks=tuple(_blocks(evidence, weeks)),
        caveats=(say("lanes.caveat_replay"), say("lanes.caveat_time")),
        warnings=tuple(_over_full(evidence)),
    )


def per_week(decisions: pd.DataFrame) -> pd.DataFrame:
    """One row per week: week, ripe, declarations, shares of the lanes, inspected, found."""
    counted = decisions.assign(
        **{lane: decisions.lane == lane for lane in LANES},
        found=known_violations(decisions),
    )
    weeks = counted.groupby(["week", "ripe"], as_index=False)
    shares = weeks[list(LANES)].mean()
    return shares.assign(
        declarations=weeks.size()["size"],
        inspected=weeks.inspected.sum().inspected,
        found=weeks.found.sum().found,
    )


def _shares(evidence: Evidence) -> Sentence:
    return say(
        "lanes.answer",
        declarations=Number(len(evidence.decisions)),
        **{lane.lower(): Share(evidence.share(lane)) for lane in LANES},
    )


def _askers(evidence: Evidence) -> Sentence:
    """Who asked for the checks: the shares of law, rules, the model and chance."""
    checked = evidence.decisions[evidence.decisions.lane != "GREEN"]
    if checked.empty:
        return say("lanes.none_checked")
    by = checked.channel.value_counts(normalize=True)
    return say(
        "lanes.askers",
        mandatory=Share(by.get(Channel.MANDATORY, 0.0)),
        rule=Share(by.get(Channel.RULE, 0.0)),
        model=Share(by.get(Channel.MODEL, 0.0)),
        random=Share(by.get(Channel.RANDOM, 0.0)),
        other=Share(float(by[[name for name in by.index if name not in _OFTEN]].sum())),
    )


def _planned(evidence: Evidence) -> Sentence:
    plans = {lane.lower(): share for lane, share in evidence.planned.items()}
    used = {f"{lane}_used": evidence.share(lane.upper()) / plan for lane, plan in plans.items()}
    return say(
        "lanes.planned", **{name: Share(share, 0) for name, share in {**plans, **used}.items()}
    )


def _over_full(evidence: Evidence) -> Iterator[Sentence]:
    for lane, planned in evidence.planned.items():
        given = evidence.share(lane)
        if given > OVER_CAPACITY * planned:
            by_rules = float(evidence.of_lane(lane).channel.isin(_NOT_BY_RISK).mean())
            yield say(
                "lanes.over_by_model" if by_rules < 1 / 2 else "lanes.over_by_rules",
                lane=Lane[lane],
                given=Share(given),
                planned=Share(planned),
                by_model=Share(1 - by_rules),
                by_rules=Share(by_rules),
            )


def _blocks(evidence: Evidence, weeks: pd.DataFrame) -> Iterator[Chart | Table]:
    yield Chart(
        name="weeks",
        caption=say("lanes.weeks_caption"),
        seen=say("lanes.weeks_seen", weeks=Number(len(weeks))),
        draw=lambda speak: charts.lanes_per_week(weeks, speak),
    )
    yield _weeks_table(weeks)
    yield _table(evidence.decisions, "channel", _channels(evidence.decisions))
    directions = evidence.decisions.direction.fillna("")
    if directions.nunique() > 1:
        yield _table(
            evidence.decisions,
            "direction",
            [(_direction(name), directions == name) for name in sorted(directions.unique())],
        )
    yield _table(evidence.decisions, "office", _offices(evidence.decisions))


def _weeks_table(weeks: pd.DataFrame) -> Table:
    return Table(
        caption=say("lanes.week_table"),
        headings=tuple(
            say(f"heading.{name}")
            for name in ("week", "declarations", *LANES, "inspected", "found", "hit_rate")
        ),
        rows=tuple(_week(week) for week in weeks.to_dict("records")),
        folded=True,
    )


def _week(week: Mapping[Hashable, Any]) -> Row:
    cells: tuple[Fact, ...] = (
        say("lanes.week" if week["ripe"] else "lanes.unripe_week", day=week["week"].date()),
        Number(week["declarations"]),
        *(Share(week[lane]) for lane in LANES),
        Number(week["inspected"]),
        Number(week["found"]),
        Share(wilson(week["found"], week["inspected"]).value),
    )
    return Row(cells, marked=not week["ripe"])


Group = tuple[Sentence | str, "pd.Series[bool]"]


def _table(decisions: pd.DataFrame, name: str, groups: Sequence[Group]) -> Table:
    """Lanes of each group of declarations, and of all in the last row."""
    everything = (say("heading.all"), pd.Series(data=True, index=decisions.index))
    return Table(
        caption=say(f"lanes.{name}_caption", fewest=Number(FEWEST)),
        headings=(
            say(f"heading.{name}"),
            say("heading.declarations"),
            say("heading.share"),
            *(say(f"heading.{lane}") for lane in LANES),
        ),
        rows=tuple(_spread(decisions, *group) for group in (*groups, everything)),
    )


def _spread(decisions: pd.DataFrame, label: Sentence | str, members: "pd.Series[bool]") -> Row:
    chosen = decisions[members]
    return Row(
        (
            label,
            Number(len(chosen)),
            Share(len(chosen) / len(decisions)),
            *(Share(float((chosen.lane == lane).mean())) for lane in LANES),
        )
    )


def _channels(decisions: pd.DataFrame) -> list[Group]:
    return [
        (say(f"channel.{channel}"), decisions.channel == channel)
        for channel in Channel
        if (decisions.channel == channel).any()
    ]


def _direction(name: str) -> Sentence | str:
    return say(f"direction.{name or 'unknown'}") if name in ("IMPORT", "EXPORT", "") else name


def _offices(decisions: pd.DataFrame) -> list[Group]:
    """The larger offices, most declarations first; all others together."""
    offices = decisions.office.fillna("")
    counts = offices.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    shown = [name for name in counts[counts >= FEWEST].index[:MOST_OFFICES] if name]
    groups: list[Group] = [(str(name), offices == name) for name in shown]
    others = sorted(set(counts.index) - {*shown, ""})
    if others:
        label = say("lanes.other_offices", offices=Number(len(others)))
        groups.append((label, offices.isin(others)))
    if (offices == "").any():
        groups.append((say("lanes.no_office"), offices == ""))
    return groups
