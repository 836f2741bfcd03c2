"""Decides on one declaration with what is loaded: bundle or none, rules, profiles, draw key."""

import contextlib
import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate, pairwise
from typing import NamedTuple

from models.bundle import Bundle
from models.lane_model import ASSESSED
from selectivity.capacity import Prices
from selectivity.declaration import Declaration
from selectivity.labelling import Told, item_outcomes
from selectivity.lanes import Lane
from selectivity.policy import LaneDecision, Policy, decide
from selectivity.record import DecisionRecord, ItemScore
from selectivity.risk import Risk
from selectivity.rows import columns_of, day_at, rows_of
from selectivity.rules import RuleSet
from selectivity.sampling import key_id
from serving.published import NO_MODEL

logger = logging.getLogger(__name__)

MODEL_ERROR = "MODEL_ERROR"


class Predictor:
    """One lane per declaration, whatever happens; a lane without the model is labelled as such."""

    def __init__(
        self,
        bundle: Bundle | None,
        *,
        rules: RuleSet,
        draw_key: bytes,
        policy: Policy | None = None,
        cause: str | None = None,
        cause_detail: str | None = None,
    ) -> None:
        """`rules` and `policy` are the bundle's own if there is one.

        Args:
            cause: code of why there is no bundle, for the label on every decision.
            cause_detail: the same in words, for operators.
        """
        self.bundle, self.rules = bundle, rules
        self._draw_key, self._draw_key_id = draw_key, key_id(draw_key)
        self.policy = policy or Policy()
        self.prices = bundle.prices if bundle else Prices()
        self.cause = None if bundle else cause or NO_MODEL
        self.cause_detail = cause_detail
        self.known_upto: int | None = None
        """Number of the last record of the log that the profiles have taken in."""

    @classmethod
    def of_bundle(cls, bundle: Bundle, *, draw_key: bytes) -> "Predictor":
        """A predictor with everything that a bundle holds."""
        return cls(bundle, rules=bundle.rules, policy=bundle.policy, draw_key=draw_key)

    @property
    def bundle_digest(self) -> str | None:
        """Names the bundle; None without one."""
        return self.bundle.digest if self.bundle else None

    def assess(self, declarations: Sequence[Declaration]) -> "Sequence[Assessed | None]":
        """What the model says of each now: the same as alone, in a fraction of the time.

        None for all of them without a model, or where it fails on one: `decide` then asks again.
        """
        if self.bundle is not None:
            with contextlib.suppress(Exception):  # which one it is, and why, is told when asked
                return _assess(declarations, self.bundle)
        return [None] * len(declarations)

    def decide(
        self,
        declaration: Declaration,
        *,
        earlier_lane: Lane | None,
        now: datetime,
        assessed: "Assessed | None" = None,
    ) -> DecisionRecord:
        """The decision on a declaration, with all that it rests on. Nothing is kept here.

        Args:
            assessed: what `assess` gave, if nothing was folded into the profiles since.
        """
        if self.bundle is None:
            return self.decide_without_model(
                declaration, earlier_lane=earlier_lane, now=now, cause=self.cause
            )
        try:
            risk, features_sha256 = assessed or _assess([declaration], self.bundle)[0]
            decision = self._decision(declaration, risk, earlier_lane)
            scores = _scores(declaration, risk) if decision.fallback_cause is None else ()
        except Exception:  # a lane must be given, and must say that the model did not give it
            logger.exception(
                "model failed",
                extra={"declaration_id": declaration.declaration_id, "cause": MODEL_ERROR},
            )
            return self.decide_without_model(
                declaration, earlier_lane=earlier_lane, now=now, cause=MODEL_ERROR
            )
        return self._record(declaration, decision, now, features_sha256, scores)

    def decide_without_model(
        self,
        declaration: Declaration,
        *,
        earlier_lane: Lane | None,
        now: datetime,
        cause: str | None,
    ) -> DecisionRecord:
        """The decision by rules alone, labelled with the cause. Nothing is kept here."""
        decision = self._decision(declaration, None, earlier_lane, cause=cause)
        return self._record(declaration, decision, now)

    def observe(self, declarations: Sequence[Declaration]) -> None:
        """Fold declarations whose decisions are kept into the profiles."""
        if self.bundle is not None and declarations:
            for declaration in declarations:
                self.bundle.profiles.observe(rows_of(declaration))

    def learn(self, declaration: Declaration, told: Told) -> None:
        """Fold what a control of a declaration found into the profiles, or take it back."""
        if self.bundle is None:
            return
        outcomes = item_outcomes(told.inspection, [item.item_no for item in declaration.items])
        if not outcomes:
            return
        day = day_at(told.since)
        for item, row in zip(declaration.items, rows_of(declaration), strict=True):
            if item.item_no in outcomes:
                self.bundle.profiles.learn(row, day, outcomes[item.item_no], count=told.counts)

    def _decision(
        self,
        declaration: Declaration,
        risk: Risk | None,
        earlier_lane: Lane | None,
        *,
        cause: str | None = None,
    ) -> LaneDecision:
        return decide(
            declaration,
            risk=risk,
            rules=self.rules,
            policy=self.policy,
            prices=self.prices,
            draw_key=self._draw_key,
            earlier_lane=earlier_lane,
            facts_known=self.bundle.model.knowledge.facts if self.bundle else None,
            fallback_cause=cause or NO_MODEL,
        )

    def _record(
        self,
        declaration: Declaration,
        decision: LaneDecision,
        now: datetime,
        features_sha256: str | None = None,
        scores: tuple[ItemScore, ...] = (),
    ) -> DecisionRecord:
        declared = declaration.as_lodged()
        return DecisionRecord(
            declaration_id=declaration.declaration_id,
            version_no=declaration.version_no,
            lineage_id=declaration.lineage,
            snapshot_sha256=declaration.snapshot_sha256(),
            declared=declared,
            decided_at=now,
            bundle_digest=self.bundle_digest,
            rules_version=self.rules.version,
            policy_id=self.policy.id,
            draw_key_id=self._draw_key_id,
            known_upto=self.known_upto if self.bundle else None,
            features_sha256=features_sha256,
            scores=scores,
            decision=decision,
        )


class Assessed(NamedTuple):
    """What the model says of a declaration, and the digest of the features it looked at."""

    risk: Risk
    features_sha256: str


def _assess(declarations: Sequence[Declaration], bundle: Bundle) -> list[Assessed]:
    rows = [row for declaration in declarations for row in rows_of(declaration)]
    matrix = bundle.model.features_of_rows(rows, [bundle.profiles.values(row) for row in rows])
    starts = [0, *accumulate(len(declaration.items) for declaration in declarations)]
    risks = bundle.model.assess(columns_of(rows, ASSESSED), matrix, starts[:-1])
    return [
        Assessed(risk, hashlib.sha256(matrix[start:stop].tobytes()).hexdigest())
        for risk, (start, stop) in zip(risks, pairwise(starts), strict=True)
    ]


def _scores(declaration: Declaration, risk: Risk) -> tuple[ItemScore, ...]:
    rows = zip(declaration.items, risk.probabilities.tolist(), risk.duty_share, strict=True)
    return tuple(
        ItemScore(
            item_no=item.item_no,
            none=none,
            documentary=documentary,
            physical=physical,
            duty_share=float(duty_share),
        )
        for item, (none, documentary, physical), duty_share in rows
    )
