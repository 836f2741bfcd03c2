"""What the service counts, for Prometheus."""

from collections import Counter as Counted
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from selectivity.deciding.decision import Source
from selectivity.deciding.modes import Mode
from selectivity.inspection import Inspection
from selectivity.lanes import Channel, Lane
from selectivity.override import OverrideState, OverrideStep
from selectivity.record import DecisionRecord
from serving.callers.api_keys import ApiKey
from serving.log.checkpoints import Anchor, Checkpoint
from serving.log.spool import Spooled

FORTNIGHT = timedelta(days=14)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)


class Meters:
    """Counters of one service; each has its own registry, so that two never mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._decisions = self._counter(
            "lanes_decisions",
            "Decisions kept, by lane, who asked for it, what spoke as the model, and why not it.",
            by=["lane", "channel", "source", "fallback_cause"],
        )
        self._shadows = self._counter(
            "lanes_shadow",
            "Decisions kept, by lane and by what the points table says of them.",
            by=["lane", "shadow"],
        )
        # Every decision is counted: what counts those of its labels is looked up once.
        self._decisions_of = lru_cache(self._decisions.labels)
        self._shadows_of = lru_cache(self._shadows.labels)
        self._inspections = self._counter(
            "lanes_inspections",
            "Inspections received, by result and by what became of them.",
            by=["result", "receipt"],
        )
        self._overrides = self._counter(
            "lanes_overrides",
            "Steps of overrides kept, by the lanes from which and to which, and by state.",
            by=["from_lane", "to_lane", "state"],
        )
        self._mode = self._gauge("lanes_mode", "1, with the mode in force.", by=["mode"])
        self._mode_until = self._gauge(
            "lanes_mode_until_timestamp_seconds",
            "When the time of the order in force on the mode is over; 0 without an end.",
        )
        self.ordered(Mode.NORMAL, None)
        self._mode_only_here = self._gauge(
            "lanes_mode_only_here",
            "1 while this service alone knows of the order in force: the log has yet to get it.",
        )
        self.refusals = Counted[int]()
        """The same, for who cannot wait until somebody asks for the metrics."""
        self._refusals = self._counter(
            "lanes_refusals", "Requests and batch lines refused.", by=["status"]
        )
        self.answer_seconds = self._histogram(
            "lanes_answer_seconds", "From reading one declaration to its durable answer."
        )
        self.lines_seconds = self._histogram(
            "lanes_batch_answer_seconds",
            "From reading some lines of a batch, 32 at most and not all refused, to their durable "
            "answers.",
        )
        self.commit_seconds = self._histogram(
            "lanes_log_commit_seconds", "Time of one durable commit of the decision log."
        )
        self._followed = self._counter(
            "lanes_bundles_followed",
            "Newly published bundles, by what became of them.",
            by=["outcome"],
        )
        self._vouched_records = self._gauge(
            "lanes_checkpoint_records", "Records of the log that the newest checkpoint vouches for."
        )
        self._vouched_at = self._gauge(
            "lanes_checkpoint_timestamp_seconds", "When the newest checkpoint was signed."
        )
        self._anchor = self._gauge(
            "lanes_anchor",
            "1, with how it stands with the anchor: ok, new, other, damaged, cut or failing.",
            by=["state"],
        )
        self.anchored(Anchor.OK)
        self._spooling = self._gauge(
            "lanes_spooling", "1 while the log fails and decisions go into the spool."
        )
        self._spooled_records = self._gauge(
            "lanes_spooled_records", "Records in the spool that the log does not have yet."
        )
        self._not_kept = self._counter(
            "lanes_not_kept",
            "Declarations and inspections that were refused because neither log nor spool took "
            "them.",
        )
        self._key_expires = self._gauge(
            "lanes_key_expires_timestamp_seconds",
            "When the last API key of this name expires, or expired within two weeks.",
            by=["name"],
        )
        self._keys_outdated = self._gauge(
            "lanes_keys_outdated",
            "1 while a file of keys cannot be used, so that what was revoked in it may open.",
        )
        self._behind = self._gauge(
            "lanes_histories_behind",
            "1 while the histories know nothing of the log, which was away at the start.",
        )
        self._still = self._gauge(
            "lanes_histories_still",
            "1 while the histories stand still at a record of the log that cannot be read.",
        )
        self._serving = self._gauge(
            "lanes_serving",
            "1, with what decides: the bundle and rules in force; fallback_cause is empty with a "
            "usable model.",
            by=["bundle", "rules_version", "fallback_cause"],
        )
        self._critical = self._gauge(
            "lanes_critical_line_timestamp_seconds",
            "When the newest line of level CRITICAL was written to the service's log; 0 without.",
        )
        self._begin_at_zero()

    def _counter(self, name: str, documentation: str, *, by: Sequence[str] = ()) -> Counter:
        return Counter(name, documentation, by, registry=self._registry)

    def _gauge(self, name: str, documentation: str, *, by: Sequence[str] = ()) -> Gauge:
        return Gauge(name, documentation, by, registry=self._registry)

    def _histogram(self, name: str, documentation: str) -> Histogram:
        return Histogram(name, documentation, buckets=SECONDS, registry=self._registry)

    def _begin_at_zero(self) -> None:
        """What alarms ask for is there before it happens: a counter that begins at 1 never rose."""
        for status in (401, 403, 429, 503):
            self._refusals.labels(str(status))
        for outcome in ("refused", "taken over"):
            self._followed.labels(outcome)
        for lane in (Lane.YELLOW, Lane.RED):
            self._decisions.labels(lane.name, Channel.RANDOM.value, Source.MODEL.value, "")
        for above, below in ("RED", "YELLOW"), ("RED", "GREEN"), ("YELLOW", "GREEN"):
            self._overrides.labels(above, below, OverrideState.APPROVED.value)

    def critical_lines(self, newest: Callable[[], float]) -> None:
        """Say how to find out when the newest one was written, in seconds since 1970."""
        self._critical.set_function(newest)

    def not_kept(self) -> None:
        """Count what was sent and could not be kept anywhere."""
        self._not_kept.inc()

    def keys(self, keys: Iterable[ApiKey], now: datetime, *, outdated: bool) -> None:
        """Say when keys expire, of one that expired no sooner than it may have been noticed; and
        whether a file of keys cannot be used."""
        self._keys_outdated.set(outdated)
        self._key_expires.clear()
        shown = [key for key in keys if key.revoked_at is None and key.expires_at > now - FORTNIGHT]
        for key in sorted(shown, key=lambda each: each.expires_at):
            self._key_expires.labels(key.name).set(key.expires_at.timestamp())

    def vouched(self, checkpoint: Checkpoint) -> None:
        """Say how far the log was vouched for, and when."""
        self._vouched_records.set(checkpoint.records)
        self._vouched_at.set(checkpoint.at.timestamp())

    def anchored(self, anchor: Anchor) -> None:
        """Say how it stands with the anchor."""
        self.anchor = anchor
        self._anchor.clear()
        self._anchor.labels(anchor.value).set(1)

    def spooled(self, spooled: Spooled | None) -> None:
        """Say how it stands with the spool."""
        self._spooling.set(spooled is not None)
        self._spooled_records.set(spooled.waiting if spooled else 0)

    def histories(self, *, behind: bool, still: bool) -> None:
        """Say whether the histories know nothing of the log, or learn nothing more of it."""
        self._behind.set(behind)
        self._still.set(still)

    def serving(self, bundle: str | None, rules_version: str, fallback_cause: str | None) -> None:
        """Say what decides from now on."""
        self._serving.clear()
        self._serving.labels((bundle or "")[:16], rules_version, fallback_cause or "").set(1)

    def followed(self, outcome: str) -> None:
        """Count a bundle that was taken over or refused while the service ran."""
        self._followed.labels(outcome).inc()

    def decided(self, record: DecisionRecord) -> None:
        """Count a decision that was kept."""
        decision, cause = record.decision, record.degraded_cause or ""
        lane, source = decision.lane.name, decision.source.value
        self._decisions_of(lane, decision.channel.value, source, cause).inc()
        if decision.shadow is not None:
            self._shadows_of(lane, decision.shadow.lane.name).inc()

    def inspected(self, inspection: Inspection, receipt: str) -> None:
        """Count an inspection that was received."""
        self._inspections.labels(inspection.result.value, receipt).inc()

    def overridden(self, step: OverrideStep) -> None:
        """Count a step of an override that was kept."""
        lanes = step.from_lane.name, step.asked.to_lane.name
        self._overrides.labels(*lanes, step.state.value).inc()

    def ordered(self, mode: Mode, until: datetime | None) -> None:
        """Say which mode is in force, and when the time of its order is over."""
        self._mode.clear()
        self._mode.labels(mode.value).set(1)
        self._mode_until.set(0 if until is None else until.timestamp())

    def order_waits(self, *, waits: bool) -> None:
        """Say whether the order in force lies in the spool alone."""
        self._mode_only_here.set(waits)

    def refused(self, status: int) -> None:
        """Count a refusal."""
        self.refusals[status] += 1
        self._refusals.labels(str(status)).inc()

    def exposition(self) -> bytes:
        """Everything counted, in the text format of Prometheus."""
        return generate_latest(self._registry)
