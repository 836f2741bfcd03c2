"""Puts declarations to the model of a bundle, with the histories that it knows now."""

import hashlib
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

from models.bundle import Bundle
from selectivity.columns import Floats
from selectivity.deciding.risk import Risk
from selectivity.declaration import Declaration
from selectivity.histories.rows import Row, arrays_of, rows_of
from selectivity.record import ItemScore


class RiskAssessment(NamedTuple):
    """What the model says of a declaration, the digest of its features, and its goods items."""

    risk: Risk
    features_sha256: str
    rows: Sequence[Row]


def assess(declarations: Sequence[Declaration], bundle: Bundle) -> list[RiskAssessment]:
    """Put declarations to the model together; each gets the same assessment as alone."""
    rows_of_each = [rows_of(declaration) for declaration in declarations]
    rows = list(chain.from_iterable(rows_of_each))
    arrays, known = arrays_of(rows), [bundle.profiles.values(row) for row in rows]
    matrix = bundle.model.features_of_rows(arrays, known)
    starts = [0, *accumulate(len(declaration.items) for declaration in declarations)]
    risks = bundle.model.assess(arrays, matrix, starts[:-1])
    return [
        RiskAssessment(risk, digest_of(matrix[start:stop]), goods)
        for risk, (start, stop), goods in zip(risks, pairwise(starts), rows_of_each, strict=True)
    ]


def digest_of(matrix: Floats) -> str:
    """SHA-256 of the features of a declaration, shape (items, features)."""
    return hashlib.sha256(matrix.tobytes()).hexdigest()


def item_scores(declaration: Declaration, risk: Risk) -> tuple[ItemScore, ...]:
    """What the model said of each goods item, for the record."""
    rows = zip(declaration.items, risk.probabilities, risk.duty_share, strict=True)
    return tuple(
        ItemScore(
            item_no=item.item_no,
            none=none,
            documentary=documentary,
            physical=physical,
            duty_share=duty_share,
        )
        for item, (none, documentary, physical), duty_share in rows
    )
