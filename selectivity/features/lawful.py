"""What customs may choose by: the law that allows each feature, from a closed list.

Officers and traders are owed the ground of a selection. A feature that no listed law allows may
not enter a model, however much it would help; whoever has another ground adds its text here first.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from selectivity.errors import UnlawfulFeatureError


class Criterion(StrEnum):
    """The seven criteria of selection that TFA Article 7.4.4 names."""

    HS_CODE = "HS code"
    NATURE = "nature and description of the goods"
    ORIGIN = "country of origin"
    SHIPMENT = "country from which the goods were shipped"
    VALUE = "value"
    RECORD = "compliance record"
    TRANSPORT = "type of means of transport"


class Text(NamedTuple):
    """A text of law and the grounds it gives, in its own words, shortened."""

    title: str
    grounds: tuple[str, ...]


LAW: Mapping[str, Text] = {
    "TFA 7.4.4": Text(
        "WTO Agreement on Trade Facilitation, Article 7.4.4", tuple(map(str, Criterion))
    ),
    "RKC 6.4": Text(
        "Revised Kyoto Convention, General Annex, Standard 6.4",
        ("persons", "goods", "means of transport"),
    ),
}
"""By the short name that features cite. TFA 7.4.4 says "inter alia": other texts may stand here."""


class Basis(NamedTuple):
    """What allows one feature: a text of `LAW`, and which of its grounds."""

    law: str
    grounds: tuple[str, ...]


def basis_of(feature: str, allowed_by: str) -> Basis:
    """What a feature's `allowed_by` cites, such as "TFA 7.4.4: HS code, value".

    Raises:
        UnlawfulFeatureError: it cites no text of the list, or a ground the text does not give.

    >>> basis_of("duty_rate", "TFA 7.4.4: HS code, value")
    Basis(law='TFA 7.4.4', grounds=('HS code', 'value'))
    """
    law, _, named = allowed_by.partition(": ")
    if law not in LAW:
        raise UnlawfulFeatureError(
            feature, f"it cites {law!r}, which is none of {', '.join(map(repr, LAW))}"
        )
    grounds = tuple(named.split(", "))
    unknown = [ground for ground in grounds if ground not in LAW[law].grounds]
    if unknown:
        known = ", ".join(map(repr, LAW[law].grounds))
        raise UnlawfulFeatureError(feature, f"{law} does not name {unknown[0]!r} but {known}")
    return Basis(law, grounds)
