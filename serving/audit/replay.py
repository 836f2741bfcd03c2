"""Decides again on everything in the log, as on its day, and compares with what was kept.

As on its day means: the bundle named by the record, with its rules, policy and prices; histories
that know exactly the records they knew then; the lanes of earlier versions; the same draw key. The
digest of the features in the record shows whether the histories were the same.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from models.bundle import MANIFEST, Bundle, OtherVersionError, Ruling, load, load_ruling
from models.digests import sha256_of
from models.pointer import NAME_DIGITS
from models.rules_files import read_rules
from selectivity.deciding.decision import Source
from selectivity.deciding.guard import Room
from selectivity.deciding.sampling import draw_key_id
from selectivity.errors import BundleError, ParamsError, SelectivityError
from selectivity.lanes import LINEAGE, Lane, Vote
from selectivity.record import DecisionRecord
from serving.deciding.catch_up import CatchUp
from serving.deciding.draw_key import read_or_create_draw_key
from serving.deciding.predictor import Circumstances, Predictor
from serving.log.kept_texts import declared_in
from serving.log.reader import LogReader, Numbered
from serving.settings import Settings

MOST_CHARACTERS = 40
Loaded = TypeVar("Loaded", Bundle, Ruling)
_ABSENT = object()


class Replayed(NamedTuple):
    """How many decisions came out as they were kept, and what stood in the way of the others."""

    equal: int
    differing: int
    first_difference: str | None
    not_replayed: Mapping[str, int]
    """How many could not be decided again, by what is missing."""
    other_lanes: int = 0
    """How many of those that differ do so in their lane."""
    left_out: int = 0
    """How many were decided before those that were asked for."""

    @property
    def all_equal(self) -> bool:
        """Whether every decision was decided again and came out the same."""
        return not self.differing and not self.not_replayed

    @property
    def line(self) -> str:
        """All of it in one line."""
        counts = [f"{self.equal} decisions replayed and equal"]
        if self.differing:
            lanes = f"{self.other_lanes or 'none'} of them in the lane"
            counts.append(f"{self.differing} differing, {lanes}, first {self.first_difference}")
        counts += [f"{number} not replayed: {why}" for why, number in self.not_replayed.items()]
        counts += [f"{self.left_out} of before left out"] if self.left_out else []
        return "; ".join(counts)


class MissingError(Exception):
    """What a decision rested on is not at hand, and what to do about it."""

    def __init__(self, what: str, remedy: str = "Put it back where that setting says.") -> None:
        super().__init__(what)
        self.remedy = remedy


def replay(log: LogReader, settings: Settings, *, since: datetime | None = None) -> Replayed:
    """Decide again on every declaration in the log, in its order.

    Args:
        since: what was decided before is left out; histories know it all the same.

    Raises:
        ParamsError: there is no draw key.
        DecisionLogError: a record cannot be read; `lanes verify` says which.
    """
    counts: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    first: str | None = None
    with log.one_moment():
        replayer = Replayer(log, settings)
        for numbered in log.records():
            kept = numbered.record
            if since is not None and kept.decided_at < since:
                counts["left out"] += 1
                continue
            try:
                decided = replayer.decide(numbered)
            except MissingError as what:
                missing[str(what)] += 1
                continue
            found = _difference(kept, _in_form_of(kept, decided))
            counts["equal" if found is None else "differing"] += 1
            counts["other lanes"] += kept.decision.lane is not decided.decision.lane
            first = first or found
    numbers = counts["equal"], counts["differing"], first, missing
    return Replayed(*numbers, counts["other lanes"], counts["left out"])


class _AsOnItsDay:
    """What the office had got, as the record says."""

    def __init__(self, room: Room | None) -> None:
        self._room = room

    def taken(self, lane: Lane) -> int:
        return self._room.taken if self._room and self._room.lane is lane else 0

    def rank(self, vote: Vote) -> float:
        return self._room.rank if self._room and self._room.lane is vote.lane else 0.0


class Replayer:
    """Decides again, with predictors that know what those of the decisions knew then."""

    def __init__(self, log: LogReader, settings: Settings) -> None:
        self._log, self._settings = log, settings
        self._draw_key = _draw_key(settings)
        self._with_bundle: dict[str, list[tuple[Predictor, CatchUp]]] = {}
        self._rulings: dict[str, Predictor] = {}
        self._without: Predictor | None = None
        self._absent: dict[tuple[str, object], MissingError] = {}

    def decide(self, numbered: Numbered) -> DecisionRecord:
        """The decision on the declaration of this record, made now."""
        seq, record = numbered
        if record.draw_key_id != draw_key_id(self._draw_key):
            raise MissingError(f"draw key {record.draw_key_id} (LANES_DRAW_KEY)")
        earlier = self._log.strictest_lane_before(seq, record.lineage_id, record.declaration_id)
        declaration, decision = declared_in(record), record.decision
        load = _AsOnItsDay(decision.room)
        circumstances = Circumstances(earlier, record.decided_at, decision.mode, load)
        predictor = self.predictor(record)
        if decision.source is Source.MODEL:
            return predictor.decide(declaration, **circumstances._asdict())
        cause = decision.fallback_cause  # that the model failed cannot be repeated
        if decision.source is Source.LAST_GOOD:
            ruling = self._ruling(record)
            ruling.last_good = predictor
            return ruling.decide_by_last_good(declaration, circumstances, cause=cause)
        return predictor.decide_without_model(declaration, circumstances, cause=cause)

    def predictor(self, record: DecisionRecord) -> Predictor:
        """The predictor whose model spoke, with histories that know what they knew then; without a
        model, what decided instead.

        Raises:
            MissingError: its bundle or rules are not at hand.
        """
        if record.decision.source in (Source.SCORECARD, Source.FALLBACK):
            return self._ruling(record)
        digest = str(record.model_digest or record.bundle_digest)
        predictor, histories = self._that_knows(digest, record.known_upto or 0)
        histories.to(record.known_upto or 0)
        # None: they knew nothing of the log, which was away.
        predictor.known_upto = record.known_upto
        return predictor

    def _ruling(self, record: DecisionRecord) -> Predictor:
        """Rules, policy and points as they were, with no model."""
        digest = record.bundle_digest
        if digest is None:
            return self._fallback(record.rules_version)
        if digest not in self._rulings:
            ruling = self._find(digest, load_ruling)
            self._rulings[digest] = Predictor.of_ruling(ruling, draw_key=self._draw_key)
        return self._rulings[digest]

    def _that_knows(self, digest: str, upto: int) -> tuple[Predictor, CatchUp]:
        """The predictor that knows most and no more than this: histories cannot forget.

        One is enough for each process that wrote the log at the same time as others.
        """
        opened = self._with_bundle.setdefault(digest, [])
        usable = [each for each in opened if each[1].at <= upto]
        if not usable:
            predictor = Predictor.of_bundle(
                self._find(digest, load), draw_key=self._draw_key, seconds_allowed=inf
            )
            usable = [(predictor, CatchUp(predictor, self._log))]
            opened += usable
        return max(usable, key=lambda each: each[1].at)

    def _find(self, digest: str, load_it: Callable[[Path], Loaded]) -> Loaded:
        """What is loaded from the folder of the bundle with this digest."""
        sought = digest, load_it
        if sought not in self._absent:
            missing = MissingError(f"bundle {digest[:NAME_DIGITS]} (LANES_PUBLISHED)")
            for folder in (self._settings.published / digest[:NAME_DIGITS], self._settings.bundle):
                try:
                    if folder is not None and (loaded := load_it(folder)).digest == digest:
                        return loaded
                except OtherVersionError:
                    if folder is not None and sha256_of(folder / MANIFEST) == digest:
                        missing = _of_another_version(digest)
                except BundleError:
                    continue
            self._absent[sought] = missing
        raise self._absent[sought]

    def _fallback(self, rules_version: str) -> Predictor:
        missing = MissingError(f"rules of version {rules_version} (LANES_RULES)")
        if self._without is None:
            try:
                rules = read_rules(self._settings.rules_files())
            except SelectivityError as error:
                raise missing from error
            self._without = Predictor(None, rules=rules, draw_key=self._draw_key)
        if self._without.rules.version != rules_version:
            raise missing
        return self._without


def _of_another_version(digest: str) -> MissingError:
    return MissingError(
        f"bundle {digest[:NAME_DIGITS]} was made by another version of this software",
        "Ask the version that decided (see “Publish, upgrade and go back” in RUNBOOK.md).",
    )


def _draw_key(settings: Settings) -> bytes:
    if not settings.draw_key_file.exists():
        raise ParamsError(
            f"There is no draw key at {settings.draw_key_file}, and without it random draws cannot "
            "be repeated. Give the key of the service with LANES_DRAW_KEY."
        )
    return read_or_create_draw_key(settings.draw_key_file)


def _in_form_of(kept: DecisionRecord, again: DecisionRecord) -> DecisionRecord:
    """What came out now, in the form of an old record if `kept` is one: there the vote for the lane
    of earlier versions is the first reason, also where that lane was GREEN."""
    then, now = (each.decision.reasons[0].code == LINEAGE for each in (kept, again))
    lineage = next((vote for vote in again.decision.votes if vote.reason.code == LINEAGE), None)
    if not then or now or lineage is None:
        return again
    before = {
        "channel": lineage.channel,
        "reasons": (lineage.reason, *again.decision.reasons),
    }
    return again.model_copy(update={"decision": again.decision.model_copy(update=before)})


def _difference(kept: DecisionRecord, again: DecisionRecord) -> str | None:
    """Where two records differ first, in words; None if they are the same."""
    found = next(
        _differences(kept.model_dump(mode="json"), again.model_dump(mode="json"), ""), None
    )
    if found is None:
        return None
    return f"decision on {kept.declaration_id!r} version {kept.version_no}: {found}"


def _differences(kept: Any, again: Any, path: str) -> Iterator[str]:
    if isinstance(kept, dict) and isinstance(again, dict):
        for name in {**kept, **again}:
            yield from _differences(
                kept.get(name, _ABSENT), again.get(name, _ABSENT), f"{path}.{name}"
            )
    elif _lists(kept, again):
        for number, (one, other) in enumerate(zip(kept, again, strict=True)):
            yield from _differences(one, other, f"{path}.{number}")
    elif kept != again:
        yield f"{path[1:]} was {_short(kept)} and is {_short(again)}"


def _lists(kept: Any, again: Any) -> bool:
    lists = isinstance(kept, Sequence) and isinstance(again, Sequence)
    return lists and not isinstance(kept, str) and len(kept) == len(again)


def _short(value: Any) -> str:
    text = "absent" if value is _ABSENT else repr(value)
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"
