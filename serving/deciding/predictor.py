"""Decides on one declaration with what is loaded: bundle or none, rules, profiles, draw key."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from models.bundle import Bundle, Ruling
from selectivity.days import day_at
from selectivity.deciding.capacity import Prices
from selectivity.deciding.decision import Source
from selectivity.deciding.guard import Load
from selectivity.deciding.modes import Mode
from selectivity.deciding.policy import Policy, decide
from selectivity.deciding.sampling import draw_key_id
from selectivity.deciding.scorecard import Scorecard
from selectivity.declaration import Declaration
from selectivity.errors import BundleError
from selectivity.histories.profiles import Profiles
from selectivity.histories.rows import Row, rows_of
from selectivity.labelling import ResultChange, comes_too_early, item_outcomes
from selectivity.lanes import Lane
from selectivity.read_back import Lodged
from selectivity.record import DecisionRecord
from selectivity.rules.rule_set import RuleSet
from serving.deciding.breaker import Breaker
from serving.deciding.published import NO_MODEL
from serving.deciding.risk_assessment import RiskAssessment, assess, item_scores

logger = logging.getLogger(__name__)

MODEL_ERROR, MODEL_OUTPUT = "MODEL_ERROR", "MODEL_OUTPUT"
SECONDS_ALLOWED = 0.25


class Circumstances(NamedTuple):
    """What a decision rests on besides the declaration and what is loaded."""

    earlier_lane: Lane | None
    now: datetime
    mode: Mode = Mode.NORMAL
    load: Load | None = None


class Predictor:
    """One lane per declaration, whatever happens; a lane without the model is labelled as such.

    The model in force is asked first, then that of `last_good`, then the points table, then the
    fallback rules. Rules and policy are always those in force.
    """

    def __init__(
        self,
        bundle: Bundle | None,
        *,
        rules: RuleSet,
        draw_key: bytes,
        policy: Policy | None = None,
        scorecard: Scorecard | None = None,
        facts_known: frozenset[str] | None = None,
        ruling_digest: str | None = None,
        cause: str | None = None,
        cause_detail: str | None = None,
        seconds_allowed: float = SECONDS_ALLOWED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rules`, `policy` and `scorecard` are the bundle's own if there is one.

        Args:
            facts_known: facts that the history had at all; None means all of them.
            ruling_digest: bundle that they come from if its model cannot be used.
            cause: code of why there is no bundle, for the label on every decision.
            cause_detail: the same in words, for operators.
            seconds_allowed: time that the model may take for one declaration.
        """
        self.bundle, self.rules, self.scorecard = bundle, rules, scorecard
        self.draw_key, self._draw_key_id = draw_key, draw_key_id(draw_key)
        self.policy = policy or Policy()
        self.prices = bundle.prices if bundle else Prices()
        self._facts_known, self._ruling_digest = facts_known, ruling_digest
        self.cause = None if bundle else cause or NO_MODEL
        self.cause_detail = cause_detail
        self.known_upto: int | None = None
        """Number of the last record of the log that the profiles know; None if they know none."""
        self.kept_upto = 0
        """Number of the last record that the histories kept for the next start know."""
        self.last_good: Predictor | None = None
        """The predictor whose model is asked when this one's gives nothing usable."""
        self._clock, self.breaker = clock, Breaker(seconds_allowed, clock, ruling_digest)

    @classmethod
    def of_bundle(cls, bundle: Bundle, *, draw_key: bytes, **options: Any) -> "Predictor":
        """A predictor with everything that a bundle holds."""
        return cls._of(bundle.ruling, bundle, draw_key=draw_key, **options)

    @classmethod
    def of_ruling(cls, ruling: Ruling, *, draw_key: bytes, **options: Any) -> "Predictor":
        """A predictor with what a bundle holds besides its model."""
        return cls._of(ruling, None, draw_key=draw_key, **options)

    @classmethod
    def _of(cls, ruling: Ruling, bundle: Bundle | None, **options: Any) -> "Predictor":
        return cls(
            bundle,
            rules=ruling.rules,
            policy=ruling.policy,
            scorecard=ruling.scorecard,
            facts_known=ruling.facts_known,
            ruling_digest=ruling.digest,
            **options,
        )

    @property
    def bundle_digest(self) -> str | None:
        """Names the bundle whose rules and policy hold; None without one."""
        return self._ruling_digest

    @property
    def behind(self) -> bool:
        """Whether some model has histories that know nothing of the log."""
        return any(each.bundle and each.known_upto is None for each in self.learners())

    @property
    def source(self) -> Source:
        """What is asked first now."""
        if self.bundle is not None:
            return Source.MODEL
        if self.last_good is not None:
            return Source.LAST_GOOD
        return Source.FALLBACK if self.scorecard is None else Source.SCORECARD

    def learners(self) -> "list[Predictor]":
        """This predictor and the last good one behind it: both learn what the log holds."""
        return [self] if self.last_good is None else [self, self.last_good]

    def assess(
        self, declarations: Sequence[Declaration], mode: Mode
    ) -> Sequence[RiskAssessment | None]:
        """What the model says of each now: the same as alone, in a fraction of the time.

        None for all of them without a model, in a mode that does not ask it, or if it fails on one
        of them. `decide` then asks the model about each alone, and reports which one failed.
        """
        asks = mode.asks_model and self.breaker.rests_because is None
        if self.bundle is not None and declarations and asks:
            with contextlib.suppress(Exception):  # reported when each is asked about alone
                began = self._clock()
                assessments = assess(declarations, self.bundle)
                if all(each.risk.usable() for each in assessments):  # else `ask` counts failures
                    self.breaker.timed(began, sum(len(each.items) for each in declarations))
                return assessments
        return [None] * len(declarations)

    def decide(
        self,
        declaration: Declaration,
        *,
        earlier_lane: Lane | None,
        now: datetime,
        mode: Mode = Mode.NORMAL,
        load: Load | None = None,
        assessment: RiskAssessment | None = None,
    ) -> DecisionRecord:
        """The decision on a declaration, with all that it rests on. Nothing is kept here.

        Args:
            mode: what people ordered.
            load: what the office got today, if its capacity is to be guarded.
            assessment: what `assess` gave, if nothing was folded into the profiles since.
        """
        circumstances = Circumstances(earlier_lane, now, mode, load)
        if not mode.asks_model:
            return self.decide_without_model(declaration, circumstances, cause=None)
        answer = self.ask(declaration, assessment)
        if isinstance(answer, RiskAssessment):
            return self._decide(declaration, circumstances, self, answer)
        cause = answer
        stand_in = self.last_good.ask(declaration) if self.last_good else None
        if self.last_good and isinstance(stand_in, RiskAssessment):
            return self._decide(declaration, circumstances, self.last_good, stand_in, cause)
        return self.decide_without_model(declaration, circumstances, cause=cause)

    def decide_by_last_good(
        self, declaration: Declaration, circumstances: Circumstances, *, cause: str | None
    ) -> DecisionRecord:
        """The decision by the last good model, labelled with why it was not the one in force.

        Raises:
            BundleError: it gives nothing usable.
        """
        answer = self.last_good.ask(declaration) if self.last_good else NO_MODEL
        if self.last_good is None or isinstance(answer, str):
            raise BundleError(f"The last good model says nothing ({answer}). Find out why.")
        return self._decide(declaration, circumstances, self.last_good, answer, cause)

    def decide_without_model(
        self, declaration: Declaration, circumstances: Circumstances, *, cause: str | None
    ) -> DecisionRecord:
        """The decision by points or rules alone, labelled with the cause. Nothing is kept here."""
        return self._decide(declaration, circumstances, self, None, cause or self.cause)

    def ask(
        self, declaration: Declaration, assessment: RiskAssessment | None = None
    ) -> RiskAssessment | str:
        """What the model says, or the code of why that is nothing usable.

        Args:
            assessment: what it said a moment ago; then it is not asked again.
        """
        if self.bundle is None:
            return self.cause or NO_MODEL
        if assessment is None:
            if (resting := self.breaker.rests_because) is not None:
                return resting
            began = self._clock()
            try:
                (assessment,) = assess([declaration], self.bundle)
            except Exception as error:  # a lane must be given, and must say what did not give it
                return self._failed(MODEL_ERROR, declaration, error)
            if assessment.risk.usable():
                self.breaker.timed(began, len(declaration.items))
        return assessment if assessment.risk.usable() else self._failed(MODEL_OUTPUT, declaration)

    def _failed(self, cause: str, on: Declaration, error: Exception | None = None) -> str:
        if not self.breaker.known_bad:  # else that was told, and it is asked now and then
            what = {"declaration_id": on.declaration_id, "cause": cause}
            logger.error("model failed", extra=what, exc_info=error)
        self.breaker.failed(cause)
        return cause

    def go_on(self, profiles: Profiles, *, kept_upto: int) -> None:
        """Take these for what is known up to this record, instead of the bundle's own."""
        assert self.bundle is not None
        self.bundle = replace(self.bundle, profiles=profiles)
        self.known_upto = self.kept_upto = kept_upto

    def observe(self, rows: Iterable[Row]) -> None:
        """Fold goods items whose decisions are kept into the profiles."""
        if self.bundle is not None:
            self.bundle.profiles.observe(rows)

    def learn(self, declaration: Lodged, change: ResultChange) -> None:
        """Fold the result of a control into the profiles, or take it out of them again."""
        observed_at = change.inspection.observed_at
        if self.bundle is None or comes_too_early(observed_at, declaration.accepted_at):
            return
        outcomes = item_outcomes(change.inspection, [item.item_no for item in declaration.items])
        if not outcomes:
            return
        day = day_at(change.since)
        for item, row in zip(declaration.items, rows_of(declaration), strict=True):
            if item.item_no in outcomes:
                self.bundle.profiles.learn(row, day, outcomes[item.item_no], count=change.counts)

    def _decide(
        self,
        declaration: Declaration,
        circumstances: Circumstances,
        assessed_by: "Predictor",
        assessment: RiskAssessment | None,
        cause: str | None = None,
    ) -> DecisionRecord:
        """By the rules in force here and what the model of `assessed_by` says, if anything."""
        decision = decide(
            declaration,
            risk=assessment and assessment.risk,
            rules=self.rules,
            policy=self.policy,
            prices=assessed_by.prices,
            draw_key=self.draw_key,
            earlier_lane=circumstances.earlier_lane,
            facts_known=self._facts_known,
            scored=None if self.scorecard is None else self.scorecard.judge(declaration),
            fallback_cause=cause,
            mode=circumstances.mode,
            load=circumstances.load,
            now=circumstances.now,
        )
        return DecisionRecord(
            declaration_id=declaration.declaration_id,
            version_no=declaration.version_no,
            lineage_id=declaration.lineage,
            snapshot_sha256=declaration.snapshot_sha256(),
            declared=declaration.lodged,
            decided_at=circumstances.now,
            bundle_digest=self.bundle_digest,
            model_digest=None if assessed_by is self else assessed_by.bundle_digest,
            rules_version=self.rules.version,
            policy_id=self.policy.id,
            draw_key_id=self._draw_key_id,
            known_upto=assessed_by.known_upto if assessment else None,
            features_sha256=assessment and assessment.features_sha256,
            scores=item_scores(declaration, assessment.risk) if assessment else (),
            decision=decision,
        )
