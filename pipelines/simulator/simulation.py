"""A world that is lived through week by week, under the policy of old or under another one.

lodge -> select -> officers -> controls -> results, known when they are -> what traders make of it.
Each step of each week draws from its own named random stream, so that another policy meets the
very same traders, goods and luck; what differs is what traders make of being inspected.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from pipelines.simulator import (
    aftermath,
    capacity,
    controls,
    demand,
    findings,
    forms,
    lineages,
    officers,
    reaction,
    shipments,
    truth_table,
    violations,
)
from pipelines.simulator.draws import Table, Texts, Times, WeekStreams
from pipelines.simulator.goods import Headings
from pipelines.simulator.history import History, joined
from pipelines.simulator.pending import Pending
from pipelines.simulator.schema import TABLES, completed
from pipelines.simulator.selection import (
    Selection,
    decision_table,
    legacy_selection,
    risk_unit_score,
)
from pipelines.simulator.settings import WorldSettings
from pipelines.simulator.world import World, build_world
from selectivity.columns import Floats, Ints, day_of
from selectivity.lanes import Channel, Lane

FOUND_BEFORE = 1.0
"""Luck with which nothing is found: an audit does not find again what clearance has found."""


@dataclass(frozen=True)
class LodgedWeek:
    """The declarations of one week as a policy gets them, and what only the simulator knows.

    Attributes:
        header: one row per declaration version, fields of `selectivity.columns.HEADER`.
        item: one row per goods item, with the id and version of its declaration.
    """

    week: int
    header: Table
    item: Table
    history: History
    names: Texts
    score: Floats


class SelectionPolicy(Protocol):
    """Whatever selects: it gives lanes to declarations of a simulated week.

    It is to look at headers, items and the lanes that goods had before, and at the outcomes it is
    told. The history is there for the policy of old, which is a part of the world.
    """

    @property
    def writes_down_chances(self) -> bool:
        """Whether propensities reach the inspections of this week."""

    def select(self, lodged: LodgedWeek) -> Selection:
        """A lane, a channel and the chances of all lanes for each declaration, in their order."""

    def learn(self, known: Mapping[str, Table]) -> None:
        """What became known by the end of a week: the tables of that week."""


@dataclass(frozen=True)
class State:
    """What the next week has to know of those before."""

    week: int
    standing: reaction.Standing
    next_free: Ints
    refiled: History | None
    pending: Pending


class Simulation:
    """A world and where it stands."""

    def __init__(
        self, settings: WorldSettings, headings: Headings, state: State | None = None
    ) -> None:
        self.world: World = build_world(settings, headings)
        self.calendar = capacity.build_calendar(self.world)
        self._level = violations.level_of_risk(self.world)
        self.state = state or self._first()

    def _first(self) -> State:
        return State(
            week=0,
            standing=reaction.at_first(self.world),
            next_free=np.zeros((len(self.world.places.office), 2), dtype=np.int64),
            refiled=None,
            pending=Pending(),
        )

    def weeks(
        self, count: int, policy: SelectionPolicy | None = None
    ) -> Iterator[dict[str, Table]]:
        """The tables of the next weeks, one week after the other; the policy of old by default."""
        deciding = policy or LegacyPolicy(self)
        numbers = demand.demand(self.world, self.state.week + count)[self.state.week :]
        for number in numbers.tolist():
            yield self._live(number, deciding)

    def _live(self, declarations: int, policy: SelectionPolicy) -> dict[str, Table]:
        week, streams = self.state.week, self.world.streams.of(self.state.week)
        lodged = self.lodge(declarations, streams)
        proposed = policy.select(lodged)
        selection, moves = officers.override(self.world, lodged.history, proposed, streams)
        cancelled, refiled = lineages.refile(self.world, lodged.history, selection.lane, streams)
        before = self.state.standing
        recorded = policy.writes_down_chances
        self._inspect(lodged, selection, cancelled, streams, recorded=recorded)
        known = self.state.pending.until(self.world.monday(week + 1))
        self._react(lodged, selection, known["findings"], streams)
        self.state = replace(self.state, week=week + 1, refiled=refiled if len(refiled) else None)
        tables = {
            "declarations": lodged.header,
            "goods_items": lodged.item,
            "decisions": decision_table(lodged.history, lodged.names, proposed, recorded=recorded),
            "overrides": officers.override_table(self.world, lodged.history, lodged.names, moves),
            "traders": self._register(week, before),
            "capacity_calendar": capacity.table(self.world, self.calendar, week),
            "truth": truth_table.truth(
                self.world, lodged.history, lodged.names, selection, before.watched
            ),
            **known,
        }
        done = {name: completed(name, table) for name, table in tables.items()}
        policy.learn({name: done[name] for name in TABLES if name in done})
        return done

    def lodge(self, declarations: int, streams: WeekStreams) -> LodgedWeek:
        """What comes in this week: new goods, amendments, and what is lodged anew."""
        state, world = self.state, self.world
        week = np.full(declarations, state.week)
        route = shipments.ship(world, week, streams)
        true = shipments.load(world, route, streams)
        risk = violations.risks(
            world, route, true, level=self._level, watched=state.standing.watched
        )
        route, told, truth = violations.falsify(world, route, true, streams, risk=risk)
        nothing = np.zeros(declarations, dtype=np.int64)
        history = History(route, true, told, truth, nothing, nothing - 1)
        history = lineages.with_amendments(world, history, streams)
        if state.refiled is not None:
            history = joined([history, state.refiled])
        names = forms.ids(np.where(history.original >= 0, history.route.lineage, history.route.key))
        header = forms.headers(world, history, state.standing, names, streams)
        item = forms.items(world, history, streams)
        owner = history.told.declaration
        keys = {name: header[name][owner] for name in ("declaration_id", "version_no")}
        registered_on = day_of(state.standing.registered_on).astype(np.float64)
        return LodgedWeek(
            week=state.week,
            header=forms.with_totals(header, item),
            item=keys | item,
            history=history,
            names=names,
            score=risk_unit_score(world, history, registered_on),
        )

    def _inspect(
        self,
        lodged: LodgedWeek,
        selection: Selection,
        cancelled: Ints,
        streams: WeekStreams,
        *,
        recorded: bool,
    ) -> None:
        """Controls of this week's declarations; their results stay pending until they are known."""
        world, history = self.world, lodged.history
        luck = controls.detection_luck(history, streams)
        assigned = officers.assign(world, history, streams)
        starts = self._turns(lodged, selection, cancelled)
        made = controls.clearance_controls(world, history, selection, starts, luck, streams)
        made = controls.timed(world, history, made, assigned, streams)
        later = aftermath.audits(world, history, selection, lodged.score, cancelled, streams)
        by_rule = np.full(len(later.declaration), str(Channel.RULE), dtype=object)
        by_policy = selection.channel[made.declaration]
        for some, diligence, why, luck_of in (
            (made, _diligence(assigned, made), by_policy, streams.of("clearance")),
            (later, np.ones(len(later.declaration)), by_rule, streams.of("audit")),
        ):
            found = findings.find(world, history, some, diligence, luck, luck_of)
            open_ended = findings.concluded(world, history, some, cancelled, luck_of)
            found = findings.kept(found, open_ended[found.control] == findings.CONCLUDED)
            inspections, finds = findings.tables(
                world,
                history,
                some,
                found,
                open_ended,
                ids=lodged.names,
                triggered_by=why,
                assigned=assigned,
                recorded=np.full(len(some.declaration), recorded),
            )
            appeals = aftermath.appeals(world, finds, luck_of)
            self.state.pending.add(inspections=inspections, findings=finds, appeals=appeals)
            luck[found.item[~found.imagined]] = FOUND_BEFORE

    def _turns(self, lodged: LodgedWeek, selection: Selection, cancelled: Ints) -> Times:
        """When the turn of each declaration comes; the lines grow by those that are controlled."""
        history = lodged.history
        waits = history.newest & (selection.lane > Lane.GREEN)
        waits[cancelled] = False
        rows = np.flatnonzero(waits)
        starts = history.route.accepted_at.astype("datetime64[us]").copy()
        starts[rows], next_free = capacity.queue(
            self.world,
            self.calendar,
            self.state.next_free,
            office=history.route.office[rows],
            lane=selection.lane[rows] - Lane.YELLOW,
            asked_at=starts[rows],
        )
        self.state = replace(self.state, next_free=next_free)
        return starts

    def _react(
        self, lodged: LodgedWeek, selection: Selection, findings: Table, streams: WeekStreams
    ) -> None:
        first = np.flatnonzero(lodged.history.original < 0)
        order = first[np.argsort(lodged.history.route.accepted_at[first], kind="stable")]
        red = (selection.lane[order] == Lane.RED).astype(np.float64)
        trader = lodged.history.route.trader[order]
        standing = reaction.after_lanes(self.world, self.state.standing, trader, red)
        fraud = findings["intent"] == "FRAUD"
        _, rows = np.unique(findings["declaration"][fraud], return_index=True)
        caught = findings["trader"][fraud][rows].astype(np.int64)
        standing = reaction.after_findings(self.world, standing, caught, lodged.week, streams)
        self.state = replace(self.state, standing=standing)

    def _register(self, week: int, before: reaction.Standing) -> Table:
        """Everybody at the very first; then whoever changed, from the Monday after on."""
        now = self.state.standing
        changed = reaction.register(self.world, now, before, self.world.monday(week + 1))
        if week > 0:
            return changed
        everybody = reaction.register(self.world, before, None, self.world.start)
        return {name: np.concatenate([everybody[name], changed[name]]) for name in everybody}


def _diligence(assigned: officers.Assignment, made: controls.Controls) -> Floats:
    """Share of what can be found that is: officers differ, laboratories do not."""
    at_the_border = made.type != controls.SAMPLE
    return np.where(at_the_border, assigned.detects[made.declaration], 1.0)


class LegacyPolicy:
    """The policy of old. It writes down chances from some week on and learns nothing."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    @property
    def writes_down_chances(self) -> bool:
        """Whether propensities reach the inspections of this week."""
        world = self._simulation.world
        return self._simulation.state.week >= world.settings.selection.propensity_from_week

    def select(self, lodged: LodgedWeek) -> Selection:
        """Mandatory rules, a noisy score, and a random share."""
        world = self._simulation.world
        return legacy_selection(
            world,
            self._simulation.calendar,
            lodged.history,
            lodged.score,
            lodged.week,
            world.streams.of(lodged.week),
        )

    def learn(self, known: Mapping[str, Table]) -> None:
        """The policy of old never learns."""
